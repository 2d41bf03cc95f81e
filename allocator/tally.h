/*
 * What an allocator counts beside its work, for those who look at sales: decisions by their code,
 * and how long requests waited, per show and minute. In plain memory of a fixed size, until it is
 * handed to Postgres (add_figures in sql/0015_analytics.sql); never in the way of a booking. Pure.
 */
#ifndef USHER_ALLOCATOR_TALLY_H
#define USHER_ALLOCATOR_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/model.h"

#define TALLY_REPEATED CODES_END /* in place of a code: it had its answer before */
#define TALLY_WAITS 39           /* tally_bounds_ms, and one for what waited longer */

extern const uint32_t tally_bounds_ms[TALLY_WAITS - 1];

struct tally_wait {
    uint32_t count;
    int64_t sum_ms, max_ms;
};

/* A show within a minute. */
struct tally_cell {
    uint32_t show;
    int64_t minute; /* since 1970 */
    uint32_t count[CODES_END + 1];
    struct tally_wait wait[TALLY_WAITS];
};

struct tally {
    size_t cells;
    struct tally_cell cell[TALLY_CELLS_MAX]; /* in the order in which they began */
    uint16_t index[2 * TALLY_CELLS_MAX];     /* cell + 1; 0: free. Open addressing */
    uint64_t dropped;                        /* requests that are in no cell, for want of room */
};

/* A request has its answer, waited_ms after it had come into the queue. `code` may be
 * TALLY_REPEATED. */
void tally_count(struct tally *t, uint32_t show, int64_t minute, unsigned code, int64_t waited_ms);

/* The arrays of add_figures, as Postgres writes them, in the order of its parameters. */
#define TALLY_COLUMNS 10
#define TALLY_COLUMN_BYTES_MAX (1u << 20)

/* Write the first `cells` cells to so many columns, which the caller inited with
 * TALLY_COLUMN_BYTES_MAX and frees. ERR_MEMORY. */
enum err tally_write(const struct tally *t, size_t cells, struct buf columns[TALLY_COLUMNS]);
/* Those are handed over: forget them. */
void tally_forget(struct tally *t, size_t cells);

#endif
