/*
 * A pool of Postgres connections on libev; the only file of the rivals that includes libpq. A wish
 * takes an idle connection, or stands in a queue for one, and keeps it until its design is through.
 */
#ifndef USHER_BENCH_POOL_H
#define USHER_BENCH_POOL_H

#include <stdint.h>

#include "bench/rivals/design.h"
#include "bench/rivals/desk.h"

struct ev_loop;
struct pool;

/* Connects and prepares, waiting. NULL (and a line on standard error) if that fails. `desk` gets
 * the answers and outlives the pool. */
struct pool *pool_open(struct ev_loop *loop, const char *conninfo, size_t connections,
                       const struct design *design, struct desk *desk);
void pool_begin(struct pool *pool, struct wish *wish); /* its signature fits desk_open */
uint64_t pool_retries(const struct pool *pool);
void pool_close(struct pool *pool);

/* Runs statements on a connection of its own, waiting. False and a line on standard error. */
bool pool_run_script(const char *conninfo, const char *sql);

#endif
