/*
 * A blocking connection to Redis for programs that may wait; the only place that includes hiredis
 * in allocator/ and ctl/. Every call is bounded by the timeout. A broken connection stays broken
 * (every call fails with ERR_UNAVAILABLE) until redis_connect is called again.
 */
#ifndef USHER_LINK_REDIS_H
#define USHER_LINK_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/redis_url.h"

struct redis;

/* Never NULL (aborts without memory). Not connected yet. The URL is copied. */
struct redis *redis_new(const struct redis_url *url, int64_t timeout_ms);
void redis_free(struct redis *r);

/*
 * Connect, authenticate, select, and learn the server's run_id: of several replicas the one that is
 * the master, in a cluster the node that has the partition of redis_go_to. Logs nothing; redis_why
 * tells.
 */
enum err redis_connect(struct redis *r);
/*
 * The next commands are about the keys of this partition: in a cluster, be connected to the node
 * that has them; else nothing happens. What was sent must have been taken. The run_id may be
 * another one afterwards.
 */
enum err redis_go_to(struct redis *r, uint32_t partition);
void redis_disconnect(struct redis *r);
bool redis_is_connected(const struct redis *r);
const char *redis_run_id(const struct redis *r); /* of the server last connected to, or "" */
const char *redis_why(const struct redis *r);    /* the last error in words */

/* A reply: a borrowed tree, valid until redis_reply_free. */
enum redis_kind { REDIS_NIL, REDIS_INTEGER, REDIS_STRING, REDIS_STATUS, REDIS_ARRAY, REDIS_ERROR };
struct redis_reply; /* opaque */
enum redis_kind redis_kind_of(const struct redis_reply *reply);
long long redis_integer(const struct redis_reply *reply); /* 0 unless REDIS_INTEGER */
struct span redis_text(const struct redis_reply *reply);  /* string, status or error; else empty */
size_t redis_count(const struct redis_reply *reply);      /* 0 unless REDIS_ARRAY */
const struct redis_reply *redis_at(const struct redis_reply *reply, size_t index);
void redis_reply_free(struct redis_reply *reply); /* NULL is fine; only of what redis_take gave */

/*
 * Send now or pipeline: redis_send appends to the output buffer (which redis_flush or redis_take
 * write out), redis_take reads the next reply in order. ERR_UNAVAILABLE: broken or timed out; what
 * was sent may or may not have been done. An error reply is a reply: look at its kind; but one that
 * says that another server is to be asked (redis_is_not_the_one) breaks the connection.
 */
enum err redis_send(struct redis *r, size_t argc, const struct span *argv);
enum err redis_flush(struct redis *r);
enum err redis_take(struct redis *r, struct redis_reply **reply);
/* As redis_take with another timeout, for XREAD BLOCK. */
enum err redis_take_within(struct redis *r, int64_t timeout_ms, struct redis_reply **reply);
/* Replies still to be taken. */
size_t redis_pending(const struct redis *r);

/* redis_send and redis_take in one. ERR_REFUSED for an error reply (its text in redis_why); then
 * *reply is NULL. */
enum err redis_do(struct redis *r, size_t argc, const struct span *argv,
                  struct redis_reply **reply);
/* The same for words: redis_do_words(r, &reply, "HGET", key, field, NULL). */
enum err redis_do_words(struct redis *r, struct redis_reply **reply, ...) __attribute__((sentinel));

/* SCRIPT LOAD; writes 40 hex digits and a NUL. */
enum err redis_load_script(struct redis *r, struct span source, char sha1[41]);

#endif
