/* The map of a show's numbered seats, as it stands in Postgres: it never changes. Pure. */
#ifndef USHER_GATEWAY_SEATMAP_H
#define USHER_GATEWAY_SEATMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The texts of a seat, in the order in which they stand: what is asked for most comes first. Absent
 * coordinates are empty. */
enum seat_text {
    SEAT_TEXT_ID,
    SEAT_TEXT_SECTION,
    SEAT_TEXT_ROW,
    SEAT_TEXT_NUMBER,
    SEAT_TEXT_X,
    SEAT_TEXT_Y,
    SEAT_TEXTS
};

struct seat {
    uint32_t position;
    uint32_t at; /* of its texts */
    uint8_t tier;
    bool accessible;
};

struct seatmap {
    size_t count;
    struct seat *seat; /* owned; by position */
    char *text;        /* owned; each text ends in a NUL */
    uint32_t *index;   /* owned; seats by id: seat + 1, open addressing, at most half full */
    size_t slots;
    uint32_t *at;  /* owned; seats by position: seat + 1, or 0 */
    uint32_t last; /* position */
};

/* The columns of a line, tabs between them, and the lines of a map. */
#define SEATMAP_SQL                                                                                \
    "SELECT string_agg(concat_ws(E'\\t', s.position, s.tier, s.accessible::integer, s.id,"         \
    " s.section, s.row, s.number, coalesce(s.x::text, ''), coalesce(s.y::text, '')), E'\\n'"       \
    " ORDER BY s.position) FROM seats s WHERE s.show = $1::integer"

/* NULL: without memory, or `text` is not such lines. An empty text is an empty map. */
struct seatmap *seatmap_new(struct span text);
void seatmap_free(struct seatmap *map); /* NULL is fine */

const struct seat *seatmap_named(const struct seatmap *map, struct span id); /* or NULL */
const struct seat *seatmap_at(const struct seatmap *map, uint32_t position); /* or NULL */
/*
 * Where n seats of the tier that are available (`status`, by the map's order, as base/seats.h
 * numbers them) stand side by side: the indexes of the first ones, at most one in each block of
 * neighbours. Blocks where they leave no single seat come first, in the map's order, then the
 * others. Returns how many, at most `max`.
 */
size_t seatmap_blocks(const struct seatmap *map, const unsigned char *status, uint32_t tier,
                      uint32_t n, uint32_t *first, size_t max);

const char *seatmap_text(const struct seatmap *map, const struct seat *seat, enum seat_text text);

#endif
