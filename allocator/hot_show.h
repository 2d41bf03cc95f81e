/*
 * Which show of a partition is asked for most, and what share of all requests that is: counts for
 * a few shows (Misra and Gries), where whatever has more than a ninth of all is sure to be among
 * them, and the past fades. Pure.
 */
#ifndef USHER_ALLOCATOR_HOT_SHOW_H
#define USHER_ALLOCATOR_HOT_SHOW_H

#include <stddef.h>
#include <stdint.h>

#define HOT_SHOWS 8

struct hot_shows {
    double all; /* requests */
    uint32_t show[HOT_SHOWS];
    double count[HOT_SHOWS]; /* 0: free */
};

void hot_shows_count(struct hot_shows *h, uint32_t show, uint32_t requests);
/* Time has passed: what was counts for half after five seconds. */
void hot_shows_fade(struct hot_shows *h, int64_t ms);
/* The hottest, and its requests of a thousand; 0 if there were hardly any. */
uint32_t hot_shows_first(const struct hot_shows *h, unsigned *permille);

#endif
