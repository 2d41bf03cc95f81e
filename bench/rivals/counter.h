/*
 * Seats left, as counters in Redis, asked without waiting; the only file of the rivals that
 * includes hiredis. All questions go over one connection, one behind the other.
 */
#ifndef USHER_BENCH_COUNTER_H
#define USHER_BENCH_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/rivals/desk.h"

struct ev_loop;
struct counter;

/* taken: whether the wish's places were there and are now its own. */
typedef void counter_answered(void *context, struct wish *wish, bool taken);

/* Sets the counters of shows 1 … shows. NULL and a line on standard error if Redis is not there. */
struct counter *counter_open(struct ev_loop *loop, const char *url, uint32_t shows, uint32_t seats,
                             counter_answered *answered, void *context);
void counter_take(struct counter *counter, struct wish *wish);
void counter_close(struct counter *counter);

#endif
