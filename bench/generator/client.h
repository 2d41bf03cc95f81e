/*
 * One kept-alive connection with at most one request under way. It connects (again, after a
 * pause, when it was lost) and tells its owner when it may be used and what came back.
 */
#ifndef USHER_BENCH_CLIENT_H
#define USHER_BENCH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "base/buf.h"
#include "bench/generator/errand.h"
#include "bench/generator/plan.h"
#include "bench/generator/response.h"

#define CLIENT_IN_BYTES_MAX 65536
#define CLIENT_OUT_BYTES_MAX 4096
#define RECONNECT_SECONDS 0.02

struct client;

enum client_state { CLIENT_CONNECTING, CLIENT_IDLE, CLIENT_ASKING, CLIENT_PAUSED };

struct client_owner {
    void *context;
    void (*idle)(void *context, struct client *c); /* connected; client_ask may be called */
    void (*answered)(void *context, struct client *c, const struct response_seen *r);
    void (*lost)(void *context, struct client *c, bool asking); /* it will connect again itself */
};

struct client {
    struct ev_loop *loop;
    const struct client_owner *owner;
    const struct target *target;
    enum client_state state;
    int fd;
    ev_io io;
    ev_timer pause;
    struct buf in;
    struct buf out; /* the request under way; the owner writes it before client_ask */
    size_t sent;

    /* The owner's: */
    struct errand errand;
    int64_t intended_us; /* when the current step should have been sent */
    bool more;           /* the errand goes on with its next step */
    bool waiting;        /* stands in the owner's queue of idle clients */
};

/* The watchers point into *c: it must not move. */
void client_open(struct client *c, struct ev_loop *loop, const struct target *target,
                 const struct client_owner *owner);
void client_ask(struct client *c); /* sends c->out; the client is idle */
void client_close(struct client *c);

#endif
