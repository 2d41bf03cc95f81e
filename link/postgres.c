/*
 * libpq, always non-blocking: every wait is a poll() with a deadline here, and what the server says
 * is read while a statement is still being written, so that neither side waits for the other.
 */
#include "postgres.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secrecy.h"

#define PARAMETERS_MAX 128
#define PARAMETER_BYTES_MAX (64u << 20) /* all text parameters of one statement */
#define HOSTS_MAX 16
#define PUSH_OUT_MS 20
#define WHY_BYTES 512
#define NAME_BYTES 64
#define SQLSTATE_BYTES 6

struct postgres {
    char *conninfo;
    char application_name[NAME_BYTES];
    int64_t timeout_ms;
    PGconn *conn; /* NULL while not connected */
    char why[WHY_BYTES];
    char sqlstate[SQLSTATE_BYTES];
    struct buf text; /* NUL-terminated copies of text parameters */

    /* The statement under way: its results are gathered until the server is ready for the next. */
    bool under_way;
    bool settled;     /* all of it is here */
    bool lost;        /* the connection is no good any more */
    bool copies;      /* rows may follow: postgres_copy_out asked for them */
    PGresult *result; /* the last good one, or the first error */
};

static enum err await_connected(struct postgres *p, PGconn *conn, int64_t deadline_us);
static enum err set_up_session(struct postgres *p);
static enum err start(struct postgres *p, int sent);
static void push_out(struct postgres *p);
static enum err finish(struct postgres *p, PGresult **result);
static enum err finish_for(struct postgres *p, struct postgres_result **result);
static void gather(struct postgres *p);
static enum err judge(struct postgres *p, PGresult **result);
static enum err send_statement(struct postgres *p, const char *sql, const char *name, size_t count,
                               const struct postgres_parameter *parameters, bool binary_results);
static enum err wait_for(int fd, short events, int64_t deadline_us, short *seen);
static enum err broken(struct postgres *p, const char *what);
static void keep_why(struct postgres *p, const char *text);
static bool is_fatal(const PGresult *r);

struct postgres *postgres_new(const char *conninfo, const char *application_name,
                              int64_t timeout_ms)
{
    assert(timeout_ms > 0 && timeout_ms <= INT32_MAX / 1000);
    struct postgres *p = calloc(1, sizeof(*p));
    if (p == NULL || (p->conninfo = strdup(conninfo)) == NULL)
        abort();
    snprintf(p->application_name, sizeof(p->application_name), "%s", application_name);
    p->timeout_ms = timeout_ms;
    buf_init(&p->text, PARAMETER_BYTES_MAX);
    return p;
}

const char *postgres_check(const char *conninfo)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &why);

    if (options == NULL) {
        PQfreemem(why); /* may repeat the password */
        return "is neither a libpq URL nor a libpq keyword string";
    }
    const char *hosts = NULL, *ports = NULL;
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (strcmp(o->keyword, "host") == 0)
            hosts = o->val;
        else if (strcmp(o->keyword, "port") == 0)
            ports = o->val;
    }
    const char *sentence = secrecy_check_address(hosts, ports);
    PQconninfoFree(options);
    return sentence;
}

void postgres_free(struct postgres *p)
{
    if (p == NULL)
        return;
    postgres_disconnect(p);
    buf_free(&p->text);
    free(p->conninfo);
    free(p);
}

void postgres_disconnect(struct postgres *p)
{
    PQclear(p->result);
    p->result = NULL;
    p->under_way = p->settled = p->lost = false;
    PQfinish(p->conn);
    p->conn = NULL;
}

bool postgres_is_connected(const struct postgres *p)
{
    return p->conn != NULL && !p->lost;
}

const char *postgres_why(const struct postgres *p)
{
    return p->why;
}

const char *postgres_sqlstate(const struct postgres *p)
{
    return p->sqlstate;
}

int postgres_socket(const struct postgres *p)
{
    return p->conn == NULL ? -1 : PQsocket(p->conn);
}

/*
 * Connecting. With PQconnectPoll libpq leaves the time limit to its caller, and so never goes on
 * from a host that hangs to the next one: the hosts of a multi-host URL are tried here one by one.
 */

struct hosts {
    char *host, *hostaddr, *port, *attrs; /* comma lists, owned; NULL if not given */
    size_t count;
};

/* The index-th of a comma list, or all of it where there is only one; written to `into`. */
static const char *list_item(const char *list, size_t index, char *into, size_t bytes)
{
    if (list == NULL)
        return NULL;
    const char *at = list;
    for (; index > 0 && strchr(at, ',') != NULL; index--)
        at = strchr(at, ',') + 1;
    if (index > 0 && strchr(list, ',') != NULL)
        at = "";
    size_t n = strcspn(at, ",");
    snprintf(into, bytes, "%.*s", (int)n, at);
    return into;
}

static size_t list_count(const char *list)
{
    size_t n = list != NULL;
    for (; list != NULL && (list = strchr(list, ',')) != NULL; list++)
        n++;
    return n;
}

/* The value of one keyword, owned by the caller; NULL if it is not given or empty. */
static char *option_copy(const PQconninfoOption *options, const char *keyword)
{
    while (options->keyword != NULL && strcmp(options->keyword, keyword) != 0)
        options++;
    if (options->keyword == NULL || options->val == NULL || *options->val == '\0')
        return NULL;
    char *copy = strdup(options->val);
    if (copy == NULL)
        abort();
    return copy;
}

static enum err hosts_read(struct postgres *p, struct hosts *hosts)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(p->conninfo, &message);
    *hosts = (struct hosts){.count = 1};
    if (options == NULL) {
        keep_why(p, message != NULL ? message : "the connection string is not valid");
        PQfreemem(message);
        return ERR_INPUT;
    }
    hosts->host = option_copy(options, "host");
    hosts->hostaddr = option_copy(options, "hostaddr");
    hosts->port = option_copy(options, "port");
    hosts->attrs = option_copy(options, "target_session_attrs");
    PQconninfoFree(options);
    size_t named = list_count(hosts->host), numbered = list_count(hosts->hostaddr);
    hosts->count = named > numbered ? named : numbered;
    if (hosts->count == 0)
        hosts->count = 1; /* libpq's default place */
    if (hosts->count <= HOSTS_MAX)
        return ERR_NONE;
    keep_why(p, "the connection string names too many hosts");
    return ERR_INPUT;
}

static void hosts_free(struct hosts *hosts)
{
    free(hosts->host);
    free(hosts->hostaddr);
    free(hosts->port);
    free(hosts->attrs);
}

static void notice(void *context, const char *message)
{
    const struct postgres *p = context;
    char line[WHY_BYTES];
    size_t n = strcspn(message, "\n");
    snprintf(line, sizeof(line), "%.*s", (int)n, message);
    log_event(LOG_WARN, "postgres_notice", "session", p->application_name, "message", line, NULL);
}

static enum err connect_one(struct postgres *p, const struct hosts *hosts, size_t index,
                            const char *attrs, int64_t wait_ms)
{
    char host[256], hostaddr[256], port[16], user_timeout[24];
    snprintf(user_timeout, sizeof(user_timeout), "%lld", (long long)p->timeout_ms);
    /* Later ones win over earlier ones; NULL and "" count as not given. */
    const char *const keys[] = {
        "tcp_user_timeout", "dbname",          "host", "hostaddr", "port", "target_session_attrs",
        "application_name", "client_encoding", NULL};
    const char *const values[] = {user_timeout,
                                  p->conninfo,
                                  list_item(hosts->host, index, host, sizeof(host)),
                                  list_item(hosts->hostaddr, index, hostaddr, sizeof(hostaddr)),
                                  list_item(hosts->port, index, port, sizeof(port)),
                                  attrs,
                                  p->application_name,
                                  "UTF8",
                                  NULL};
    PGconn *conn = PQconnectStartParams(keys, values, 1);
    if (conn == NULL)
        abort();
    PQsetNoticeProcessor(conn, notice, p);
    enum err err = await_connected(p, conn, clock_mono_us() + wait_ms * 1000);
    if (err || PQsetnonblocking(conn, 1) != 0) {
        PQfinish(conn);
        return ERR_UNAVAILABLE;
    }
    p->conn = conn;
    return set_up_session(p);
}

enum err postgres_connect(struct postgres *p)
{
    return postgres_connect_within(p, p->timeout_ms);
}

enum err postgres_connect_within(struct postgres *p, int64_t wait_ms)
{
    postgres_disconnect(p);
    p->sqlstate[0] = '\0';
    struct hosts hosts;
    enum err err = hosts_read(p, &hosts);
    /* "prefer-standby" means two rounds; host by host, libpq could not know that. */
    bool prefer = hosts.attrs != NULL && strcmp(hosts.attrs, "prefer-standby") == 0;
    const char *rounds[] = {prefer ? "standby" : hosts.attrs, "any"};
    if (!err)
        err = ERR_UNAVAILABLE;
    for (size_t round = 0; err == ERR_UNAVAILABLE && round < (prefer ? 2 : 1); round++)
        for (size_t i = 0; err == ERR_UNAVAILABLE && i < hosts.count; i++)
            err = connect_one(p, &hosts, i, rounds[round], wait_ms);
    hosts_free(&hosts);
    if (err)
        postgres_disconnect(p);
    return err;
}

static enum err await_connected(struct postgres *p, PGconn *conn, int64_t deadline_us)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (PQstatus(conn) != CONNECTION_BAD && status != PGRES_POLLING_OK &&
           status != PGRES_POLLING_FAILED) {
        short seen;
        if (wait_for(PQsocket(conn), status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                     deadline_us, &seen)) {
            keep_why(p, "Postgres does not answer: timed out while connecting");
            return ERR_UNAVAILABLE;
        }
        status = PQconnectPoll(conn);
    }
    if (PQstatus(conn) == CONNECTION_OK)
        return ERR_NONE;
    keep_why(p, PQerrorMessage(conn));
    return ERR_UNAVAILABLE;
}

/* The server gives up a little before this side would, so that the answer is a known refusal. Ways
 * that a plan is forbidden count as very dear, and what is dear is compiled first: for seconds,
 * where the statement itself takes none. */
static enum err set_up_session(struct postgres *p)
{
    char sql[512];
    snprintf(sql, sizeof(sql),
             "SET lock_timeout = %lld; SET idle_in_transaction_session_timeout = %lld;"
             " SET synchronous_commit = on; SET client_min_messages = warning; SET jit = off",
             (long long)p->timeout_ms * 3 / 4, (long long)p->timeout_ms * 2);
    return postgres_run(p, sql);
}

/* Results. struct postgres_result is libpq's own, seen through these functions only. */

static const PGresult *inside(const struct postgres_result *r)
{
    return (const PGresult *)(const void *)r;
}

size_t postgres_rows(const struct postgres_result *r)
{
    return (size_t)PQntuples(inside(r));
}

static void check_bounds(const struct postgres_result *r, size_t row, size_t column)
{
    assert(row < (size_t)PQntuples(inside(r)) && column < (size_t)PQnfields(inside(r)));
}

bool postgres_is_null(const struct postgres_result *r, size_t row, size_t column)
{
    check_bounds(r, row, column);
    return PQgetisnull(inside(r), (int)row, (int)column);
}

struct span postgres_cell(const struct postgres_result *r, size_t row, size_t column)
{
    check_bounds(r, row, column);
    return (struct span){PQgetvalue(inside(r), (int)row, (int)column),
                         (size_t)PQgetlength(inside(r), (int)row, (int)column)};
}

int64_t postgres_cell_i64(const struct postgres_result *r, size_t row, size_t column)
{
    if (postgres_is_null(r, row, column))
        return 0;
    struct span cell = postgres_cell(r, row, column);
    if (PQfformat(inside(r), (int)column) == 0)
        return strtoll(cell.bytes, NULL, 10);
    assert(cell.len == 2 || cell.len == 4 || cell.len == 8);
    uint64_t n = (unsigned char)cell.bytes[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < cell.len; i++)
        n = n << 8 | (unsigned char)cell.bytes[i];
    return (int64_t)n;
}

void postgres_result_free(struct postgres_result *r)
{
    PQclear((PGresult *)(void *)r);
}

/* Statements. */

enum err postgres_run(struct postgres *p, const char *sql)
{
    if (!postgres_is_connected(p))
        return ERR_UNAVAILABLE;
    PGresult *result;
    TRY(start(p, PQsendQuery(p->conn, sql)));
    TRY(finish(p, &result));
    /* COMMIT of an aborted transaction reports success with the tag ROLLBACK. */
    bool undone =
        strcmp(PQcmdStatus(result), "ROLLBACK") == 0 && strcasestr(sql, "ROLLBACK") == NULL;
    PQclear(result);
    if (undone) {
        keep_why(p, "the transaction was aborted and has been rolled back");
        snprintf(p->sqlstate, sizeof(p->sqlstate), "25P02"); /* in_failed_sql_transaction */
    }
    return undone ? ERR_REFUSED : ERR_NONE;
}

enum err postgres_commit(struct postgres *p)
{
    if (!postgres_is_connected(p))
        return ERR_UNAVAILABLE;
    enum err err = postgres_run(p, "COMMIT");
    return err == ERR_UNAVAILABLE ? ERR_UNKNOWN : err;
}

enum err postgres_query(struct postgres *p, const char *sql, size_t count,
                        const struct postgres_parameter *parameters, bool binary_results,
                        struct postgres_result **result)
{
    *result = NULL;
    TRY(send_statement(p, sql, NULL, count, parameters, binary_results));
    return finish_for(p, result);
}

enum err postgres_prepare(struct postgres *p, const char *name, const char *sql)
{
    if (!postgres_is_connected(p))
        return ERR_UNAVAILABLE;
    PGresult *result;
    TRY(start(p, PQsendPrepare(p->conn, name, sql, 0, NULL)));
    TRY(finish(p, &result));
    PQclear(result);
    return ERR_NONE;
}

enum err postgres_query_prepared(struct postgres *p, const char *name, size_t count,
                                 const struct postgres_parameter *parameters, bool binary_results,
                                 struct postgres_result **result)
{
    *result = NULL;
    TRY(postgres_begin(p, name, count, parameters, binary_results));
    return finish_for(p, result);
}

enum err postgres_begin(struct postgres *p, const char *name, size_t count,
                        const struct postgres_parameter *parameters, bool binary_results)
{
    TRY(send_statement(p, NULL, name, count, parameters, binary_results));
    push_out(p);
    return ERR_NONE;
}

bool postgres_is_settled(struct postgres *p)
{
    assert(p->under_way);
    gather(p);
    return p->settled || p->lost;
}

bool postgres_await(struct postgres *p, int64_t wait_ms)
{
    int64_t deadline_us = clock_mono_us() + wait_ms * 1000;
    bool is_here;
    while (!(is_here = postgres_is_settled(p))) {
        short seen, events = PQflush(p->conn) > 0 ? POLLIN | POLLOUT : POLLIN;
        if (wait_for(PQsocket(p->conn), events, deadline_us, &seen))
            break;
    }
    return is_here;
}

enum err postgres_settle(struct postgres *p, struct postgres_result **result)
{
    assert(p->under_way);
    *result = NULL;
    enum err err = finish_for(p, result);
    return err == ERR_UNAVAILABLE ? ERR_UNKNOWN : err;
}

bool postgres_notified(struct postgres *p, char *payload, size_t size)
{
    PGnotify *notify;
    bool found = false;

    while (!found && p->conn != NULL && (notify = PQnotifies(p->conn)) != NULL) {
        size_t bytes = strlen(notify->extra) + 1;
        found = bytes <= size;
        if (found)
            memcpy(payload, notify->extra, bytes);
        PQfreemem(notify);
    }
    return found;
}

/* Rows by the stream: libpq holds no more than what one read brought. */

static enum err copy_next(struct postgres *p, char **bytes, int *n)
{
    int64_t deadline_us = 0; /* counts for each row anew; most need no wait and no clock */
    while ((*n = PQgetCopyData(p->conn, bytes, 1)) == 0) {
        short seen;
        if (deadline_us == 0)
            deadline_us = clock_mono_us() + p->timeout_ms * 1000;
        if (wait_for(PQsocket(p->conn), POLLIN, deadline_us, &seen))
            return broken(p, "Postgres does not answer: timed out within a COPY");
        if (PQconsumeInput(p->conn) == 0)
            return broken(p, PQerrorMessage(p->conn));
    }
    return ERR_NONE;
}

static enum err start_copy(struct postgres *p, const char *query)
{
    buf_reset(&p->text);
    buf_puts(&p->text, "COPY (");
    buf_puts(&p->text, query);
    buf_puts(&p->text, ") TO STDOUT");
    const char *sql = buf_text(&p->text);
    assert(sql != NULL);
    PGresult *result;
    p->copies = true;
    enum err err = start(p, PQsendQuery(p->conn, sql));
    if (!err)
        err = finish(p, &result);
    p->copies = false;
    TRY(err);
    assert(PQresultStatus(result) == PGRES_COPY_OUT);
    PQclear(result);
    return ERR_NONE;
}

enum err postgres_copy_out(struct postgres *p, const char *query,
                           enum err (*line)(void *context, struct span bytes), void *context)
{
    if (!postgres_is_connected(p))
        return ERR_UNAVAILABLE;
    PGresult *result;
    enum err err = start_copy(p, query);
    if (err)
        return err;
    p->under_way = true; /* after the rows comes the statement's result */
    p->settled = false;
    for (;;) {
        char *bytes;
        int n;
        TRY(copy_next(p, &bytes, &n));
        if (n < 0)
            break;
        if (!err && n > 0)
            err = line(context, (struct span){bytes, (size_t)n - 1});
        PQfreemem(bytes); /* after an error the rest is dropped: the session is worth keeping */
    }
    enum err end = finish(p, &result);
    if (!end)
        PQclear(result);
    return end ? end : err;
}

/* Helpers. */

/* libpq wants text parameters NUL-terminated; spans are not. False: a NUL inside, or too much. */
static bool copy_texts(struct postgres *p, size_t count,
                       const struct postgres_parameter *parameters, const char **values)
{
    size_t offsets[PARAMETERS_MAX];
    buf_reset(&p->text);
    for (size_t i = 0; i < count; i++) {
        const struct postgres_parameter *one = &parameters[i];
        values[i] = one->bytes;
        if (one->bytes == NULL || one->binary)
            continue;
        if (memchr(one->bytes, '\0', one->len) != NULL)
            return false;
        offsets[i] = p->text.len;
        buf_put(&p->text, one->bytes, one->len);
        buf_putc(&p->text, '\0');
    }
    for (size_t i = 0; i < count && !p->text.failed; i++) /* only now do the bytes stay put */
        if (parameters[i].bytes != NULL && !parameters[i].binary)
            values[i] = p->text.bytes + offsets[i];
    return !p->text.failed;
}

/* By text (sql) or by name; one of them is NULL. */
static enum err send_statement(struct postgres *p, const char *sql, const char *name, size_t count,
                               const struct postgres_parameter *parameters, bool binary_results)
{
    assert(count <= PARAMETERS_MAX);
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX], formats[PARAMETERS_MAX];
    if (!postgres_is_connected(p))
        return ERR_UNAVAILABLE;
    for (size_t i = 0; i < count; i++) {
        assert(parameters[i].len <= INT32_MAX);
        lengths[i] = (int)parameters[i].len;
        formats[i] = parameters[i].binary;
    }
    if (!copy_texts(p, count, parameters, values)) {
        keep_why(p, "a text parameter holds a NUL byte or is too long");
        return ERR_INPUT;
    }
    return start(p, sql != NULL ? PQsendQueryParams(p->conn, sql, (int)count, NULL, values, lengths,
                                                    formats, binary_results)
                                : PQsendQueryPrepared(p->conn, name, (int)count, values, lengths,
                                                      formats, binary_results));
}

/* `sent`: what a PQsend… function said. Without its last message the server does nothing. */
static enum err start(struct postgres *p, int sent)
{
    assert(!p->under_way);
    p->sqlstate[0] = '\0';
    if (!sent)
        return broken(p, PQerrorMessage(p->conn));
    p->under_way = true;
    p->settled = false;
    (void)PQflush(p->conn); /* a failure shows when the answer is read */
    return ERR_NONE;
}

static enum err finish_for(struct postgres *p, struct postgres_result **result)
{
    PGresult *own;
    enum err err = finish(p, &own);
    *result = (struct postgres_result *)(void *)own;
    return err;
}

/*
 * The server does nothing before it has the whole statement, and a long one does not fit into the
 * socket at once: see it off, for a moment. Whatever goes wrong shows when the answer is read.
 */
static void push_out(struct postgres *p)
{
    int64_t deadline_us = clock_mono_us() + PUSH_OUT_MS * 1000;
    short seen = 0;
    while (PQflush(p->conn) > 0 &&
           wait_for(PQsocket(p->conn), POLLIN | POLLOUT, deadline_us, &seen) == ERR_NONE)
        if ((seen & POLLIN) && PQconsumeInput(p->conn) == 0)
            return;
}

/* Wait until the server is ready for the next statement, then say how this one ended. */
static enum err finish(struct postgres *p, PGresult **result)
{
    *result = NULL;
    int64_t deadline_us = clock_mono_us() + p->timeout_ms * 1000;
    for (gather(p); !p->settled && !p->lost; gather(p)) {
        int unsent = PQflush(p->conn);
        short seen, events = unsent > 0 ? POLLIN | POLLOUT : POLLIN;
        if (wait_for(PQsocket(p->conn), events, deadline_us, &seen)) {
            p->under_way = false;
            return broken(p, "Postgres does not answer: timed out");
        }
    }
    p->under_way = false;
    return judge(p, result);
}

/*
 * Take what has come, without waiting. A result is not the end: a commit that fails after its
 * statement did well reports so behind it, and only the NULL comes after "ready for query".
 */
static void gather(struct postgres *p)
{
    while (!p->settled && !p->lost) {
        if (PQconsumeInput(p->conn) == 0)
            p->lost = true;
        bool alive = PQstatus(p->conn) == CONNECTION_OK; /* PQgetResult would wait */
        if (alive && (PQflush(p->conn) > 0 || PQisBusy(p->conn)))
            return;
        PGresult *next = PQgetResult(p->conn);
        if (next == NULL) {
            p->settled = true;
            p->lost = p->lost || PQstatus(p->conn) == CONNECTION_BAD;
            return;
        }
        p->lost = p->lost || is_fatal(next);
        if (p->result != NULL && PQresultStatus(p->result) == PGRES_FATAL_ERROR) {
            PQclear(next); /* the first error tells most */
            continue;
        }
        PQclear(p->result);
        p->result = next;
        ExecStatusType status = PQresultStatus(next);
        assert(status != PGRES_COPY_IN && (status != PGRES_COPY_OUT || p->copies));
        p->settled = status == PGRES_COPY_OUT; /* and rows follow */
    }
}

static void keep_server_error(struct postgres *p, const PGresult *r)
{
    const char *primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL);
    const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    char text[WHY_BYTES];
    if (primary == NULL)
        snprintf(text, sizeof(text), "%s", PQresultErrorMessage(r)); /* libpq's own words */
    else
        snprintf(text, sizeof(text), "%s%s%s%s", primary, detail != NULL ? " (" : "",
                 detail != NULL ? detail : "", detail != NULL ? ")" : "");
    keep_why(p, text);
    snprintf(p->sqlstate, sizeof(p->sqlstate), "%s", sqlstate != NULL ? sqlstate : "");
}

static enum err judge(struct postgres *p, PGresult **result)
{
    PGresult *r = p->result;
    p->result = NULL;
    *result = NULL;
    enum err err = ERR_NONE;
    if (r == NULL || PQresultStatus(r) == PGRES_FATAL_ERROR ||
        PQresultStatus(r) == PGRES_BAD_RESPONSE) {
        if (r != NULL)
            keep_server_error(p, r);
        else
            keep_why(p, "Postgres closed the connection");
        err = ERR_REFUSED;
    }
    /* Whatever was said before: after a lost connection nobody knows how the statement ended. */
    if (p->lost) {
        char why[WHY_BYTES];
        snprintf(why, sizeof(why), "%s", err ? p->why : "Postgres closed the connection");
        PQclear(r);
        return broken(p, why);
    }
    if (err)
        PQclear(r);
    else
        *result = r;
    return err;
}

static bool is_fatal(const PGresult *r)
{
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

static enum err wait_for(int fd, short events, int64_t deadline_us, short *seen)
{
    struct pollfd one = {.fd = fd, .events = events};
    for (;;) {
        int64_t left_us = deadline_us - clock_mono_us();
        if (left_us <= 0)
            return ERR_UNAVAILABLE;
        int n = poll(&one, 1, (int)((left_us + 999) / 1000));
        if (n > 0) {
            *seen = one.revents;
            return ERR_NONE;
        }
        if (n < 0 && errno != EINTR)
            return ERR_UNAVAILABLE;
    }
}

/* The one way out of a connection. PQfinish does not wait for the server. */
static enum err broken(struct postgres *p, const char *what)
{
    keep_why(p, what);
    postgres_disconnect(p);
    return ERR_UNAVAILABLE;
}

/* One line: libpq's messages have several, and end in a newline. */
static void keep_why(struct postgres *p, const char *text)
{
    size_t n = 0;
    for (; *text != '\0' && n < sizeof(p->why) - 1; text++) {
        bool blank = *text == '\n' || *text == '\t' || *text == '\r' || *text == ' ';
        if (blank && (n == 0 || p->why[n - 1] == ' '))
            continue;
        p->why[n++] = blank ? ' ' : *text;
    }
    while (n > 0 && p->why[n - 1] == ' ')
        n--;
    p->why[n] = '\0';
}
