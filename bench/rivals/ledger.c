#include "bench/rivals/ledger.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>
#include <libpq-fe.h>

#define COLUMN_BYTES_MAX (LEDGER_BATCH_ROWS * (WISH_USER_BYTES + 3))

struct noted {
    uint32_t show;
    uint32_t quantity;
    char user[WISH_USER_BYTES];
};

struct ledger {
    struct ev_loop *loop;
    PGconn *connection;
    ev_io io;
    struct noted *row; /* owned ring of LEDGER_ROWS_MAX */
    size_t first, count;
    size_t under_way; /* rows of the batch that Postgres has right now */
};

static const char insert[] =
    "INSERT INTO bookings (show_id, user_name, seats, status) "
    "SELECT s, u, n, 'CONFIRMED' FROM unnest($1::int[], $2::text[], $3::int[]) AS r (s, u, n)";

static void on_socket(struct ev_loop *loop, ev_io *watcher, int events);

static void give_up(const struct ledger *ledger)
{
    fprintf(stderr, "rival: write-behind: %s", PQerrorMessage(ledger->connection));
    exit(1);
}

struct ledger *ledger_open(struct ev_loop *loop, const char *conninfo)
{
    struct ledger *ledger = calloc(1, sizeof(*ledger));

    assert(ledger != NULL);
    ledger->loop = loop;
    ledger->connection = PQconnectdb(conninfo);
    ledger->row = calloc(LEDGER_ROWS_MAX, sizeof(*ledger->row));
    assert(ledger->row != NULL);
    if (PQstatus(ledger->connection) != CONNECTION_OK ||
        PQsetnonblocking(ledger->connection, 1) != 0) {
        fprintf(stderr, "rival: %s", PQerrorMessage(ledger->connection));
        ledger_close(ledger);
        return NULL;
    }
    ev_io_init(&ledger->io, on_socket, PQsocket(ledger->connection), EV_READ);
    ledger->io.data = ledger;
    ev_io_start(loop, &ledger->io);
    return ledger;
}

void ledger_close(struct ledger *ledger)
{
    ev_io_stop(ledger->loop, &ledger->io);
    PQfinish(ledger->connection);
    free(ledger->row);
    free(ledger);
}

size_t ledger_waiting(const struct ledger *ledger)
{
    return ledger->count;
}

static void flush(struct ledger *ledger)
{
    int rc = PQflush(ledger->connection);

    if (rc < 0)
        give_up(ledger);
    ev_io_stop(ledger->loop, &ledger->io);
    ev_io_set(&ledger->io, PQsocket(ledger->connection), rc > 0 ? EV_READ | EV_WRITE : EV_READ);
    ev_io_start(ledger->loop, &ledger->io);
}

static const struct noted *row_at(const struct ledger *ledger, size_t i)
{
    return &ledger->row[(ledger->first + i) % LEDGER_ROWS_MAX];
}

static void put_columns(const struct ledger *ledger, struct buf column[3])
{
    for (size_t i = 0; i < ledger->under_way; i++) {
        const struct noted *row = row_at(ledger, i);
        const char *before = i == 0 ? "{" : ",";
        buf_putf(&column[0], "%s%u", before, row->show);
        buf_putf(&column[1], "%s\"%s\"", before, row->user);
        buf_putf(&column[2], "%s%u", before, row->quantity);
    }
}

static void write_batch(struct ledger *ledger)
{
    struct buf column[3];
    const char *value[3];

    ledger->under_way = ledger->count < LEDGER_BATCH_ROWS ? ledger->count : LEDGER_BATCH_ROWS;
    for (int c = 0; c < 3; c++)
        buf_init(&column[c], COLUMN_BYTES_MAX);
    put_columns(ledger, column);
    for (int c = 0; c < 3; c++) {
        buf_putc(&column[c], '}');
        value[c] = buf_text(&column[c]);
    }
    if (PQsendQueryParams(ledger->connection, insert, 3, NULL, value, NULL, NULL, 0) != 1)
        give_up(ledger);
    for (int c = 0; c < 3; c++)
        buf_free(&column[c]);
    flush(ledger);
}

bool ledger_note(struct ledger *ledger, const struct wish *wish)
{
    if (ledger->count == LEDGER_ROWS_MAX)
        return false;
    struct noted *row = &ledger->row[(ledger->first + ledger->count++) % LEDGER_ROWS_MAX];
    row->show = wish->show;
    row->quantity = wish->quantity;
    memcpy(row->user, wish->user, sizeof(row->user));
    if (ledger->under_way == 0)
        write_batch(ledger);
    return true;
}

static void on_socket(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct ledger *ledger = watcher->data;
    PGresult *result;

    (void)loop;
    if ((events & EV_WRITE) != 0)
        flush(ledger);
    if (PQconsumeInput(ledger->connection) != 1)
        give_up(ledger);
    if (ledger->under_way == 0 || PQisBusy(ledger->connection))
        return;
    while ((result = PQgetResult(ledger->connection)) != NULL) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            give_up(ledger);
        PQclear(result);
    }
    ledger->first = (ledger->first + ledger->under_way) % LEDGER_ROWS_MAX;
    ledger->count -= ledger->under_way;
    ledger->under_way = 0;
    if (ledger->count > 0)
        write_batch(ledger);
}
