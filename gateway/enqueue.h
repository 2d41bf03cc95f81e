/*
 * Into the streams: the requests of one turn of the loop for one partition become one entry.
 *
 * What becomes of an entry is told to the waiters: it is in the stream; or it certainly is not, and
 * its requests are refused; or the connection broke and nobody knows. Then it is kept, and appended
 * once more, marked, when Redis is back, while a deadline of its requests allows: a request that
 * was in the stream already gets the answer that it got then.
 */
#ifndef USHER_GATEWAY_ENQUEUE_H
#define USHER_GATEWAY_ENQUEUE_H

#include "base/err.h"
#include "base/request.h"
#include "gateway/partitions.h"

struct gateway;
struct enqueue;

struct enqueue *enqueue_new(struct gateway *gateway); /* never NULL */
void enqueue_free(struct enqueue *enqueue);

/* Packs the request: nothing of it is borrowed. ERR_UNAVAILABLE: Redis is away; ERR_BOUND: too many
 * entries are under way; ERR_MEMORY. */
enum err enqueue_add(struct enqueue *enqueue, struct partition *partition,
                     const struct request *request);

/* Redis is back: append again what nobody knows the outcome of. */
void enqueue_go_on(struct enqueue *enqueue);

#endif
