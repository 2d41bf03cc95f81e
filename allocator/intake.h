/*
 * Reading the stream: entries behind a position become a batch. Entries that are no requests are
 * said in the log and passed over; repeated ids are found here, in the order of their cost.
 */
#ifndef USHER_ALLOCATOR_INTAKE_H
#define USHER_ALLOCATOR_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "allocator/batch.h"
#include "base/err.h"
#include "link/redis.h"

struct intake {
    struct redis *redis; /* borrowed */
    uint32_t partition;
    struct cursor after;               /* the last entry read, decided or not */
    uint64_t requests_per_entry_milli; /* lately */
    bool single; /* one entry at a time: a batch before was refused by Postgres */
};

void intake_init(struct intake *in, struct redis *redis);
/* A new tenure begins: read on behind the committed cursor. */
void intake_set(struct intake *in, uint32_t partition, const struct cursor *cursor);

/*
 * Wait at most wait_ms (0: only look) for entries and put them into the empty batch, which stays
 * empty if there are none. Requests that repeat one of this batch, or of `in_flight` (may be NULL;
 * decided, not yet committed), are settled here; the others are ORIGIN_UNDECIDED.
 * `again`: whether some entry says that it may stand in the stream twice.
 */
enum err intake_read(struct intake *in, int64_t wait_ms, const struct batch *in_flight,
                     struct batch *batch, bool *again);

/* Two positions in the stream: below 0, 0 or above 0. */
int cursor_compare(const struct cursor *a, const struct cursor *b);
bool cursor_parse(struct span text, struct cursor *cursor);

#endif
