#include "gateway/databases.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounds.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/partitions.h"
#include "gateway/show.h"
#include "link/dsn.h"

struct named {
    char dsn[DSN_BYTES_MAX + 1]; /* "": home */
    struct database *database;   /* owned */
};

struct databases {
    struct ev_loop *loop;
    struct database_options home;
    struct named each[DATABASES_MAX]; /* home first */
    size_t count;
    bool is_full_said;
    struct database_counts past; /* of those that were closed */
};

struct databases *databases_open(struct ev_loop *loop, const struct database_options *home)
{
    struct databases *d = calloc(1, sizeof *d);

    assert(d != NULL);
    d->loop = loop;
    d->home = *home;
    d->each[0].database = database_open(loop, home);
    d->count = 1;
    return d;
}

void databases_close(struct databases *d)
{
    while (d->count > 0)
        database_close(d->each[--d->count].database);
    free(d);
}

struct database *databases_home(const struct databases *d)
{
    return d->each[0].database;
}

struct database *databases_at(const struct databases *d, size_t index)
{
    return index < d->count ? d->each[index].database : NULL;
}

bool databases_are_several(const struct databases *d)
{
    return d->count > 1;
}

const char *databases_dsn(const struct databases *d, const struct database *database)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->each[i].database == database)
            return d->each[i].dsn;
    return "";
}

/* What home says beside the partition; the rest is as this program has it for home. Replicas are
 * home's. */
static struct database *open_other(struct databases *d, const char *dsn)
{
    struct database_options options = {.primary = dsn_merge(d->home.primary, dsn),
                                       .replica = "",
                                       .connections = d->home.connections,
                                       .patience_ms = d->home.patience_ms};
    struct database *database = NULL;

    if (options.primary == NULL)
        log_event(LOG_ERROR, "dsn_unreadable", "database", dsn, NULL);
    else
        database = database_open(d->loop, &options);
    free((char *)options.primary);
    return database;
}

static void say_full(struct databases *d)
{
    if (!d->is_full_said)
        log_event(LOG_ERROR, "too_many_databases", "at_most", log_u64(DATABASES_MAX), NULL);
    d->is_full_said = true;
}

struct database *databases_named(struct databases *d, struct span dsn)
{
    struct named *next = &d->each[d->count];

    for (size_t i = 0; i < d->count; i++)
        if (span_is(dsn, d->each[i].dsn))
            return d->each[i].database;
    if (d->count == DATABASES_MAX || dsn.len > DSN_BYTES_MAX) {
        say_full(d);
        return NULL;
    }
    snprintf(next->dsn, sizeof next->dsn, "%.*s", (int)dsn.len, dsn.bytes);
    next->database = open_other(d, next->dsn);
    if (next->database == NULL)
        return NULL;
    log_event(LOG_INFO, "database", "database", next->dsn, NULL);
    return d->each[d->count++].database;
}

static void add_counts(struct database_counts *sum, const struct database *database)
{
    struct database_counts more = database_counts(database);

    sum->primary += more.primary;
    sum->replica += more.replica;
    sum->primary_reconnects += more.primary_reconnects;
    sum->replica_reconnects += more.replica_reconnects;
}

void databases_keep(struct databases *d,
                    bool (*is_named)(void *context, const struct database *database), void *context)
{
    struct database *closing[DATABASES_MAX];
    size_t kept = 1, closed = 0;

    for (size_t i = 1; i < d->count; i++)
        if (is_named(context, d->each[i].database))
            d->each[kept++] = d->each[i];
        else
            closing[closed++] = d->each[i].database;
    d->count = kept;
    /* Whoever asked one of them is told so now, and may ask others. */
    for (size_t i = 0; i < closed; i++) {
        add_counts(&d->past, closing[i]);
        database_close(closing[i]);
    }
}

bool databases_are_ready(const struct databases *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (database_is_ready(d->each[i].database))
            return true;
    return false;
}

struct database_counts databases_counts(const struct databases *d)
{
    struct database_counts sum = d->past;

    for (size_t i = 0; i < d->count; i++)
        add_counts(&sum, d->each[i].database);
    return sum;
}

struct database *databases_of(const struct task *task)
{
    const struct gateway *g = task->gateway;

    return task->show == NULL ? databases_home(g->databases)
                              : partitions_database(g->partitions, task->show->partition);
}

/* Questions to several. */

struct gathering;

/* One database's part of it. */
struct part {
    struct gathering *gathering;
    struct postgres_rows rows; /* owned; or no result */
    enum err err;
};

struct gathering {
    struct databases *databases;
    struct postgres_query query;     /* its values are owned */
    const struct merge_order *order; /* borrowed for good; NULL: find */
    bool may_lack, is_told;
    size_t parts, pending;
    struct part part[DATABASES_MAX];
};

static void gathering_free(struct gathering *g)
{
    query_end(&g->query);
    for (size_t i = 0; i < g->parts; i++)
        rows_free(&g->part[i].rows);
    free(g);
}

/* NULL: no memory. */
static struct gathering *gathering_new(struct databases *d, const struct postgres_query *query)
{
    struct gathering *g = calloc(1, sizeof *g);

    if (g == NULL || !query_copy(&g->query, query)) {
        free(g);
        return NULL;
    }
    g->databases = d;
    return g;
}

/* The first error that counts: an absent part is only missing where that is allowed. */
static enum err error_of(const struct gathering *g)
{
    for (size_t i = 0; i < g->parts; i++)
        if (g->part[i].err && (i == 0 || !g->may_lack))
            return g->part[i].err;
    return ERR_NONE;
}

/* Nobody has it, or it was told already. */
static void end_search(struct gathering *g)
{
    const struct postgres_rows *none = NULL;
    enum err err = error_of(g);

    for (size_t i = 0; i < g->parts; i++)
        if (g->part[i].rows.result != NULL)
            none = &g->part[i].rows;
    if (!g->is_told)
        g->query.done(g->query.context, err, err ? NULL : none);
}

static void tell_merged(struct gathering *g)
{
    struct postgres_rows parts[DATABASES_MAX];
    enum err err = error_of(g);

    for (size_t i = 0; i < g->parts; i++)
        parts[i] = g->part[i].rows;
    struct postgres_rows merged =
        err ? (struct postgres_rows){NULL, 0} : rows_merge(parts, g->parts, g->order);
    if (!err && merged.result == NULL)
        err = ERR_MEMORY;
    g->query.done(g->query.context, err, err ? NULL : &merged);
    rows_free(&merged);
}

static void end(struct gathering *g)
{
    if (g->order == NULL)
        end_search(g);
    else
        tell_merged(g);
    gathering_free(g);
}

static void on_part(void *context, enum err err, const struct postgres_rows *rows)
{
    struct part *part = context;
    struct gathering *g = part->gathering;

    part->err = err;
    if (!err && g->order == NULL && rows_count(rows) > 0) {
        /* It is found, whatever the others will say. */
        bool is_first = !g->is_told;
        g->is_told = true;
        if (is_first)
            g->query.done(g->query.context, ERR_NONE, rows);
    } else if (!err) {
        part->rows = rows_keep(rows);
        part->err = part->rows.result == NULL ? ERR_MEMORY : ERR_NONE;
    }
    if (--g->pending == 0)
        end(g);
}

/* The databases from `first` on; what is not taken is a part that cannot be had. False: none was
 * taken, so nobody will end this. */
static bool ask(struct gathering *g, size_t first)
{
    struct databases *d = g->databases;

    g->parts = d->count;
    for (size_t i = first; i < d->count; i++) {
        struct part *part = &g->part[i];
        struct postgres_query query = g->query;
        part->gathering = g;
        query.done = on_part;
        query.context = part;
        g->pending++;
        if (!database_query(d->each[i].database, &query)) {
            part->err = ERR_UNAVAILABLE;
            g->pending--;
        }
    }
    return g->pending > 0;
}

static void on_home(void *context, enum err err, const struct postgres_rows *rows)
{
    struct gathering *g = context;
    bool is_found = !err && rows_count(rows) > 0;

    g->parts = 1;
    g->part[0].err = err;
    if (is_found || g->databases->count <= 1) {
        g->query.done(g->query.context, err, rows);
        gathering_free(g);
        return;
    }
    if (!err) {
        g->part[0].rows = rows_keep(rows);
        g->part[0].err = g->part[0].rows.result == NULL ? ERR_MEMORY : ERR_NONE;
    }
    if (!ask(g, 1))
        end(g);
}

bool databases_find(struct databases *d, const struct postgres_query *query)
{
    struct postgres_query home = *query;
    struct gathering *g;

    if (d->count == 1)
        return database_query(databases_home(d), query);
    g = gathering_new(d, query);
    if (g == NULL)
        return false;
    home.done = on_home;
    home.context = g;
    /* Nothing is waited for at home while it is away. */
    if (database_is_ready(databases_home(d)) ? database_query(databases_home(d), &home) : ask(g, 0))
        return true;
    gathering_free(g);
    return false;
}

static bool are_all_ready(const struct databases *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (!database_is_ready(d->each[i].database))
            return false;
    return true;
}

bool databases_gather(struct databases *d, const struct postgres_query *query,
                      const struct merge_order *order, bool may_lack)
{
    struct gathering *g;

    if (d->count == 1)
        return database_query(databases_home(d), query);
    /* What cannot be whole is not worth anybody's time. */
    if (!may_lack && !are_all_ready(d)) {
        query->done(query->context, ERR_UNAVAILABLE, NULL);
        return true;
    }
    g = gathering_new(d, query);
    if (g == NULL)
        return false;
    g->order = order;
    g->may_lack = may_lack;
    if (ask(g, 0))
        return true;
    gathering_free(g);
    return false;
}
