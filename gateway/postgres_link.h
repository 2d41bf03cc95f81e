/*
 * Asynchronous, read-only Postgres on libev; the only place in gateway/ that includes libpq.
 *
 * A small pool of connections that come back by themselves, each with a growing pause between
 * attempts, and one bounded queue of queries before them. Every session is read-only by
 * default_transaction_read_only, whatever its role may do. A query that a lost connection had
 * under way is asked again on another one while its time lasts: reading twice does no harm.
 */
#ifndef USHER_GATEWAY_POSTGRES_LINK_H
#define USHER_GATEWAY_POSTGRES_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct ev_loop;
struct postgres_link;

/* A borrowed result in text form, good until the callback that was given it returns. */
struct postgres_rows {
    const void *result;
    int64_t age_ms; /* what they tell was so at most so long ago; 0: it is the primary's */
};
size_t rows_count(const struct postgres_rows *rows);
bool rows_is_null(const struct postgres_rows *rows, size_t row, size_t column);
struct span rows_text(const struct postgres_rows *rows, size_t row, size_t column);
int64_t rows_i64(const struct postgres_rows *rows, size_t row, size_t column); /* NULL: 0 */
/* A bytea, appended to b; ERR_INPUT if it is none. */
enum err rows_bytes(const struct postgres_rows *rows, size_t row, size_t column, struct buf *b);

/* Statements are static constants; each is prepared on a connection when it is first used there. */
struct statement {
    const char *name;
    const char *sql;
};

#define QUERY_VALUES_MAX 8

struct postgres_query {
    const struct statement *statement;
    size_t values;
    const char *value[QUERY_VALUES_MAX]; /* text, copied; NULL is SQL NULL */
    /* Called once: ERR_NONE with rows; ERR_UNAVAILABLE: no answer within the time; ERR_REFUSED:
     * Postgres said no (logged). */
    void (*done)(void *context, enum err err, const struct postgres_rows *rows);
    void *context;
    int64_t wait_ms; /* if it is less than the link's patience; 0: that */
    bool may_lag;    /* a replica may answer (database.h): history and overviews, nothing that
                      * somebody acts upon */
};

/* A copy whose values are its own, to ask it again: ended by query_end. False: no memory. */
bool query_copy(struct postgres_query *copy, const struct postgres_query *query);
void query_end(struct postgres_query *copy);

/* Who else can be asked. With SPARE, somebody can: what was asked is unavailable as soon as no
 * connection stands, instead of waiting for the next; and what happens is the owner's to log. */
enum postgres_link_kind { POSTGRES_ONLY, POSTGRES_SPARE };

#define POSTGRES_PATIENCE_MS 4000 /* for what people wait for */

/* Never NULL. `conninfo` is a libpq URL or keyword string, several hosts included; copied. A query
 * has patience_ms, in the queue and under way together, unless it says less. */
struct postgres_link *postgres_link_open(struct ev_loop *loop, const char *conninfo,
                                         size_t connections, enum postgres_link_kind kind,
                                         int64_t patience_ms);
void postgres_link_close(struct postgres_link *link); /* queries under way: ERR_UNAVAILABLE */

/* False if it was not taken (the queue is full): `done` is not called then. */
bool postgres_link_query(struct postgres_link *link, const struct postgres_query *query);

bool postgres_link_is_ready(const struct postgres_link *link);   /* a connection stands */
const char *postgres_link_why(const struct postgres_link *link); /* why none does, or "" */
uint64_t postgres_link_reconnects(const struct postgres_link *link);
/* Whether libpq understands it; the sentence is static or lives until the next call. */
bool postgres_conninfo_is_valid(const char *conninfo, const char **why);

#endif
