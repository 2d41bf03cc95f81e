#include "bench/rivals/pool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>
#include <libpq-fe.h>

#define PARAMETERS_MAX 4
#define NUMBER_BYTES 24

struct link {
    struct pool *pool;
    PGconn *connection;
    ev_io io;
    struct wish *wish; /* NULL: idle */
    struct move move;  /* the group under way */
    int answered;      /* statements of it whose result came */
    struct row row;
    bool failed;
    struct link *next_idle;
};

struct pool {
    struct ev_loop *loop;
    const struct design *design;
    struct desk *desk;
    struct link *link; /* owned array */
    size_t links;
    struct link *idle;
    struct wish *first, *last; /* who waits for a connection */
    uint64_t retries;
};

static void on_socket(struct ev_loop *loop, ev_io *watcher, int events);
static void link_go_on(struct link *l);

/* A lost connection ends the benchmark: there is nothing to measure without it. */
static void give_up(const PGconn *connection, const char *what)
{
    fprintf(stderr, "rival: %s: %s", what, PQerrorMessage(connection));
    exit(1);
}

static PGconn *connect_waiting(const char *conninfo)
{
    PGconn *connection = PQconnectdb(conninfo);

    if (PQstatus(connection) == CONNECTION_OK)
        return connection;
    fprintf(stderr, "rival: %s", PQerrorMessage(connection));
    PQfinish(connection);
    return NULL;
}

bool pool_run_script(const char *conninfo, const char *sql)
{
    PGconn *connection = connect_waiting(conninfo);

    if (connection == NULL)
        return false;
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    bool right = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!right)
        fprintf(stderr, "rival: %s", PQerrorMessage(connection));
    PQclear(result);
    PQfinish(connection);
    return right;
}

static bool prepare(PGconn *connection, const struct design *design)
{
    char name[NUMBER_BYTES];

    for (int i = 0; i < STATEMENTS_MAX && design->statement[i].sql != NULL; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        PGresult *result = PQprepare(connection, name, design->statement[i].sql, 0, NULL);
        bool right = PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
        if (!right) {
            fprintf(stderr, "rival: %s", PQerrorMessage(connection));
            return false;
        }
    }
    return true;
}

static bool link_open(struct link *l, struct pool *pool, const char *conninfo)
{
    l->pool = pool;
    l->connection = connect_waiting(conninfo);
    if (l->connection == NULL || !prepare(l->connection, pool->design))
        return false;
    if (PQsetnonblocking(l->connection, 1) != 0 || PQenterPipelineMode(l->connection) != 1)
        return false;
    ev_io_init(&l->io, on_socket, PQsocket(l->connection), EV_READ);
    l->io.data = l;
    ev_io_start(pool->loop, &l->io);
    l->next_idle = pool->idle;
    pool->idle = l;
    return true;
}

struct pool *pool_open(struct ev_loop *loop, const char *conninfo, size_t connections,
                       const struct design *design, struct desk *desk)
{
    struct pool *pool = calloc(1, sizeof(*pool));

    assert(pool != NULL);
    *pool = (struct pool){.loop = loop, .design = design, .desk = desk};
    pool->link = calloc(connections, sizeof(*pool->link));
    assert(pool->link != NULL);
    for (; pool->links < connections; pool->links++) {
        if (link_open(&pool->link[pool->links], pool, conninfo))
            continue;
        pool->links++;
        pool_close(pool);
        return NULL;
    }
    return pool;
}

void pool_close(struct pool *pool)
{
    for (size_t i = 0; i < pool->links; i++) {
        ev_io_stop(pool->loop, &pool->link[i].io);
        PQfinish(pool->link[i].connection);
    }
    free(pool->link);
    free(pool);
}

uint64_t pool_retries(const struct pool *pool)
{
    return pool->retries;
}

static void watch(struct link *l, int events)
{
    if (l->io.events == events)
        return;
    ev_io_stop(l->pool->loop, &l->io);
    ev_io_set(&l->io, PQsocket(l->connection), events);
    ev_io_start(l->pool->loop, &l->io);
}

static void flush(struct link *l)
{
    int rc = PQflush(l->connection);

    if (rc < 0)
        give_up(l->connection, "send");
    watch(l, rc > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void send_statement(struct link *l, int statement)
{
    const char *letters = l->pool->design->statement[statement].parameters;
    const struct wish *wish = l->wish;
    char number[PARAMETERS_MAX][NUMBER_BYTES];
    const char *value[PARAMETERS_MAX];
    char name[NUMBER_BYTES];
    int n = 0;

    for (; letters[n] != '\0'; n++) {
        assert(n < PARAMETERS_MAX);
        value[n] = number[n];
        if (letters[n] == 'u')
            value[n] = wish->user;
        else
            snprintf(number[n], NUMBER_BYTES, "%lld",
                     letters[n] == 's'   ? (long long)wish->show
                     : letters[n] == 'q' ? (long long)wish->quantity
                     : letters[n] == 'p' ? (long long)wish->seat
                                         : (long long)wish->version);
    }
    snprintf(name, sizeof(name), "s%d", statement);
    if (PQsendQueryPrepared(l->connection, name, n, value, NULL, NULL, 0) != 1)
        give_up(l->connection, "query");
}

static void send_group(struct link *l)
{
    l->answered = 0;
    l->failed = false;
    for (int i = 0; i < l->move.count; i++)
        send_statement(l, l->move.statement[i]);
    if (PQpipelineSync(l->connection) != 1)
        give_up(l->connection, "sync");
    flush(l);
}

static void link_take_wish(struct link *l, struct wish *wish)
{
    l->wish = wish;
    l->row = (struct row){0};
    link_go_on(l);
}

void pool_begin(struct pool *pool, struct wish *wish)
{
    struct link *l = pool->idle;

    if (l != NULL) {
        pool->idle = l->next_idle;
        link_take_wish(l, wish);
        return;
    }
    wish->next = NULL;
    if (pool->first == NULL)
        pool->first = wish;
    else
        pool->last->next = wish;
    pool->last = wish;
}

/* The wish is through; the next one, if somebody waits. */
static void link_release(struct link *l)
{
    struct pool *pool = l->pool;
    struct wish *wish = pool->first;

    l->wish = NULL;
    if (wish == NULL) {
        l->next_idle = pool->idle;
        pool->idle = l;
        return;
    }
    pool->first = wish->next;
    link_take_wish(l, wish);
}

static void link_go_on(struct link *l)
{
    struct pool *pool = l->pool;
    struct wish *wish = l->wish;

    l->move = pool->design->move(wish, &l->row);
    if (l->move.act == ACT_SEND) {
        send_group(l);
        return;
    }
    pool->retries += wish->tries;
    switch (l->move.act) {
    case ACT_GRANT:
        desk_grant(pool->desk, wish, l->move.id);
        break;
    case ACT_REFUSE:
        desk_refuse(pool->desk, wish);
        break;
    case ACT_UNKNOWN:
        desk_unknown(pool->desk, wish);
        break;
    case ACT_FAIL:
    case ACT_SEND:
        desk_fail(pool->desk, wish);
        break;
    }
    link_release(l);
}

static void keep_row(struct link *l, const PGresult *result)
{
    l->row = (struct row){.found = PQntuples(result) > 0};
    for (int c = 0; l->row.found && c < 2 && c < PQnfields(result); c++)
        l->row.column[c] = strtoll(PQgetvalue(result, 0, c), NULL, 10);
}

static void take_result(struct link *l, const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
        if (l->answered++ == l->move.row_of)
            keep_row(l, result);
        return;
    }
    if (!l->failed)
        fprintf(stderr, "rival: %s", PQresultErrorMessage(result));
    l->failed = true;
}

/* Reads what is there; true when the group's last result has come. */
static bool read_results(struct link *l)
{
    int nulls = 0;

    /* Each statement's results end with a NULL; two in a row mean that there is no more yet. */
    while (!PQisBusy(l->connection) && nulls < 2) {
        PGresult *result = PQgetResult(l->connection);
        if (result == NULL) {
            nulls++;
            continue;
        }
        nulls = 0;
        bool synced = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        if (!synced)
            take_result(l, result);
        PQclear(result);
        if (synced)
            return true;
    }
    return false;
}

static void on_socket(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct link *l = watcher->data;

    (void)loop;
    if ((events & EV_WRITE) != 0)
        flush(l);
    if (PQconsumeInput(l->connection) != 1)
        give_up(l->connection, "receive");
    if (l->wish == NULL || !read_results(l))
        return;
    if (l->failed) /* a statement was refused: not a sale but a fault of the set-up */
        exit(1);
    link_go_on(l);
}
