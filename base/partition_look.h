/*
 * What a partition's allocator did between two looks at its report (allocator_report.h). Pure.
 */
#ifndef USHER_BASE_PARTITION_LOOK_H
#define USHER_BASE_PARTITION_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "advice.h"
#include "allocator_report.h"

struct partition_look {
    int64_t at_us; /* monotonic; 0: nobody has looked */
    uint64_t decided, waits, wait_us, decide_us, commit_us, capacity;
};

struct partition_look partition_look(const struct metric_value metrics[ALLOCATOR_METRICS_COUNT],
                                     int64_t at_us);
/* Sets decided, capacity, wait_ms and commit_share. False if that cannot be said: there was no look
 * before, or another allocator has begun to count anew. */
bool partition_between(const struct partition_look *before, const struct partition_look *now,
                       struct partition_figures *figures);

#endif
