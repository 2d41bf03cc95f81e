#include "gateway/postgres_link.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>
#include <libpq-fe.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/secrecy.h"
#include "base/text.h"
#include "gateway/hosts.h"
#include "gateway/list.h"

#define QUEUE_MAX 4096
#define CONNECT_MS 4000 /* for one attempt, all hosts together */
#define BACKOFF_MS_MIN 50
#define BACKOFF_MS_MAX 2000
#define TICK_MS 100
#define STATEMENTS_MAX 64

enum connection_state {
    CONNECTION_PAUSED,    /* the timer brings the next attempt */
    CONNECTION_RESOLVING, /* its hosts' names are being looked up */
    CONNECTION_CONNECTING,
    CONNECTION_SETTING_UP,
    CONNECTION_IDLE,
    CONNECTION_PREPARING, /* `query`'s statement */
    CONNECTION_BUSY,      /* with `query` */
};

struct query {
    struct list node; /* in link->queue, or in none while a connection has it */
    const struct statement *statement;
    size_t values;
    char *value[QUERY_VALUES_MAX]; /* owned */
    void (*done)(void *context, enum err err, const struct postgres_rows *rows);
    void *context;
    int64_t until_us;
};

struct connection {
    struct postgres_link *link;
    enum connection_state state;
    PGconn *postgres;    /* owned; NULL while paused or resolving */
    struct hosts *hosts; /* while resolving */
    struct query *query; /* owned while PREPARING or BUSY */
    PGresult *result;    /* the first one of what is under way */
    const struct statement *prepared[STATEMENTS_MAX];
    size_t prepared_count;
    ev_io readable, writable;
    ev_timer attempt; /* the next attempt, or the end of this one */
    int64_t backoff_ms;
    bool stood; /* it has been ready before: the next time is a reconnect */
};

struct postgres_link {
    struct ev_loop *loop;
    char *conninfo;
    enum postgres_link_kind kind;
    struct connection *connections;
    size_t connection_count;
    int64_t patience_ms;
    struct list queue;
    size_t queued;
    size_t standing;
    uint64_t reconnects;
    ev_timer tick;
    bool closing;
    char why[200];
};

size_t rows_count(const struct postgres_rows *rows)
{
    return (size_t)PQntuples(rows->result);
}

bool rows_is_null(const struct postgres_rows *rows, size_t row, size_t column)
{
    return PQgetisnull(rows->result, (int)row, (int)column);
}

struct span rows_text(const struct postgres_rows *rows, size_t row, size_t column)
{
    return (struct span){PQgetvalue(rows->result, (int)row, (int)column),
                         (size_t)PQgetlength(rows->result, (int)row, (int)column)};
}

int64_t rows_i64(const struct postgres_rows *rows, size_t row, size_t column)
{
    return strtoll(PQgetvalue(rows->result, (int)row, (int)column), NULL, 10);
}

enum err rows_bytes(const struct postgres_rows *rows, size_t row, size_t column, struct buf *b)
{
    struct span s = rows_text(rows, row, column);

    if (s.len < 2 || memcmp(s.bytes, "\\x", 2) != 0)
        return ERR_INPUT;
    char *room = buf_room(b, s.len / 2);
    if (room == NULL)
        return ERR_MEMORY;
    if (!text_unhex((struct span){s.bytes + 2, s.len - 2}, room))
        return ERR_INPUT;
    buf_grew(b, s.len / 2 - 1);
    return ERR_NONE;
}

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val;
    return NULL;
}

bool postgres_conninfo_is_valid(const char *conninfo, const char **why)
{
    /* What libpq says may repeat the password. */
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);

    *why = options == NULL ? "is neither a libpq URL nor a libpq keyword string"
                           : secrecy_check_address(option_value(options, "host"),
                                                   option_value(options, "port"));
    PQconninfoFree(options);
    return *why == NULL;
}

static void query_free(struct query *q)
{
    for (size_t i = 0; i < q->values; i++)
        free(q->value[i]);
    free(q);
}

static void query_finish(struct query *q, enum err err, const PGresult *result)
{
    struct postgres_rows rows = {.result = result};

    q->done(q->context, err, err == ERR_NONE ? &rows : NULL);
    query_free(q);
}

static void connection_lose(struct connection *c, const char *why);
static void link_dispatch(struct postgres_link *link);

/* Of what a spare link does, its owner tells what matters. */
static enum log_level level(const struct postgres_link *link, enum log_level level)
{
    return link->kind == POSTGRES_SPARE ? LOG_DEBUG : level;
}

static bool is_standing(enum connection_state state)
{
    return state >= CONNECTION_IDLE;
}

/* The only writer of c->state. */
static void connection_enter(struct connection *c, enum connection_state state)
{
    struct postgres_link *link = c->link;
    bool stood = is_standing(c->state), stands = is_standing(state);

    c->state = state;
    if (stands && !stood) {
        link->standing++;
        if (link->standing == 1) {
            link->why[0] = '\0';
            log_event(level(link, LOG_INFO), "postgres_ready", NULL);
        }
    } else if (stood && !stands) {
        link->standing--;
    }
}

static void connection_watch(struct connection *c, int events)
{
    struct ev_loop *loop = c->link->loop;
    int fd = PQsocket(c->postgres);

    /* libpq may have closed the socket and got the same number again: always set anew. */
    ev_io_stop(loop, &c->readable);
    ev_io_stop(loop, &c->writable);
    ev_io_set(&c->readable, fd, EV_READ);
    ev_io_set(&c->writable, fd, EV_WRITE);
    if (fd >= 0 && (events & EV_READ))
        ev_io_start(loop, &c->readable);
    if (fd >= 0 && (events & EV_WRITE))
        ev_io_start(loop, &c->writable);
}

static void connection_unwatch(struct connection *c)
{
    ev_io_stop(c->link->loop, &c->readable);
    ev_io_stop(c->link->loop, &c->writable);
}

/* Write what is there to be written; false if the connection was lost over it. */
static bool connection_flush(struct connection *c)
{
    int left = PQflush(c->postgres);

    if (left < 0) {
        connection_lose(c, PQerrorMessage(c->postgres));
        return false;
    }
    if (left > 0)
        ev_io_start(c->link->loop, &c->writable);
    else
        ev_io_stop(c->link->loop, &c->writable);
    return true;
}

static bool is_prepared(const struct connection *c, const struct statement *statement)
{
    for (size_t i = 0; i < c->prepared_count; i++)
        if (c->prepared[i] == statement)
            return true;
    return false;
}

/* Send the query, or first its statement. */
static void connection_send(struct connection *c)
{
    struct query *q = c->query;
    bool ready = is_prepared(c, q->statement);
    int sent = ready ? PQsendQueryPrepared(c->postgres, q->statement->name, (int)q->values,
                                           (const char *const *)q->value, NULL, NULL, 0)
                     : PQsendPrepare(c->postgres, q->statement->name, q->statement->sql, 0, NULL);

    connection_enter(c, ready ? CONNECTION_BUSY : CONNECTION_PREPARING);
    if (sent == 0)
        connection_lose(c, PQerrorMessage(c->postgres));
    else
        connection_flush(c);
}

static void connection_take(struct connection *c, struct query *q)
{
    c->query = q;
    connection_send(c);
}

static void link_dispatch(struct postgres_link *link)
{
    for (size_t i = 0; i < link->connection_count && !list_is_empty(&link->queue); i++) {
        if (link->connections[i].state != CONNECTION_IDLE)
            continue;
        struct list *first = list_take_first(&link->queue);
        link->queued--;
        connection_take(&link->connections[i], LIST_OWNER(first, struct query, node));
    }
}

static void log_refusal(const struct postgres_link *link, const struct query *q,
                        const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    log_event(level(link, LOG_ERROR), "query_refused", "statement", q->statement->name, "sqlstate",
              state, "why", message, NULL);
}

/* States after which this session is of no more use, though the statement may be fine. */
static bool is_session_trouble(const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    return state == NULL || strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0 ||
           strcmp(state, "0A000") == 0 || /* cached plan must not change result type */
           strcmp(state, "26000") == 0;   /* the prepared statement is gone */
}

static void connection_finish_query(struct connection *c, enum err err, PGresult *result)
{
    struct query *q = c->query;

    c->query = NULL;
    connection_enter(c, CONNECTION_IDLE);
    query_finish(q, err, result);
    PQclear(result);
    link_dispatch(c->link);
}

static void connection_has_set_up(struct connection *c)
{
    struct postgres_link *link = c->link;

    if (c->stood)
        link->reconnects++;
    c->stood = true;
    c->backoff_ms = BACKOFF_MS_MIN;
    ev_timer_stop(link->loop, &c->attempt);
    connection_enter(c, CONNECTION_IDLE);
    link_dispatch(link);
}

/* What was under way has given all its results; c->result is the first of them. */
static void connection_advance(struct connection *c)
{
    PGresult *result = c->result;
    ExecStatusType status = PQresultStatus(result);
    bool fine = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;

    c->result = NULL;
    if (!fine && (c->state == CONNECTION_SETTING_UP || is_session_trouble(result))) {
        PQclear(result);
        connection_lose(c, PQerrorMessage(c->postgres));
    } else if (c->state == CONNECTION_SETTING_UP) {
        PQclear(result);
        connection_has_set_up(c);
    } else if (!fine) {
        log_refusal(c->link, c->query, result);
        connection_finish_query(c, ERR_REFUSED, result);
    } else if (c->state == CONNECTION_PREPARING) {
        PQclear(result);
        assert(c->prepared_count < STATEMENTS_MAX);
        c->prepared[c->prepared_count++] = c->query->statement;
        connection_send(c);
    } else {
        connection_finish_query(c, ERR_NONE, result);
    }
}

static void connection_read(struct connection *c)
{
    if (!PQconsumeInput(c->postgres)) {
        connection_lose(c, PQerrorMessage(c->postgres));
        return;
    }
    if (!connection_flush(c) || c->state == CONNECTION_IDLE)
        return;
    while (!PQisBusy(c->postgres)) {
        PGresult *result = PQgetResult(c->postgres);
        if (result == NULL) {
            connection_advance(c);
            return;
        }
        /* Of several results (the set-up) the first error counts, else the last. */
        if (c->result != NULL && PQresultStatus(c->result) == PGRES_FATAL_ERROR) {
            PQclear(result);
        } else {
            PQclear(c->result);
            c->result = result;
        }
    }
}

static void connection_set_up(struct connection *c)
{
    char sql[256];
    int patience_ms = (int)c->link->patience_ms;

    snprintf(sql, sizeof sql,
             "SET default_transaction_read_only = on; SET statement_timeout = %d;"
             "SET lock_timeout = %d; SET idle_in_transaction_session_timeout = %d;"
             "SET client_encoding = 'UTF8'; SET jit = off",
             patience_ms, patience_ms, patience_ms);
    connection_enter(c, CONNECTION_SETTING_UP);
    PQsetnonblocking(c->postgres, 1);
    connection_watch(c, EV_READ);
    if (!PQsendQuery(c->postgres, sql))
        connection_lose(c, PQerrorMessage(c->postgres));
    else
        connection_flush(c);
}

static void connection_poll(struct connection *c)
{
    PostgresPollingStatusType status;

    connection_unwatch(c); /* before libpq may close the socket */
    status = PQconnectPoll(c->postgres);
    if (status == PGRES_POLLING_FAILED)
        connection_lose(c, PQerrorMessage(c->postgres));
    else if (status == PGRES_POLLING_OK)
        connection_set_up(c);
    else
        connection_watch(c, status == PGRES_POLLING_READING ? EV_READ : EV_WRITE);
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    struct connection *c = io->data;

    (void)loop;
    (void)events;
    if (c->state == CONNECTION_CONNECTING)
        connection_poll(c);
    else
        connection_read(c);
}

static void ignore_notice(void *context, const char *message)
{
    (void)context;
    log_event(LOG_DEBUG, "postgres_notice", "text", message, NULL);
}

/* The hosts' names have been looked up: give libpq the addresses, so that it need not wait. */
static void on_hosts(void *context, const struct hosts_found *found)
{
    struct connection *c = context;
    const char *keys[] = {"dbname",
                          "host",
                          "hostaddr",
                          "port",
                          "keepalives_idle",
                          "tcp_user_timeout",
                          "fallback_application_name",
                          NULL};
    const char *values[] = {c->link->conninfo, found->hosts, found->addresses,
                            found->ports,      "10",         "5000",
                            "usher-gateway",   NULL};

    c->hosts = NULL;
    if (found->why != NULL) {
        connection_lose(c, found->why);
        return;
    }
    if (found->addresses == NULL) /* sockets and addresses only: as they are in the URL */
        values[1] = values[2] = values[3] = NULL;
    c->postgres = PQconnectStartParams(keys, values, 1);
    connection_enter(c, CONNECTION_CONNECTING);
    if (c->postgres == NULL || PQstatus(c->postgres) == CONNECTION_BAD) {
        connection_lose(c, c->postgres != NULL ? PQerrorMessage(c->postgres) : "no memory");
        return;
    }
    PQsetNoticeProcessor(c->postgres, ignore_notice, NULL);
    connection_watch(c, EV_WRITE);
}

static void connection_begin(struct connection *c)
{
    PQconninfoOption *options = PQconninfoParse(c->link->conninfo, NULL);
    const char *host = NULL, *address = NULL, *port = NULL;

    connection_enter(c, CONNECTION_RESOLVING);
    ev_timer_set(&c->attempt, CONNECT_MS / 1000.0, 0);
    ev_timer_start(c->link->loop, &c->attempt);
    for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        if (strcmp(o->keyword, "host") == 0)
            host = o->val;
        else if (strcmp(o->keyword, "hostaddr") == 0)
            address = o->val;
        else if (strcmp(o->keyword, "port") == 0)
            port = o->val;
    }
    c->hosts = hosts_resolve(c->link->loop, address != NULL ? NULL : host, port, on_hosts, c);
    PQconninfoFree(options);
}

/* Back to the pause. A query that was under way goes back to the head of the queue. */
static void connection_lose(struct connection *c, const char *why)
{
    struct postgres_link *link = c->link;
    int64_t pause_ms = c->backoff_ms / 2 + (int64_t)(random_u64() % (uint64_t)c->backoff_ms);

    size_t others = link->standing - (is_standing(c->state) ? 1 : 0);
    if (others == 0 && link->why[0] == '\0' && !link->closing) {
        snprintf(link->why, sizeof link->why, "%.*s", (int)strcspn(why, "\n"), why);
        log_event(level(link, LOG_WARN), "postgres_lost", "why", link->why, NULL);
    }
    if (c->hosts != NULL)
        hosts_cancel(c->hosts);
    c->hosts = NULL;
    connection_unwatch(c);
    PQclear(c->result);
    c->result = NULL;
    PQfinish(c->postgres);
    c->postgres = NULL;
    c->prepared_count = 0;
    connection_enter(c, CONNECTION_PAUSED);
    if (c->query != NULL) {
        list_append(link->queue.next, &c->query->node); /* before the first one */
        link->queued++;
        c->query = NULL;
    }
    if (c->backoff_ms < BACKOFF_MS_MAX)
        c->backoff_ms *= 2;
    ev_timer_stop(link->loop, &c->attempt);
    ev_timer_set(&c->attempt, (double)pause_ms / 1000, 0);
    if (!link->closing)
        ev_timer_start(link->loop, &c->attempt);
}

static void on_attempt(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct connection *c = timer->data;

    (void)loop;
    (void)events;
    if (c->state == CONNECTION_PAUSED)
        connection_begin(c);
    else
        connection_lose(c, "connecting took too long");
}

static void expire_queries(struct postgres_link *link, int64_t now_us)
{
    struct list expired, *node, *next;

    list_init(&expired);
    for (node = link->queue.next; node != &link->queue; node = next) {
        next = node->next;
        if (LIST_OWNER(node, struct query, node)->until_us > now_us)
            continue;
        list_remove(node);
        list_append(&expired, node);
        link->queued--;
    }
    while ((node = list_take_first(&expired)) != NULL)
        query_finish(LIST_OWNER(node, struct query, node), ERR_UNAVAILABLE, NULL);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct postgres_link *link = timer->data;
    int64_t now_us = clock_mono_us();

    (void)loop;
    (void)events;
    for (size_t i = 0; i < link->connection_count; i++) {
        struct connection *c = &link->connections[i];
        if (c->query != NULL && c->query->until_us <= now_us)
            connection_lose(c, "a query took too long");
    }
    expire_queries(link, link->kind == POSTGRES_SPARE && link->standing == 0 ? INT64_MAX : now_us);
    link_dispatch(link);
}

static void connection_init(struct connection *c, struct postgres_link *link)
{
    c->link = link;
    c->backoff_ms = BACKOFF_MS_MIN;
    ev_io_init(&c->readable, on_io, -1, EV_READ);
    ev_io_init(&c->writable, on_io, -1, EV_WRITE);
    ev_timer_init(&c->attempt, on_attempt, 0, 0);
    c->readable.data = c->writable.data = c->attempt.data = c;
    connection_begin(c);
}

struct postgres_link *postgres_link_open(struct ev_loop *loop, const char *conninfo,
                                         size_t connections, enum postgres_link_kind kind,
                                         int64_t patience_ms)
{
    struct postgres_link *link = calloc(1, sizeof *link);

    assert(link != NULL && connections > 0);
    link->loop = loop;
    link->kind = kind;
    link->conninfo = strdup(conninfo);
    link->connections = calloc(connections, sizeof *link->connections);
    assert(link->conninfo != NULL && link->connections != NULL);
    link->connection_count = connections;
    link->patience_ms = patience_ms;
    list_init(&link->queue);
    ev_timer_init(&link->tick, on_tick, TICK_MS / 1000.0, TICK_MS / 1000.0);
    link->tick.data = link;
    ev_timer_start(loop, &link->tick);
    for (size_t i = 0; i < connections; i++)
        connection_init(&link->connections[i], link);
    return link;
}

void postgres_link_close(struct postgres_link *link)
{
    link->closing = true;
    for (size_t i = 0; i < link->connection_count; i++)
        connection_lose(&link->connections[i], "closed");
    ev_timer_stop(link->loop, &link->tick);
    expire_queries(link, INT64_MAX);
    free(link->connections);
    free(link->conninfo);
    free(link);
}

bool query_copy(struct postgres_query *copy, const struct postgres_query *query)
{
    *copy = *query;
    memset(copy->value, 0, sizeof copy->value);
    for (size_t i = 0; i < query->values; i++) {
        if (query->value[i] == NULL)
            continue;
        copy->value[i] = strdup(query->value[i]);
        if (copy->value[i] == NULL) {
            query_end(copy);
            return false;
        }
    }
    return true;
}

void query_end(struct postgres_query *copy)
{
    for (size_t i = 0; i < copy->values; i++)
        free((char *)copy->value[i]);
}

bool postgres_link_query(struct postgres_link *link, const struct postgres_query *query)
{
    struct query *q;
    int64_t wait_ms = query->wait_ms > 0 && query->wait_ms < link->patience_ms ? query->wait_ms
                                                                               : link->patience_ms;

    if (link->closing || link->queued == QUEUE_MAX || (q = calloc(1, sizeof *q)) == NULL)
        return false;
    list_init(&q->node);
    q->statement = query->statement;
    q->values = query->values;
    q->done = query->done;
    q->context = query->context;
    q->until_us = clock_mono_us() + wait_ms * 1000;
    for (size_t i = 0; i < query->values; i++) {
        if (query->value[i] == NULL)
            continue;
        q->value[i] = strdup(query->value[i]);
        if (q->value[i] == NULL) {
            query_free(q);
            return false;
        }
    }
    list_append(&link->queue, &q->node);
    link->queued++;
    link_dispatch(link);
    return true;
}

bool postgres_link_is_ready(const struct postgres_link *link)
{
    return link->standing > 0;
}

const char *postgres_link_why(const struct postgres_link *link)
{
    return link->why;
}

uint64_t postgres_link_reconnects(const struct postgres_link *link)
{
    return link->reconnects;
}
