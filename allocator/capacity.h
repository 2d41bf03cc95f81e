/*
 * How many requests a second an allocator could decide, were all its turns full: the line through
 * what turns of different sizes took, at the largest size. A turn costs something however small it
 * is (a commit, mostly), so what small turns decide in their time says little: the same allocator
 * that is busy with a hundred requests a turn may well do five times as many. Pure.
 */
#ifndef USHER_ALLOCATOR_CAPACITY_H
#define USHER_ALLOCATOR_CAPACITY_H

#include <stdint.h>

#define CAPACITY_TURNS_MIN 16    /* before these, nothing is said */
#define CAPACITY_REQUESTS_MIN 16 /* … nor by turns that are smaller than that in the mean */

/* Sums over the turns so far, older ones counting less and less. */
struct capacity {
    uint32_t turns;
    double weight, requests, us, requests_squared, requests_us;
};

/* A turn that decided so many and took so long, beginning to beginning. */
void capacity_turn(struct capacity *c, uint32_t requests, int64_t us);
/* Requests a second; 0: not known yet. */
double capacity_estimate(const struct capacity *c);

#endif
