#include "allocator/hot_show.h"

#include <math.h>

#define HALF_MS 5000.0
#define REQUESTS_MIN 8 /* fewer are an accident */

static size_t least(const struct hot_shows *h)
{
    size_t found = 0;

    for (size_t i = 1; i < HOT_SHOWS; i++)
        if (h->count[i] < h->count[found])
            found = i;
    return found;
}

void hot_shows_count(struct hot_shows *h, uint32_t show, uint32_t requests)
{
    double left = requests, taken;
    size_t at;

    h->all += left;
    for (size_t i = 0; i < HOT_SHOWS; i++)
        if (h->count[i] > 0 && h->show[i] == show) {
            h->count[i] += left;
            return;
        }
    /* Each of it takes one of every other's with it, until one of them has none. */
    at = least(h);
    taken = h->count[at] < left ? h->count[at] : left;
    for (size_t i = 0; i < HOT_SHOWS; i++)
        h->count[i] -= taken;
    if (left - taken <= 0)
        return;
    h->show[at] = show;
    h->count[at] = left - taken;
}

void hot_shows_fade(struct hot_shows *h, int64_t ms)
{
    double kept = exp2(-(double)(ms > 0 ? ms : 0) / HALF_MS);

    h->all *= kept;
    for (size_t i = 0; i < HOT_SHOWS; i++)
        h->count[i] *= kept;
}

uint32_t hot_shows_first(const struct hot_shows *h, unsigned *permille)
{
    size_t first = 0;

    for (size_t i = 1; i < HOT_SHOWS; i++)
        if (h->count[i] > h->count[first])
            first = i;
    if (h->all < REQUESTS_MIN || h->count[first] <= 0)
        return 0;
    *permille = (unsigned)(1000 * h->count[first] / h->all);
    return h->show[first];
}
