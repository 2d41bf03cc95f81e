/*
 * Asynchronous Redis on libev; the only place in gateway/ that includes hiredis.
 *
 * A link is one connection that comes back by itself: it connects, authenticates, selects, asks
 * whether Redis is ready, and is `ready` then. Where its URL has several hosts it tries them in
 * turn; of replicas it takes only the one that is the master. Each has its own timers: for
 * connecting, for the oldest command in flight, for the heartbeat, and a growing pause between
 * attempts.
 *
 * A link for commands sends what redis_link_command is given; what is sent in one turn of the loop
 * leaves with one write at the turn's end. A link for a channel subscribes to it, hands over its
 * messages, and subscribes again as its heartbeat; it may subscribe to more channels while it is
 * ready, and has forgotten those when it is ready again.
 */
#ifndef USHER_GATEWAY_REDIS_LINK_H
#define USHER_GATEWAY_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/redis_url.h"

struct ev_loop;
struct redis_link;

/* A borrowed reply, good until the callback that was given it returns. */
struct redis_value {
    const void *reply;
};
enum redis_kind { REDIS_NIL, REDIS_INTEGER, REDIS_STRING, REDIS_STATUS, REDIS_ARRAY, REDIS_ERROR };
enum redis_kind redis_kind(struct redis_value v);
struct span redis_text(struct redis_value v); /* string, status or error; else empty */
int64_t redis_integer(struct redis_value v);  /* 0 unless it is one */
size_t redis_count(struct redis_value v);     /* 0 unless it is an array */
struct redis_value redis_at(struct redis_value v, size_t index); /* index < redis_count */

struct redis_link_events {
    void *context;
    void (*ready)(void *context); /* it can be used (again) */
    void (*lost)(void *context);  /* it cannot; replies that were awaited have been called */
    void (*message)(void *context, struct span payload); /* on any of its channels */
    /* Redis has said that it sends, or no longer sends, what is published on a further channel. */
    void (*joined)(void *context, struct span channel);
    void (*left)(void *context, struct span channel);
    /* A node of a cluster has said (MOVED) who has this slot; before the reply is handed over. */
    void (*elsewhere)(void *context, unsigned slot, const struct redis_address *address);
};

/* `channel` NULL: for commands. The URL and the channel's name are copied. Never NULL. */
struct redis_link *redis_link_open(struct ev_loop *loop, const struct redis_url *url,
                                   const char *channel, const struct redis_link_events *events);
void redis_link_close(struct redis_link *link); /* awaited replies are called with NULL first */

bool redis_link_is_ready(const struct redis_link *link);
const char *redis_link_why(const struct redis_link *link); /* why it is not, or "" */
uint64_t redis_link_reconnects(const struct redis_link *link);
/* When it last became ready, monotonic; 0 if it never was. */
int64_t redis_link_ready_since_us(const struct redis_link *link);

/*
 * Send a command. `done` is called once: with its reply (an error reply is a reply), or with NULL
 * if the connection broke first: then nobody knows whether it was done. False if it was not sent at
 * all (not ready, or a bound was reached): `done` is not called.
 */
struct redis_command {
    size_t argc;
    const struct span *argv;
    void (*done)(void *context, const struct redis_value *reply);
    void *context;
};
bool redis_link_command(struct redis_link *link, const struct redis_command *command);

/* Further channels of a link for a channel. `joined` and `left` follow, or `lost`; false: not sent
 * (not ready). A channel that is being left must not be joined before `left` was called. */
bool redis_link_join(struct redis_link *link, struct span channel);
bool redis_link_leave(struct redis_link *link, struct span channel);

/* Give this connection up and make another (a server that has become a replica). Safe anywhere. */
void redis_link_drop(struct redis_link *link, const char *why);

#endif
