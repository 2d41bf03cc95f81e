#include "gateway/stock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounds.h"
#include "base/clock.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"

#define ASK_EVERY_MS 5000
#define NUMBER_BYTES 24

#define PLACE_STATES(X) X(available) X(held) X(pending) X(confirmed) X(blocked)

enum { STATE_FIRST = 1 }; /* the column of the first of them, behind the slug */
static const char *const states[] = {
#define X(name) #name,
    PLACE_STATES(X)
#undef X
};
#define PLACE_STATES_COUNT (sizeof states / sizeof states[0])

struct stocked {
    char slug[SLUG_BYTES_MAX + 1];
    int64_t places[PLACE_STATES_COUNT];
};

struct stock {
    struct gateway *gateway;
    int64_t next_us;
    bool is_asking_places, is_asking_locks, knows_locks;
    size_t shows;
    struct stocked show[STOCK_SHOWS_MAX];
    int64_t lock_waits, lock_wait_ms;
};

/* The newest of those on sale, in each database: an index has them (sql/0020_gauges.sql). */
static const struct statement places_of_shows = {
    "places_of_shows", "SELECT s.slug"
#define X(name) ", sum(t." #name ")"
    PLACE_STATES(X)
#undef X
        " FROM (SELECT show, slug FROM shows WHERE state = 'open'"
        " AND coalesce(sales_open_at <= now(), true) AND coalesce(sales_close_at > now(), true)"
        " ORDER BY show DESC LIMIT $1::integer) s"
        " JOIN tiers t USING (show) GROUP BY s.show, s.slug ORDER BY s.show DESC"};

static const struct statement lock_waits = {
    "lock_waits", "SELECT count(DISTINCT l.pid), coalesce((extract(epoch FROM"
                  " max(clock_timestamp() - l.waitstart)) * 1000)::bigint, 0)"
                  " FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
                  " WHERE NOT l.granted AND a.datname = current_database()"};

/* Figures are better told without those of a database that is away than not at all. */
static const struct merge_order any_order = {0, {{0, MERGE_NUMBER, false}}};

struct stock *stock_new(struct gateway *gateway)
{
    struct stock *s = calloc(1, sizeof *s);

    assert(s != NULL);
    s->gateway = gateway;
    return s;
}

void stock_free(struct stock *s)
{
    free(s);
}

static void take_show(struct stocked *show, const struct postgres_rows *rows, size_t row)
{
    struct span slug = rows_text(rows, row, 0);

    snprintf(show->slug, sizeof show->slug, "%.*s", (int)slug.len, slug.bytes);
    for (size_t i = 0; i < PLACE_STATES_COUNT; i++)
        show->places[i] = rows_i64(rows, row, STATE_FIRST + i);
}

static void on_places(void *context, enum err err, const struct postgres_rows *rows)
{
    struct stock *s = context;

    s->is_asking_places = false;
    s->shows = 0;
    for (size_t i = 0; !err && i < rows_count(rows) && i < STOCK_SHOWS_MAX; i++)
        take_show(&s->show[s->shows++], rows, i);
}

static void on_locks(void *context, enum err err, const struct postgres_rows *rows)
{
    struct stock *s = context;

    s->is_asking_locks = false;
    s->knows_locks = !err;
    s->lock_waits = s->lock_wait_ms = 0;
    for (size_t i = 0; !err && i < rows_count(rows); i++) {
        s->lock_waits += rows_i64(rows, i, 0);
        if (rows_i64(rows, i, 1) > s->lock_wait_ms)
            s->lock_wait_ms = rows_i64(rows, i, 1);
    }
}

void stock_turn(struct stock *s)
{
    int64_t now_us = clock_mono_us(), shows_max = s->gateway->options->show_gauges;
    char limit[NUMBER_BYTES];
    struct postgres_query places = {.statement = &places_of_shows,
                                    .may_lag = true,
                                    .values = 1,
                                    .value = {limit},
                                    .done = on_places,
                                    .context = s};
    struct databases *databases = s->gateway->databases;
    struct postgres_query locks = {.statement = &lock_waits, .done = on_locks, .context = s};

    if (now_us < s->next_us)
        return;
    s->next_us = now_us + ASK_EVERY_MS * 1000;
    snprintf(limit, sizeof limit, "%" PRId64, shows_max);
    if (!s->is_asking_places && shows_max > 0)
        s->is_asking_places = databases_gather(databases, &places, &any_order, true);
    if (!s->is_asking_locks)
        s->is_asking_locks = databases_gather(databases, &locks, &any_order, true);
}

static void put_places(const struct stock *s, struct buf *out)
{
    if (s->shows == 0)
        return;
    buf_puts(out, "# HELP usher_show_places Places of the newest shows on sale, by their state.\n"
                  "# TYPE usher_show_places gauge\n");
    for (size_t i = 0; i < s->shows; i++)
        for (size_t j = 0; j < PLACE_STATES_COUNT; j++)
            buf_putf(out, "usher_show_places{show=\"%s\",state=\"%s\"} %" PRId64 "\n",
                     s->show[i].slug, states[j], s->show[i].places[j]);
}

void stock_put(const struct stock *s, struct buf *out)
{
    put_places(s, out);
    if (!s->knows_locks)
        return;
    buf_putf(out,
             "# HELP usher_postgres_lock_waits Sessions of Postgres that wait for a lock.\n"
             "# TYPE usher_postgres_lock_waits gauge\n"
             "usher_postgres_lock_waits %" PRId64 "\n"
             "# HELP usher_postgres_lock_wait_seconds How long the first of them has waited.\n"
             "# TYPE usher_postgres_lock_wait_seconds gauge\n"
             "usher_postgres_lock_wait_seconds %" PRId64 ".%03" PRId64 "\n",
             s->lock_waits, s->lock_wait_ms / 1000, s->lock_wait_ms % 1000);
}
