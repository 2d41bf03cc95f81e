/* What the allocator says of itself: base/allocator_report.h, in Redis, about twice a second. */
#ifndef USHER_ALLOCATOR_REPORTER_H
#define USHER_ALLOCATOR_REPORTER_H

#include <stdint.h>

#include "allocator/batch.h"
#include "allocator/capacity.h"
#include "allocator/decider.h"
#include "allocator/hot_show.h"
#include "allocator/payment_clock.h"
#include "base/allocator_report.h"
#include "base/err.h"

enum allocator_state {
#define X(name, text) ALLOCATOR_##name,
    ALLOCATOR_STATES(X)
#undef X
};

struct reporter {
    struct decider *decider; /* borrowed: its script reports, under the fence */
    const char *name;        /* borrowed: of this process */
    struct metric_value metrics[ALLOCATOR_METRICS_COUNT];
    double rate; /* requests a second that it can decide, from full turns */
    int64_t oldest_ms;
    uint64_t per_entry_milli;
    int64_t faded_us; /* monotonic: when the shows' counts were last faded */
    struct capacity capacity;
    struct hot_shows hot;
    struct payment_clock payments;
};

void reporter_init(struct reporter *r, struct decider *decider, const char *name);

/* A committed batch: its outcomes, and what a turn like it says about the rate; one that was
 * `overlapped` by the next one's decisions says what the allocator is capable of, too. */
void reporter_count(struct reporter *r, const struct batch *batch, int64_t turn_us,
                    bool overlapped);
/* Send a report; its reply, which may say FENCED, is taken with the publisher's. */
enum err reporter_send(struct reporter *r, const struct tenure *t, enum allocator_state state,
                       int64_t now_ms);

#endif
