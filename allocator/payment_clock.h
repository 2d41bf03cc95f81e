/*
 * How long payments take: from the decision that a booking is to be paid to that of its settlement.
 * What has not been settled is remembered, so many of them: the oldest of four makes room. Pure.
 */
#ifndef USHER_ALLOCATOR_PAYMENT_CLOCK_H
#define USHER_ALLOCATOR_PAYMENT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

#define PAYMENT_CLOCK_SETS 2048
#define PAYMENT_CLOCK_WAYS 4
#define PAYMENTS_CLOCKED_MAX (PAYMENT_CLOCK_SETS * PAYMENT_CLOCK_WAYS)

struct payment_clock {
    struct clocked {
        struct id payment;
        int64_t decided_ms; /* 0: free */
    } slot[PAYMENT_CLOCK_SETS][PAYMENT_CLOCK_WAYS];
};

void payment_clock_begin(struct payment_clock *clock, struct id payment, int64_t decided_ms);
/* It is settled: true, and *took_ms since it began; false if that is not known (any more). */
bool payment_clock_end(struct payment_clock *clock, struct id payment, int64_t settled_ms,
                       int64_t *took_ms);

#endif
