#include "allocator/capacity.h"

#include "base/bounds.h"

#define KEPT 0.98 /* of what was, with each turn: some fifty turns count */

void capacity_turn(struct capacity *c, uint32_t requests, int64_t us)
{
    double n = requests, t = (double)us;

    if (requests == 0 || us <= 0)
        return;
    c->weight = KEPT * c->weight + 1;
    c->requests = KEPT * c->requests + n;
    c->us = KEPT * c->us + t;
    c->requests_squared = KEPT * c->requests_squared + n * n;
    c->requests_us = KEPT * c->requests_us + n * t;
    if (c->turns < CAPACITY_TURNS_MIN)
        c->turns++;
}

/* What one request more costs. Turns of one size alone say nothing of it: then all of a turn is
 * taken for the cost of its requests, which promises least. */
static double slope_us(const struct capacity *c, double n, double t)
{
    double spread = c->requests_squared / c->weight - n * n;
    double slope = spread > 0.01 * n * n ? (c->requests_us / c->weight - n * t) / spread : t / n;

    if (slope < 0)
        return 0;
    return slope < t / n ? slope : t / n;
}

double capacity_estimate(const struct capacity *c)
{
    double n, t, full_us;

    if (c->turns < CAPACITY_TURNS_MIN)
        return 0;
    n = c->requests / c->weight;
    t = c->us / c->weight;
    if (n < CAPACITY_REQUESTS_MIN)
        return 0;
    full_us = t + slope_us(c, n, t) * (BATCH_REQUESTS_MAX - n);
    return BATCH_REQUESTS_MAX * 1e6 / full_us;
}
