#include "gateway/database.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "base/clock.h"
#include "base/log.h"

#define LOOK_MS_MAX 250
#define SAY_MS 1000 /* between two words about it: around the bound it changes often */
#define LOOKS 4     /* at least, while a lag grows to what it may be */
#define MARKS 256   /* whoever is behind all of these is behind what any option allows */

/* Where the primary's log ended, at some moment after it was asked. */
struct mark {
    int64_t position, timeline;
    int64_t asked_us;
};

/* A connection to a replica, and what is known of who is at its other end. */
struct session {
    struct database *database;
    struct postgres_link *link; /* owned; of one connection */
    enum replica_status status; /* by what it said last */
    bool is_asked;              /* how far it is */
    uint64_t connection;        /* the reconnects after which it said so */
    int64_t known_us;           /* it has all that the primary had then; 0: nothing is known */
    size_t reads;               /* under way */
};

struct database {
    struct ev_loop *loop;
    int64_t lag_us_max;
    struct postgres_link *primary; /* owned */
    size_t sessions;               /* 0: there is no replica */
    struct session *session;       /* owned */
    ev_timer timer;
    bool is_marking, is_closing;
    int64_t marking_us;
    size_t marks; /* made so far; the newest MARKS are kept */
    struct mark mark[MARKS];
    uint64_t asked_primary, told_by_replica;
    enum replica_status said;
    int64_t said_us;
};

/* A question that a replica was asked: whatever becomes of it, the primary can be asked it. */
struct read {
    struct session *session;
    struct postgres_query query; /* its values are owned */
    int64_t known_us;            /* of the session, as it was asked */
    uint64_t connection;
};

/*
 * All that is visible anywhere was inserted into the log before, if not flushed: so where the next
 * record is inserted, not how far the log was flushed. On the edge of a page that is behind the
 * page's header (40 bytes at the beginning of a file, else 24), where no record ends: who has
 * replayed everything stands before the header, and has nothing more to wait for.
 */
static const struct statement mark_end = {
    "database_mark",
    "SELECT (l - '0/0'::pg_lsn)::bigint"
    " - CASE WHEN o <= 40 THEN o WHEN o % page <= 24 THEN o % page ELSE 0 END,"
    " ('x' || left(pg_walfile_name(l), 8))::bit(32)::integer"
    " FROM (SELECT pg_current_wal_insert_lsn() AS l WHERE NOT pg_is_in_recovery()) at,"
    " pg_walfile_name_offset(l) AS file (name, o),"
    " CAST(current_setting('wal_block_size') AS integer) AS page"};

/* A standby's timeline stands in its control file, once it has written anything of it. */
static const struct statement how_far = {
    "database_how_far",
    "SELECT pg_is_in_recovery(), (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint,"
    " greatest((SELECT timeline_id FROM pg_control_checkpoint()),"
    " (SELECT min_recovery_end_timeline FROM pg_control_recovery()))"};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events);

static void open_replica(struct database *d, const struct database_options *options)
{
    int64_t look_ms = options->lag_ms_max / LOOKS;

    d->said = REPLICA_DOWN;
    d->lag_us_max = options->lag_ms_max * 1000;
    d->session = calloc(options->connections, sizeof *d->session);
    assert(d->session != NULL);
    d->sessions = options->connections;
    for (size_t i = 0; i < d->sessions; i++) {
        struct session *s = &d->session[i];
        s->database = d;
        s->status = REPLICA_DOWN;
        s->link =
            postgres_link_open(d->loop, options->replica, 1, POSTGRES_SPARE, options->patience_ms);
    }
    d->timer.repeat = (double)(look_ms < LOOK_MS_MAX ? look_ms : LOOK_MS_MAX) / 1000;
    ev_timer_again(d->loop, &d->timer);
}

struct database *database_open(struct ev_loop *loop, const struct database_options *options)
{
    struct database *d = calloc(1, sizeof *d);

    assert(d != NULL);
    d->loop = loop;
    d->primary = postgres_link_open(loop, options->primary, options->connections, POSTGRES_ONLY,
                                    options->patience_ms);
    ev_timer_init(&d->timer, on_timer, 0, 0);
    d->timer.data = d;
    if (options->replica[0] != '\0')
        open_replica(d, options);
    return d;
}

void database_close(struct database *d)
{
    d->is_closing = true;
    ev_timer_stop(d->loop, &d->timer);
    for (size_t i = 0; i < d->sessions; i++)
        postgres_link_close(d->session[i].link);
    postgres_link_close(d->primary);
    free(d->session);
    free(d);
}

/* What is known. */

/* Nothing that was known of one timeline says anything on another. */
static void forget(struct database *d)
{
    d->marks = 0;
    for (size_t i = 0; i < d->sessions; i++)
        d->session[i].known_us = 0;
}

/* NULL: the primary has not said anything yet. */
static const struct mark *newest_mark(const struct database *d)
{
    return d->marks > 0 ? &d->mark[(d->marks - 1) % MARKS] : NULL;
}

static void note_mark(struct database *d, const struct mark *mark)
{
    const struct mark *last = newest_mark(d);

    if (last != NULL && (last->timeline != mark->timeline || last->position > mark->position))
        forget(d);
    d->mark[d->marks++ % MARKS] = *mark;
}

/* When the newest mark was asked for that lies no further than this; 0: there is none. */
static int64_t passed_us(const struct database *d, int64_t position)
{
    size_t kept = d->marks < MARKS ? d->marks : MARKS;

    for (size_t i = 1; i <= kept; i++) {
        const struct mark *mark = &d->mark[(d->marks - i) % MARKS];
        if (mark->position <= position)
            return mark->asked_us;
    }
    return 0;
}

/* The session has said how far it is. While it is the same connection, it only gets further. */
static void note_position(struct session *s, bool is_standby, int64_t position, int64_t timeline)
{
    const struct mark *mark = newest_mark(s->database);
    uint64_t connection = postgres_link_reconnects(s->link);
    int64_t known_us = 0;

    if (!is_standby) {
        s->status = REPLICA_PROMOTED;
    } else if (mark != NULL && mark->timeline != timeline) {
        s->status = REPLICA_OTHER_TIMELINE;
    } else {
        s->status = REPLICA_BEHIND; /* until it is looked how far */
        known_us = passed_us(s->database, position);
        if (s->connection == connection && s->known_us > known_us)
            known_us = s->known_us;
    }
    s->connection = connection;
    s->known_us = known_us;
}

static bool is_in_time(const struct database *d, int64_t known_us, int64_t now_us)
{
    return known_us != 0 && now_us - known_us <= d->lag_us_max;
}

static enum replica_status status_of(const struct session *s, int64_t now_us)
{
    if (!postgres_link_is_ready(s->link) || s->connection != postgres_link_reconnects(s->link))
        return REPLICA_DOWN;
    if (s->status == REPLICA_BEHIND && is_in_time(s->database, s->known_us, now_us))
        return REPLICA_OK;
    return s->status;
}

static int64_t age_ms(int64_t known_us, int64_t now_us)
{
    return (now_us - known_us + 999) / 1000;
}

struct replica_report database_replica(const struct database *d)
{
    int64_t now_us = clock_mono_us(), known_us = 0;
    struct replica_report report = {d->sessions > 0 ? REPLICA_DOWN : REPLICA_NONE, -1};

    for (size_t i = 0; i < d->sessions; i++) {
        const struct session *s = &d->session[i];
        enum replica_status status = status_of(s, now_us);
        if (status > report.status)
            report.status = status;
        if (status >= REPLICA_BEHIND && s->known_us > known_us)
            known_us = s->known_us;
    }
    if (known_us != 0)
        report.lag_ms = age_ms(known_us, now_us);
    return report;
}

const char *replica_status_word(enum replica_status status)
{
    static const char *const words[] = {
#define X(name, word) [REPLICA_##name] = word,
        REPLICA_STATUSES(X)
#undef X
    };

    return words[status];
}

static void tell(struct database *d)
{
    struct replica_report now = database_replica(d);

    if (now.status == d->said || clock_mono_us() - d->said_us < SAY_MS * 1000)
        return;
    d->said = now.status;
    d->said_us = clock_mono_us();
    log_event(now.status == REPLICA_OK ? LOG_INFO : LOG_WARN, "replica", "status",
              replica_status_word(now.status), "lag_ms", log_i64(now.lag_ms), "why",
              now.status == REPLICA_DOWN ? postgres_link_why(d->session[0].link) : "", NULL);
}

/* How it is found out. */

static void on_how_far(void *context, enum err err, const struct postgres_rows *rows)
{
    struct session *s = context;

    s->is_asked = false;
    if (err || rows_count(rows) != 1)
        return; /* nothing new is known */
    note_position(s, span_is(rows_text(rows, 0, 0), "t"), rows_i64(rows, 0, 1),
                  rows_i64(rows, 0, 2));
    tell(s->database);
}

static void look(struct database *d)
{
    for (size_t i = 0; i < d->sessions; i++) {
        struct session *s = &d->session[i];
        struct postgres_query query = {.statement = &how_far,
                                       .done = on_how_far,
                                       .context = s,
                                       .wait_ms = d->lag_us_max / 1000};
        if (!s->is_asked && postgres_link_is_ready(s->link))
            s->is_asked = postgres_link_query(s->link, &query);
    }
}

static void on_mark(void *context, enum err err, const struct postgres_rows *rows)
{
    struct database *d = context;

    d->is_marking = false;
    if (!err && rows_count(rows) == 1)
        note_mark(d, &(struct mark){rows_i64(rows, 0, 0), rows_i64(rows, 0, 1), d->marking_us});
    if (!d->is_closing)
        look(d);
}

/* A look right after a mark finds the least lag. But how the replica is, is of interest also while
 * the primary does not answer. */
static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct database *d = timer->data;
    struct postgres_query query = {.statement = &mark_end, .done = on_mark, .context = d};

    (void)loop;
    (void)events;
    tell(d);
    if (!d->is_marking) {
        d->marking_us = clock_mono_us(); /* before it is asked */
        d->is_marking = postgres_link_query(d->primary, &query);
        if (d->is_marking)
            return;
    }
    look(d);
}

/* Questions. */

static void read_free(struct read *r)
{
    query_end(&r->query);
    free(r);
}

/* NULL: no memory. */
static struct read *read_new(struct session *s, const struct postgres_query *query)
{
    struct read *r = calloc(1, sizeof *r);

    if (r == NULL || !query_copy(&r->query, query)) {
        free(r);
        return NULL;
    }
    r->session = s;
    r->known_us = s->known_us;
    r->connection = s->connection;
    return r;
}

static bool ask_primary(struct database *d, const struct postgres_query *query)
{
    bool taken = postgres_link_query(d->primary, query);

    d->asked_primary += taken;
    return taken;
}

/* It came on the connection of which it was known how far it is, that is still known, and it came
 * in time. */
static bool is_right(const struct read *r, int64_t now_us)
{
    const struct session *s = r->session;

    return r->connection == postgres_link_reconnects(s->link) && s->known_us >= r->known_us &&
           is_in_time(s->database, r->known_us, now_us);
}

static void on_read(void *context, enum err err, const struct postgres_rows *rows)
{
    struct read *r = context;
    struct database *d = r->session->database;
    int64_t now_us = clock_mono_us();

    r->session->reads--;
    if (!err && is_right(r, now_us)) {
        struct postgres_rows aged = {rows->result, age_ms(r->known_us, now_us)};
        d->told_by_replica++;
        r->query.done(r->query.context, ERR_NONE, &aged);
    } else if (d->is_closing || !ask_primary(d, &r->query)) {
        r->query.done(r->query.context, ERR_UNAVAILABLE, NULL);
    }
    read_free(r);
}

/* Of those that may be asked, one that has the least to do. NULL: there is none. */
static struct session *choose(const struct database *d, int64_t now_us)
{
    struct session *best = NULL;

    for (size_t i = 0; i < d->sessions; i++) {
        struct session *s = &d->session[i];
        if (status_of(s, now_us) == REPLICA_OK && (best == NULL || s->reads < best->reads))
            best = s;
    }
    return best;
}

static bool ask_replica(struct database *d, const struct postgres_query *query)
{
    int64_t now_us = clock_mono_us();
    struct session *s = choose(d, now_us);
    struct read *r = s != NULL ? read_new(s, query) : NULL;
    struct postgres_query asked;

    if (r == NULL)
        return false;
    asked = r->query;
    asked.done = on_read;
    asked.context = r;
    asked.wait_ms = (d->lag_us_max - (now_us - r->known_us)) / 1000 + 1;
    s->reads++;
    if (postgres_link_query(s->link, &asked))
        return true;
    s->reads--;
    read_free(r);
    return false;
}

bool database_query(struct database *d, const struct postgres_query *query)
{
    return (query->may_lag && ask_replica(d, query)) || ask_primary(d, query);
}

bool database_is_ready(const struct database *d)
{
    return postgres_link_is_ready(d->primary);
}

struct database_counts database_counts(const struct database *d)
{
    struct database_counts counts = {.primary = d->asked_primary,
                                     .replica = d->told_by_replica,
                                     .primary_reconnects = postgres_link_reconnects(d->primary)};

    for (size_t i = 0; i < d->sessions; i++)
        counts.replica_reconnects += postgres_link_reconnects(d->session[i].link);
    return counts;
}
