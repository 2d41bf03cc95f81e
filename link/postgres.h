/*
 * A connection to Postgres for programs that may wait; the only place that includes libpq in
 * allocator/ and ctl/. Every call is bounded by the timeout; the session is set up with
 * lock_timeout, idle_in_transaction_session_timeout and tcp_user_timeout. A broken connection stays
 * broken (ERR_UNAVAILABLE) until postgres_connect is called again.
 */
#ifndef USHER_LINK_POSTGRES_H
#define USHER_LINK_POSTGRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct postgres;

/* Never NULL (aborts without memory). `conninfo`: a libpq URL or keyword string, multi-host ones
 * and target_session_attrs included; copied. */
struct postgres *postgres_new(const char *conninfo, const char *application_name,
                              int64_t timeout_ms);
void postgres_free(struct postgres *p);
/* NULL if libpq can read the text, else a static sentence (which does not repeat it). */
const char *postgres_check(const char *conninfo);

enum err postgres_connect(struct postgres *p);
/* The same, but no host is waited for longer than that. */
enum err postgres_connect_within(struct postgres *p, int64_t wait_ms);
void postgres_disconnect(struct postgres *p);
bool postgres_is_connected(const struct postgres *p);
const char *postgres_why(const struct postgres *p);      /* the last error in words, one line */
const char *postgres_sqlstate(const struct postgres *p); /* of the last ERR_REFUSED, or "" */

/* A parameter: text (binary false) or the type's binary form. bytes == NULL is SQL NULL. */
struct postgres_parameter {
    const char *bytes;
    size_t len;
    bool binary;
};

struct postgres_result; /* opaque; borrowed spans live until postgres_result_free */
size_t postgres_rows(const struct postgres_result *r);
bool postgres_is_null(const struct postgres_result *r, size_t row, size_t column);
struct span postgres_cell(const struct postgres_result *r, size_t row, size_t column);
int64_t postgres_cell_i64(const struct postgres_result *r, size_t row,
                          size_t column);             /* text or binary int2/4/8; 0 if NULL */
void postgres_result_free(struct postgres_result *r); /* NULL is fine */

/* Statements without parameters, several allowed (a migration); results are dropped. */
enum err postgres_run(struct postgres *p, const char *sql);

/*
 * COMMIT. ERR_REFUSED: nothing was committed (an aborted transaction ends in a rollback, which
 * Postgres reports as success; postgres_run looks at the tag too). ERR_UNKNOWN: the connection
 * broke.
 */
enum err postgres_commit(struct postgres *p);

/* One statement with parameters. Results in text unless binary_results. ERR_REFUSED: Postgres said
 * no (postgres_why, postgres_sqlstate). *result is NULL on error. */
enum err postgres_query(struct postgres *p, const char *sql, size_t count,
                        const struct postgres_parameter *parameters, bool binary_results,
                        struct postgres_result **result);
/* The same for a statement made ready by postgres_prepare on this connection. */
enum err postgres_prepare(struct postgres *p, const char *name, const char *sql);
enum err postgres_query_prepared(struct postgres *p, const char *name, size_t count,
                                 const struct postgres_parameter *parameters, bool binary_results,
                                 struct postgres_result **result);

/*
 * Begin a prepared statement and see it off to the server, without waiting for what it does; then,
 * later, settle it. Exactly one may be under way. settle returns ERR_UNKNOWN when the
 * connection broke or the timeout passed: a single statement is its own transaction, so whether it
 * committed is then not known.
 */
enum err postgres_begin(struct postgres *p, const char *name, size_t count,
                        const struct postgres_parameter *parameters, bool binary_results);
bool postgres_is_settled(
    struct postgres *p); /* reads what is there; true when settle will not wait */
/* The same after waiting for it a little. */
bool postgres_await(struct postgres *p, int64_t wait_ms);
enum err postgres_settle(struct postgres *p, struct postgres_result **result);
/* The socket, to wait for it together with another; -1 when not connected. */
int postgres_socket(const struct postgres *p);

/* A notification (LISTEN) that came with the answers since; false: none. What does not fit is left
 * out. */
bool postgres_notified(struct postgres *p, char *payload, size_t size);

/* COPY (query) TO STDOUT in text format: `line` is called for each row of the query with its bytes
 * (without the newline), columns split by tabs, escapes as COPY writes them. It returns ERR_NONE to
 * go on; after an error the remaining rows are read and dropped, and the error is returned. */
enum err postgres_copy_out(struct postgres *p, const char *query,
                           enum err (*line)(void *context, struct span bytes), void *context);

/* Text columns of a COPY line: split in place at most `max` fields; returns how many there were. */
size_t postgres_copy_split(struct span line, struct span *fields, size_t max);

/* Undo COPY's escapes: writes at most field.len bytes, returns how many. */
size_t postgres_copy_unescape(struct span field, char *into);

#endif
