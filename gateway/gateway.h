/* One gateway process: what its parts share. Each part is owned here and borrowed by the others. */
#ifndef USHER_GATEWAY_GATEWAY_H
#define USHER_GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/buf.h"
#include "base/metrics.h"
#include "gateway/board.h"
#include "gateway/gauges.h"
#include "gateway/options.h"
#include "gateway/task.h"

struct database;
struct databases;
struct ev_loop;
struct identity;
struct limits;

struct gateway {
    struct ev_loop *loop;
    const struct gateway_options *options;
    char name[GATEWAY_NAME_BYTES_MAX +
              1];             /* of its channel: the gateway's, and the worker's number */
    struct gauges *gauges;    /* of all workers; shared memory */
    struct metric_value *own; /* this worker's part of them */
    struct board *board;      /* of all workers, too */

    struct identity *identity;
    struct limits *limits;
    struct http_server *http;
    struct http_server *admin_http; /* NULL: the administrators' routes are behind `http` */
    struct redis_servers *redis;    /* commands */
    struct redis_link *subscriber;  /* answers for this worker */
    struct databases *databases;    /* home, and others that its partitions name */
    struct databases *reports;      /* NULL until a report is asked for (analytics.c) */
    struct shows *shows;
    struct rooms *rooms;
    struct alternatives *alternatives;
    struct blocks *blocks;
    struct live *live; /* what is new about shows, and who listens */
    struct partitions *partitions;
    struct enqueue *enqueue;
    struct waiters *waiters;
    struct overview *overview; /* the first worker's; NULL: it is another */

    struct task_pool tasks;
    struct buf headers, body; /* of the answer that is being written */
    bool has_been_ready;      /* every partition had an allocator once */
    int64_t traces_second;    /* monotonic; in it, how many traces of others were recorded */
    int64_t traces_taken;
    bool is_draining; /* it was asked to end: nobody should send it anything new */
    int64_t began_us;
};

/* Run one worker until it is asked to stop and has drained. Returns the exit code. */
int gateway_run(const struct gateway_options *options, struct gauges *gauges, struct board *board,
                unsigned worker);

/* Bring this worker's gauges up to date. */
void gateway_count(struct gateway *gateway);

/*
 * Requests can be taken (health.c): some, where one of several databases is away. That every
 * partition has its allocator is waited for once, when the gateway begins; later the queue bridges
 * a takeover, and one partition's trouble is no reason to take a gateway away from all others.
 */
bool gateway_is_ready(struct gateway *gateway);

#endif
