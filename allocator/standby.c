#include "allocator/standby.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* "ushr": the class of our advisory locks; the object is the partition. */
#define LOCK_CLASS "1970497650"
#define NUMBER_BYTES 24
#define PARTITIONS_BYTES_MAX 65536

/* One of several databases is waited for so long, and one that is away for a twentieth of the time
 * at most. One that hung in the midst of it, and took longer, is not left alone the longer for it:
 * it may be back, and nobody else may be standing by. */
#define ANSWER_MS 250
#define CONNECT_MS 500
#define AWAY_PAUSES 20
#define PAUSE_MS_MIN 200
#define PAUSE_MS_MAX (CONNECT_MS * AWAY_PAUSES)

/* Free partitions first come first served; one that somebody owns has its lock taken. Home tells of
 * those that lie elsewhere, too; of another database those are looked at that home says are there.
 */
const char standby_look_sql[] =
    "SELECT partition, dsn FROM partitions WHERE ($1::integer = 0 OR partition = $1::integer) "
    "AND ($2::integer[] IS NULL OR partition = ANY ($2::integer[])) "
    "AND (dsn <> '' OR NOT EXISTS (SELECT FROM pg_locks k WHERE k.locktype = 'advisory' "
    "  AND k.granted AND k.classid = " LOCK_CLASS " AND k.objid = partition::oid "
    "  AND k.objsubid = 2 "
    "  AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database()))) "
    "ORDER BY partition";

static const char lock_sql[] = "SELECT pg_try_advisory_lock(" LOCK_CLASS ", $1::integer)";

/* The owner has not stamped for too long: end its session, which frees the lock. */
static const char end_hung_sql[] =
    "SELECT p.partition, k.pid, pg_terminate_backend(k.pid) FROM partitions p "
    "JOIN pg_locks k ON k.locktype = 'advisory' AND k.granted AND k.classid = " LOCK_CLASS
    "  AND k.objid = p.partition::oid AND k.objsubid = 2 AND k.pid <> pg_backend_pid() "
    "  AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "WHERE ($1::integer = 0 OR p.partition = $1::integer) AND p.dsn = '' "
    "AND ($3::integer[] IS NULL OR p.partition = ANY ($3::integer[])) "
    "AND p.heartbeat < clock_timestamp() - make_interval(secs => $2::double precision / 1000) "
    /* Who has just locked but not yet claimed has no heartbeat: give it the time of its session. */
    "AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = k.pid "
    "  AND a.state_change < clock_timestamp() - make_interval(secs => $2::double precision / "
    "1000))";

static struct postgres_parameter number_of(int64_t n, char into[NUMBER_BYTES])
{
    int len = snprintf(into, NUMBER_BYTES, "%" PRId64, n);

    return (struct postgres_parameter){into, (size_t)len, false};
}

static bool is_home(const struct ledger_database *d)
{
    return d->dsn[0] == '\0';
}

/* The partitions of another database, as home says; NULL at home: all that are there. */
static struct postgres_parameter partitions_of(const struct ledger_database *d)
{
    return (struct postgres_parameter){is_home(d) ? NULL : d->partitions.bytes, d->partitions.len,
                                       false};
}

static bool has_others(const struct ledger *l)
{
    for (size_t i = 1; i < l->databases; i++)
        if (l->database[i].partitions.len > 0)
            return true;
    return false;
}

/* Which others there are. */

static void open_database(struct ledger *l, struct ledger_database *d, struct span dsn)
{
    postgres_free(d->owner);
    postgres_free(d->reader);
    buf_free(&d->partitions);
    *d = (struct ledger_database){.prepared = 0};
    snprintf(d->dsn, sizeof d->dsn, "%.*s", (int)dsn.len, dsn.bytes);
    char *merged = dsn_merge(l->conninfo, d->dsn);
    const char *conninfo = merged != NULL ? merged : d->dsn; /* connecting will say what is wrong */
    d->owner = postgres_new(conninfo, l->name, l->timeout_ms);
    d->reader = postgres_new(conninfo, l->name, l->timeout_ms);
    buf_init(&d->partitions, PARTITIONS_BYTES_MAX);
    free(merged);
}

/* The one with this DSN; else a new one, in the place of one that home names no more if there is.
 */
static struct ledger_database *find_database(struct ledger *l, struct span dsn)
{
    struct ledger_database *unused = NULL;

    for (size_t i = 1; i < l->databases; i++) {
        if (span_is(dsn, l->database[i].dsn))
            return &l->database[i];
        if (l->database[i].partitions.len == 0)
            unused = &l->database[i];
    }
    if (unused == NULL && l->databases < DATABASES_MAX)
        unused = &l->database[l->databases++];
    if (unused != NULL)
        open_database(l, unused, dsn);
    return unused;
}

static void note_others(struct ledger *l, const struct postgres_result *rows)
{
    for (size_t i = 1; i < l->databases; i++)
        buf_reset(&l->database[i].partitions);
    for (size_t i = 0; i < postgres_rows(rows); i++) {
        struct span dsn = postgres_cell(rows, i, 1), partition = postgres_cell(rows, i, 0);
        struct ledger_database *d = dsn.len > 0 ? find_database(l, dsn) : NULL;
        if (d != NULL)
            buf_putf(&d->partitions, "%c%.*s", d->partitions.len == 0 ? '{' : ',',
                     (int)partition.len, partition.bytes);
    }
    for (size_t i = 1; i < l->databases; i++)
        if (l->database[i].partitions.len > 0)
            buf_putc(&l->database[i].partitions, '}');
}

/* Looking at one of them. */

static enum err ask(struct ledger *l, uint32_t wanted)
{
    struct ledger_database *d = l->at;
    char number[NUMBER_BYTES];
    const struct postgres_parameter parameters[] = {number_of(wanted, number), partitions_of(d)};

    TRY(postgres_begin(l->owner, STANDBY_LOOK, 2, parameters, false));
    d->is_asked = true;
    d->asked_us = clock_mono_us();
    return ERR_NONE;
}

static enum err try_lock(struct ledger *l, uint32_t partition)
{
    char number[NUMBER_BYTES];
    const struct postgres_parameter one = number_of(partition, number);
    struct postgres_result *result = NULL;

    TRY(postgres_query(l->owner, lock_sql, 1, &one, false, &result));
    if (span_is(postgres_cell(result, 0, 0), "t"))
        l->held = partition;
    postgres_result_free(result);
    return ERR_NONE;
}

static enum err end_hung_owners(struct ledger *l, uint32_t wanted, int64_t heartbeat_ms_max)
{
    char numbers[2][NUMBER_BYTES];
    const struct postgres_parameter parameters[] = {number_of(wanted, numbers[0]),
                                                    number_of(heartbeat_ms_max, numbers[1]),
                                                    partitions_of(l->at)};
    struct postgres_result *result = NULL;

    TRY(postgres_query(l->owner, end_hung_sql, 3, parameters, false, &result));
    for (size_t i = 0; i < postgres_rows(result); i++)
        log_event(LOG_WARN, "hung_owner_ended", "partition",
                  log_i64(postgres_cell_i64(result, i, 0)), "backend",
                  log_i64(postgres_cell_i64(result, i, 1)), NULL);
    postgres_result_free(result);
    return ERR_NONE;
}

static enum err use_answer(struct ledger *l, uint32_t wanted, int64_t heartbeat_ms_max)
{
    struct postgres_result *rows = NULL;
    enum err err;

    l->at->is_asked = false;
    err = postgres_settle(l->owner, &rows);
    TRY(err == ERR_UNKNOWN ? ERR_UNAVAILABLE : err);
    if (is_home(l->at))
        note_others(l, rows);
    for (size_t i = 0; !err && l->held == 0 && i < postgres_rows(rows); i++)
        if (postgres_cell(rows, i, 1).len == 0)
            err = try_lock(l, (uint32_t)postgres_cell_i64(rows, i, 0));
    postgres_result_free(rows);
    if (!err && l->held == 0)
        err = end_hung_owners(l, wanted, heartbeat_ms_max);
    return err;
}

static enum err look_here(struct ledger *l, bool is_alone, uint32_t wanted,
                          int64_t heartbeat_ms_max)
{
    struct ledger_database *d = l->at;

    TRY(is_alone ? ledger_connect(l) : ledger_connect_owner(l, CONNECT_MS));
    if (!d->is_asked)
        TRY(ask(l, wanted));
    if (!is_alone && !postgres_await(l->owner, ANSWER_MS))
        return clock_mono_us() - d->asked_us < l->timeout_ms * 1000 ? ERR_NONE : ERR_UNAVAILABLE;
    TRY(use_answer(l, wanted, heartbeat_ms_max));
    return l->held != 0 ? ledger_connect(l) : ERR_NONE;
}

/* One that is away is left alone for a while; it is said once, and once that it is back. Home is
 * the allocator's to speak of. */
static void note_away(struct ledger *l, int64_t began_us)
{
    struct ledger_database *d = l->at;
    const char *why = ledger_why(l);
    int64_t now_us = clock_mono_us(), pause_ms = (now_us - began_us) / 1000 * AWAY_PAUSES;

    if (!d->is_away && !is_home(d))
        log_event(LOG_WARN, "database_away", "database", d->dsn, "why",
                  why[0] != '\0' ? why : "it does not answer", NULL);
    d->is_away = true;
    if (pause_ms < PAUSE_MS_MIN)
        pause_ms = PAUSE_MS_MIN;
    else if (pause_ms > PAUSE_MS_MAX)
        pause_ms = PAUSE_MS_MAX;
    d->next_us = now_us + pause_ms * 1000;
    d->is_asked = false;
    ledger_disconnect(l);
}

static void note_back(struct ledger_database *d)
{
    if (d->is_away && !is_home(d))
        log_event(LOG_INFO, "database_back", "database", d->dsn, NULL);
    d->is_away = false;
}

static enum err look_at(struct ledger *l, struct ledger_database *d, uint32_t wanted,
                        int64_t heartbeat_ms_max)
{
    bool is_alone = is_home(d) && !has_others(l);
    int64_t began_us = clock_mono_us();

    ledger_go(l, d);
    if (!is_alone && d->is_away && began_us < d->next_us)
        return ERR_UNAVAILABLE;
    enum err err = ledger_judge(l, l->owner, look_here(l, is_alone, wanted, heartbeat_ms_max));
    if (err)
        note_away(l, began_us);
    else if (!d->is_asked)
        note_back(d);
    return err;
}

static void leave_others(struct ledger *l)
{
    for (size_t i = 0; i < l->databases; i++) {
        struct ledger_database *d = &l->database[i];
        if (d == l->at)
            continue;
        postgres_disconnect(d->owner);
        postgres_disconnect(d->reader);
        d->is_asked = false;
    }
}

enum err standby_look(struct ledger *l, uint32_t wanted, int64_t heartbeat_ms_max)
{
    enum err err = look_at(l, &l->database[0], wanted, heartbeat_ms_max);

    for (size_t i = 1; l->held == 0 && i < l->databases; i++)
        if (l->database[i].partitions.len > 0)
            (void)look_at(l, &l->database[i], wanted, heartbeat_ms_max); /* its own affair */
    if (l->held != 0)
        leave_others(l);
    else
        ledger_go(l, &l->database[0]);
    return err;
}
