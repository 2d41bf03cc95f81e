#include "bench/generator/histogram.h"

static size_t cell_of(uint64_t us)
{
    if (us < HISTOGRAM_SUB)
        return (size_t)us;
    unsigned shift = 63u - (unsigned)__builtin_clzll(us) - HISTOGRAM_SUB_BITS;
    size_t cell = (size_t)(shift + 1) * HISTOGRAM_SUB + (size_t)((us >> shift) - HISTOGRAM_SUB);
    return cell < HISTOGRAM_CELLS ? cell : HISTOGRAM_CELLS - 1;
}

/* The largest value that falls into the cell: a percentile errs towards "slower". */
static uint64_t cell_top(size_t cell)
{
    if (cell < HISTOGRAM_SUB)
        return cell;
    size_t shift = cell / HISTOGRAM_SUB - 1;
    uint64_t bottom = (uint64_t)(HISTOGRAM_SUB + cell % HISTOGRAM_SUB) << shift;
    return bottom + (1ull << shift) - 1;
}

void histogram_add(struct histogram *h, int64_t us)
{
    uint64_t value = us > 0 ? (uint64_t)us : 0;

    h->count++;
    h->sum_us += value;
    if (value > h->max_us)
        h->max_us = value;
    h->cell[cell_of(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    into->sum_us += from->sum_us;
    if (from->max_us > into->max_us)
        into->max_us = from->max_us;
    for (size_t i = 0; i < HISTOGRAM_CELLS; i++)
        into->cell[i] += from->cell[i];
}

uint64_t histogram_percentile(const struct histogram *h, double share)
{
    double wanted = share * (double)h->count;
    uint64_t seen = 0;

    for (size_t i = 0; i < HISTOGRAM_CELLS; i++) {
        seen += h->cell[i];
        if (seen > 0 && (double)seen >= wanted)
            return cell_top(i) < h->max_us ? cell_top(i) : h->max_us;
    }
    return h->max_us;
}

double histogram_mean_us(const struct histogram *h)
{
    return h->count > 0 ? (double)h->sum_us / (double)h->count : 0;
}
