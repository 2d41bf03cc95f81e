/* Several processes that share the port: a master that forks them, replaces those that die, and
 * hands on the signals that ask to end. */
#ifndef USHER_GATEWAY_WORKERS_H
#define USHER_GATEWAY_WORKERS_H

#include "gateway/board.h"
#include "gateway/gauges.h"
#include "gateway/options.h"

/* Returns the exit code: 0 if all workers ended well when they were asked to. */
int workers_run(struct gateway_options *options, struct gauges *gauges, struct board *board);

#endif
