/*
 * Latencies in microseconds, in cells whose width grows with the value: 64 to each power of two,
 * so that a percentile is at most 1.6 % above the truth, from 1 µs to 38 hours, in 16 KiB. Plain
 * memory: it may lie in a mapping that processes share. Pure.
 */
#ifndef USHER_BENCH_HISTOGRAM_H
#define USHER_BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_SUB (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_CELLS (32u * HISTOGRAM_SUB)

struct histogram { /* all zero: empty */
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us;
    uint64_t cell[HISTOGRAM_CELLS];
};

void histogram_add(struct histogram *h, int64_t us);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value that `share` (0 … 1) of all lie at or below; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, double share);
double histogram_mean_us(const struct histogram *h);

#endif
