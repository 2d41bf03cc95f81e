/*
 * The shows that are asked for, kept in memory: bounded, and read anew from Postgres once a second
 * while they are in use. If Postgres is away, what was known last goes on serving.
 */
#ifndef USHER_GATEWAY_SHOWS_H
#define USHER_GATEWAY_SHOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "gateway/list.h"
#include "gateway/show.h"
#include "gateway/task.h"

struct gateway;
struct postgres_rows;
struct room_cache;
struct shows;

struct cached_show {
    struct shows *shows;
    struct show show;
    struct list by_number, by_slug, by_use;
    unsigned pins; /* tasks and questions that hold on to it */
    int64_t loaded_us, used_us;
    bool is_stale; /* the last attempt to read it anew failed: better than nothing */

    /* seatmaps.h */
    struct seatmap *seatmap; /* owned; NULL until somebody needs it */
    struct list waiting_for_map;
    bool is_loading_map;

    struct room_cache *room; /* rooms.h; NULL until somebody asks for it */

    /* counts.h: the answer to GET …/availability, ready-made. */
    struct list waiting; /* tasks, for the question that is under way */
    bool is_asking;
    int64_t counted_us;      /* when `counted` was asked for; 0: never */
    int64_t touched_us;      /* when a decision passed through here */
    struct buf counted;      /* the body */
    char etag[20];           /* with its quotes */
    char counted_fields[80]; /* the header fields */
};

struct shows *shows_new(struct gateway *gateway); /* never NULL */
void shows_free(struct shows *shows);
void shows_begin(struct shows *shows); /* the links are open: keep what is in use fresh */

/*
 * Give the task its show, by slug or number: true, and task->show is there and pinned until the
 * task ends. False: the task was answered (404, 503), or waits and its route's handler will be
 * called again from the start.
 */
bool shows_give(struct task *task, struct span name);
bool shows_give_number(struct task *task, uint32_t number);

/* Seat maps are bounded in number of seats: those of shows that nobody uses make room. */
bool shows_have_room_for_map(struct cached_show *cached);

/*
 * Another show for the task, which has its own already: pinned in task->also until the task ends.
 * NULL: as false above, so the handler must be one that may be called again from the start.
 */
const struct show *shows_give_also(struct task *task, struct span name);
const struct show *shows_give_also_number(struct task *task, uint32_t number);
/* One that the task has; NULL: it has it not. */
const struct show *shows_given(const struct task *task, uint32_t number);

/* Somebody makes use of it at this time: it is kept, and kept fresh. */
void shows_use(struct cached_show *cached, int64_t now_us);
/* It is known to have changed: read it anew soon. */
void shows_expire(struct cached_show *cached);

void shows_pin(struct cached_show *cached);
void shows_unpin(struct cached_show *cached);

/* For statements that read shows: the columns that show_from_row expects first, and their table. */
#define SHOW_COLUMNS                                                                               \
    "s.show, s.slug, s.name, s.category, s.state, s.partition, s.currency, "                       \
    "(extract(epoch FROM s.starts_at) * 1000)::bigint, "                                           \
    "(extract(epoch FROM s.sales_open_at) * 1000)::bigint, "                                       \
    "(extract(epoch FROM s.sales_close_at) * 1000)::bigint, "                                      \
    "s.max_per_user, s.max_per_booking, s.hold_ms, s.hold_ms_max, p.version, "                     \
    "(SELECT string_agg(concat_ws(':', t.tier, t.price, t.capacity, t.available, t.held, "         \
    "t.pending + t.confirmed, t.blocked, (t.kind = 'seats')::integer, " PRICE_STEPS_SQL            \
    ", t.code), E'\\n' ORDER BY t.tier) "                                                          \
    "FROM tiers t WHERE t.show = s.show), "                                                        \
    "s.series, (extract(epoch FROM s.ends_at) * 1000)::bigint, "                                   \
    "s.payment, "                                                                                  \
    "coalesce((SELECT 1 + r.active::integer FROM rooms r WHERE r.show = s.show "                   \
    "AND r.mode <> 'off'), 0)"
#define SHOW_COLUMN_COUNT 20
#define SHOW_TABLES "shows s JOIN partitions p USING (partition)"
enum err show_from_row(struct show *show, const struct postgres_rows *rows, size_t row);

#endif
