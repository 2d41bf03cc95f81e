/* Bookings as Postgres has them, for the routes that read them. */
#ifndef USHER_GATEWAY_READS_H
#define USHER_GATEWAY_READS_H

#include "base/answer.h"
#include "base/err.h"
#include "gateway/merge.h"
#include "gateway/postgres_link.h"
#include "gateway/show.h"
#include "gateway/task.h"

struct database;

/* For statements that read bookings: the columns that booking_from_row expects, from first_column
 * on, of the table b. */
#define BOOKING_COLUMNS                                                                            \
    "b.id, b.user_id, b.status, b.created_ms, b.expires_ms, b.amount, b.tier, b.quantity, "        \
    "b.price, (SELECT string_agg(concat_ws(':', i.tier, i.quantity, i.price), ',' "                \
    "ORDER BY i.tier) FROM booking_items i WHERE i.booking = b.id AND i.quantity > 0 "             \
    "AND b.tier = 0), "                                                                            \
    "(SELECT string_agg(t.id, E'\\n' ORDER BY t.position) FROM booking_seats l, "                  \
    "unnest(l.seats) AS u (position) JOIN seats t ON t.position = u.position "                     \
    "WHERE l.booking = b.id AND t.show = b.show)"
#define BOOKING_COLUMN_COUNT 11
enum err booking_from_row(struct booking *booking, const struct postgres_rows *rows, size_t row,
                          size_t first_column);

bool state_from_name(struct span name, enum state *state);

/* Answer that Postgres gave none. */
void reads_fail(struct task *task, enum err err);

/* One booking of another table's row: the show's columns come first, then the booking's. */
#define BOOKING_TABLES                                                                             \
    "bookings b JOIN (shows s JOIN partitions p USING (partition)) ON s.show = b.show"

/* Ask on the task's behalf: it is parked; `done` has it as its context. Whoever says
 * Cache-Control: no-cache (or max-age=0) is told what the primary knows, also where it may lag. */
void reads_ask(struct task *task, struct postgres_query *query);
/* The same of a database that is said. */
void reads_ask_at(struct task *task, struct database *database, struct postgres_query *query);
/* reads_ask asks the database of the task's show, or home. This asks where the row is … */
void reads_find(struct task *task, struct postgres_query *query);
/* … and this all, for rows in `order`; if one of them cannot be asked, there is no answer … */
void reads_gather(struct task *task, struct postgres_query *query, const struct merge_order *order);
/* … or, for lists that are of use without it, its rows are not there. */
void reads_gather_some(struct task *task, struct postgres_query *query,
                       const struct merge_order *order);

/* Of rows that begin with SHOW_COLUMNS: as GET /v1/shows has them. */
extern const struct merge_order shows_by_start;
/* The begin of `done`: the task goes on, and what it tells is as old as the rows. False: it is
 * gone, or was answered that there are none. */
bool reads_have(struct task *task, enum err err, const struct postgres_rows *rows);

/* A parameter of the query as a C string of at most `max` bytes (and the NUL); absent or empty:
 * *text is NULL. False: the task was answered. */
bool reads_text(struct task *task, const char *name, char *bytes, size_t max, const char **text);

/* A parameter that is a whole number; absent: *n stays. False: the task was answered. */
bool reads_number(struct task *task, const char *name, uint64_t min, uint64_t max, uint64_t *n);
/* A percent-encoded user in a path; false: the task was answered. */
bool reads_user(struct task *task, struct span raw, char user[USER_BYTES_MAX + 1]);

/* "limit" of the query, 1..LIMIT_MAX; false: the task was answered. */
bool reads_limit(struct task *task, int64_t *limit);

#endif
