/*
 * What Postgres remembers of decisions made before, read back: first answers of repeated requests,
 * the states of bookings that are no longer live, the journal.
 */
#ifndef USHER_ALLOCATOR_HISTORY_H
#define USHER_ALLOCATOR_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "allocator/batch.h"
#include "allocator/decider.h"
#include "base/err.h"
#include "link/postgres.h"

/* Parameter: uuid[]. Rows refer to its elements by their number, from 1. */
extern const char history_repeated_sql[];
extern const char history_bookings_sql[];

/* A booking's lines as one text, for queries with `b` bookings: "tier:quantity:price,…". */
#define HISTORY_LINES_SQL                                                                          \
    "CASE WHEN b.tier > 0 THEN b.tier || ':' || b.quantity || ':' || b.price ELSE "                \
    "(SELECT string_agg(i.tier || ':' || i.quantity || ':' || i.price, ',' ORDER BY i.tier) "      \
    " FROM booking_items i WHERE i.booking = b.id) END"
/* Its seats, packed (base/seats.h), as hexadecimal digits; '' if it has none. */
#define HISTORY_SEATS_SQL                                                                          \
    "coalesce((SELECT string_agg(lpad(to_hex(p.position), 8, '0'), '' ORDER BY p.position)"        \
    " FROM booking_seats l, unnest(l.seats) AS p (position) WHERE l.booking = b.id), '')"

/* Row `row` of history_repeated_sql: the first answer of request position[number - 1]. */
enum err history_read_repeated(const struct postgres_result *result, size_t row,
                               struct batch *batch, const uint16_t *position, size_t count);

/* All rows of history_bookings_sql; what has none is known as state 0. */
enum err history_read_bookings(const struct postgres_result *result, const struct need *need,
                               struct known *known);

/* Rows of (now_ms, answers as hex). */
enum err history_copy_journal(struct postgres *p, const char *sql,
                              enum err (*row)(void *context, int64_t now_ms, struct span answers),
                              void *context);

#endif
