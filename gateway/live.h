/*
 * What is new about shows, told to those who listen: GET …/events and …/ws.
 *
 * A show that somebody listens to has a topic: its newest state (live_state.h) and its listeners.
 * All topics of a worker share one connection that is subscribed to their channels, however many
 * clients there are. What comes there is a hint: a topic also looks now and then at what is kept of
 * its show, and does so at once when it joins its channel, and again when the connection was lost.
 * So whatever is missed, by a restart of Redis or anything else, is told a moment later.
 *
 * A change is rendered once, at most every stream_interval_ms for a show, and goes to listeners in
 * slices of a turn of the loop each, so that answers do not wait behind thousands of them. A
 * listener that has not taken the last event gets the next one when it has: the newest state then.
 */
#ifndef USHER_GATEWAY_LIVE_H
#define USHER_GATEWAY_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/task.h"

struct gateway;
struct live;
struct live_client;
struct live_topic;
struct live_way;

struct live *live_new(struct gateway *gateway); /* never NULL */
void live_free(struct live *live);
void live_begin(struct live *live); /* the links are open: open its own */
void live_end(struct live *live);   /* close that one, and time stands still */

/* Listeners of all kinds are told to come again, in a while that differs, and closed. */
void live_drain(struct live *live);

/* How a listener is connected. */
struct live_transport {
    const struct live_way *way;
    size_t gauge; /* of those that are connected so (gauges.h) */
    const struct http_stream *stream;
    /* A sign of life; false if the listener gave none of its own for too long. */
    bool (*beat)(struct live_client *client, struct buf *out);
    /* What comes before everything else, and what comes last; it is to come again in retry_ms. */
    void (*greet)(struct buf *out, int64_t retry_ms);
    void (*part)(struct buf *out, int64_t retry_ms);
};
extern const struct live_transport live_sse, live_seeds_sse, live_websocket;

/*
 * The topic of the show that is named, for a task. NULL: the task was answered, or waits and its
 * route's handler will be called again from the start.
 */
struct live_topic *live_give(struct task *task, struct span show);
/* Answer the task with a stream, which begins with what the client lacks; `last` is the id of the
 * last event that it has, or empty. reply_open and its fields come first. */
void live_open(struct task *task, struct live_topic *topic, const struct live_transport *transport,
               int status, const char *content_type, struct span last);

/* When somebody who is sent away is to come again; not all at once. */
int64_t live_retry_ms(const struct live *live);
bool live_is_draining(const struct live *live);
size_t live_topics(const struct live *live);
uint64_t live_reconnects(const struct live *live);

#endif
