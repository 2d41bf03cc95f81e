/*
 * "Seckill": a counter in Redis decides, the client is told at once, and the booking's row follows
 * when it follows.
 */
#ifndef USHER_BENCH_SECKILL_H
#define USHER_BENCH_SECKILL_H

#include <stdint.h>

#include "bench/rivals/desk.h"

struct ev_loop;
struct seckill;

struct seckill *seckill_open(struct ev_loop *loop, const char *redis, const char *conninfo,
                             uint32_t shows, uint32_t seats, struct desk *desk);
void seckill_begin(struct seckill *seckill, struct wish *wish);
/* Says on standard error what had not been written. */
void seckill_close(struct seckill *seckill);

#endif
