/* The progress line while a run goes on; the table and the JSON at its end. */
#ifndef USHER_BENCH_REPORT_H
#define USHER_BENCH_REPORT_H

#include "bench/generator/plan.h"
#include "bench/generator/tally.h"

/* One line on standard error: what came since the last call. */
void report_progress(const struct plan *plan, const struct board *board, double elapsed_s);
/* The table on standard output and the file of --json. False if that cannot be written. */
bool report_end(const struct plan *plan, const struct board *board, const struct tally *sum);

#endif
