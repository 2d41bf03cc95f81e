/* One process of --open: holds its part of the connections and sees what comes over them. */
#ifndef USHER_BENCH_HOLD_H
#define USHER_BENCH_HOLD_H

#include "bench/generator/plan.h"
#include "bench/generator/tally.h"

/* Runs to the end of the plan; returns the process' exit status. */
int hold_run(const struct plan *plan, struct board *board, uint32_t process);

#endif
