#include "allocator/rebuild.h"

#include <inttypes.h>
#include <stdio.h>

#include "allocator/generations.h"
#include "allocator/loading.h"
#include "allocator/rebuild_show.h"
#include "base/clock.h"
#include "base/log.h"

#define SHOWS_MAX 100000 /* of one partition */
#define SQL_BYTES_MAX 512

/* The snapshot must be of the version that the tenure began with. */
static enum err check_version(struct rebuild *r, const struct tenure *t)
{
    struct postgres_result *row = NULL;
    char sql[SQL_BYTES_MAX];
    enum err err = ERR_NONE;

    snprintf(sql, sizeof sql, "SELECT epoch, version FROM partitions WHERE partition = %" PRIu32,
             t->partition);
    TRY(postgres_query(r->ledger->reader, sql, 0, NULL, false, &row));
    if (postgres_rows(row) != 1 || (uint64_t)postgres_cell_i64(row, 0, 0) != t->epoch)
        err = ERR_FENCED;
    else if ((uint64_t)postgres_cell_i64(row, 0, 1) != t->version)
        err = ERR_REBUILD;
    postgres_result_free(row);
    return err;
}

static enum err with_snapshot(struct rebuild *r, struct loading *l,
                              enum err (*load)(struct loading *l, void *argument), void *argument)
{
    enum err err =
        postgres_run(r->ledger->reader, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");

    if (!err)
        err = check_version(r, l->t);
    if (!err)
        err = load(l, argument);
    if (!err)
        return postgres_run(r->ledger->reader, "COMMIT");
    if (postgres_is_connected(r->ledger->reader))
        postgres_run(r->ledger->reader, "ROLLBACK");
    return err;
}

static enum err each_show(struct loading *l, enum err (*load)(struct loading *l, uint32_t show))
{
    struct postgres_result *shows = NULL;
    char sql[SQL_BYTES_MAX];
    enum err err = ERR_NONE;

    snprintf(sql, sizeof sql,
             "SELECT s.show FROM shows s WHERE s.partition = %" PRIu32 " AND ("
             " (s.state = 'open' AND (s.sales_close_at IS NULL OR s.sales_close_at > now()))"
             " OR EXISTS (SELECT FROM tiers t WHERE t.show = s.show AND t.held + t.pending > 0))"
             " ORDER BY s.show LIMIT %d",
             l->t->partition, SHOWS_MAX);
    TRY(postgres_query(l->r->ledger->reader, sql, 0, NULL, false, &shows));
    for (size_t i = 0; !err && i < postgres_rows(shows); i++)
        err = load(l, (uint32_t)postgres_cell_i64(shows, i, 0));
    postgres_result_free(shows);
    return err;
}

static enum err load_partition(struct loading *l, void *argument)
{
    (void)argument;
    return each_show(l, rebuild_show_all);
}

static enum err load_availability(struct loading *l, void *argument)
{
    (void)argument;
    return each_show(l, rebuild_show_availability);
}

enum err rebuild_availability(struct rebuild *r, const struct tenure *t)
{
    struct loading l;

    loading_init(&l, r, t);
    enum err err = with_snapshot(r, &l, load_availability, NULL);
    loading_free(&l);
    return err;
}

enum err rebuild_partition(struct rebuild *r, struct tenure *t)
{
    struct loading l;
    int64_t began_us = clock_mono_us();

    snprintf(t->generation, sizeof t->generation, "%" PRIu64, t->epoch);
    TRY(generations_add(r->redis, t));
    loading_init(&l, r, t);
    enum err err = with_snapshot(r, &l, load_partition, NULL);
    if (!err)
        err = ledger_name_generation(r->ledger, t);
    if (!err)
        err = decider_switch(r->decider, t);
    if (!err)
        log_event(LOG_INFO, "rebuilt", "partition", log_u64(t->partition), "generation",
                  t->generation, "bookings", log_u64(l.rows), "ms",
                  log_i64((clock_mono_us() - began_us) / 1000), NULL);
    loading_free(&l);
    TRY(err);
    return generations_drop_older(r->redis, t);
}

static enum err load_one(struct loading *l, void *argument)
{
    return rebuild_show_all(l, *(const uint32_t *)argument);
}

enum err rebuild_show(struct rebuild *r, const struct tenure *t, uint32_t show, uint32_t *partition)
{
    struct postgres_result *row = NULL;
    struct loading l;
    char sql[SQL_BYTES_MAX];

    /* Only what was here once is handed on: what never was stands in the wrong stream. */
    snprintf(sql, sizeof sql,
             "SELECT s.partition FROM shows s WHERE s.show = %" PRIu32
             " AND (s.partition = %" PRIu32
             " OR EXISTS (SELECT FROM show_moves m WHERE m.show = s.show"
             " AND m.from_partition = %" PRIu32 "))",
             show, t->partition, t->partition);
    TRY(postgres_query(r->ledger->reader, sql, 0, NULL, false, &row));
    *partition = postgres_rows(row) == 1 ? (uint32_t)postgres_cell_i64(row, 0, 0) : 0;
    postgres_result_free(row);
    if (*partition != t->partition)
        return ERR_NONE;
    loading_init(&l, r, t);
    enum err err = with_snapshot(r, &l, load_one, &show);
    loading_free(&l);
    return err;
}

enum err rebuild_rules(struct rebuild *r, const struct tenure *t, uint32_t show)
{
    struct loading l;
    bool loaded;

    TRY(generation_has_show(r->redis, t, show, &loaded));
    if (!loaded)
        return ERR_NONE;
    loading_init(&l, r, t);
    enum err err = rebuild_show_fields(&l, show, false);
    loading_free(&l);
    return err;
}
