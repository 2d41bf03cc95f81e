/* One generator process: its clients, when they send what, and when it ends. */
#ifndef USHER_BENCH_DRIVE_H
#define USHER_BENCH_DRIVE_H

#include "bench/generator/plan.h"
#include "bench/generator/tally.h"

/* Runs to the end of the plan; returns the process' exit status. */
int drive_run(const struct plan *plan, struct board *board, uint32_t process);

/* Waits, bounded, until all processes are ready; false if the run was called off meanwhile. */
bool drive_wait_for_start(struct board *board);

#endif
