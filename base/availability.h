/*
 * A show's committed availability, as it stands under key_availability and goes out after COMMIT
 * (news.h):
 *
 *   [show uint, version uint, [[tier, capacity, available, held, booked, blocked], …]]
 *
 * `version` is the partition's; `booked` counts pending and confirmed places. Elements behind
 * these, of a later version, are passed over.
 */
#ifndef USHER_BASE_AVAILABILITY_H
#define USHER_BASE_AVAILABILITY_H

#include <stdint.h>

#include "bounds.h"
#include "buf.h"
#include "err.h"

struct tier_count {
    uint32_t tier;
    uint32_t capacity;
    uint32_t available;
    uint32_t held;
    uint32_t booked;
    uint32_t blocked;
};

struct availability {
    uint32_t show;
    uint64_t version;
    size_t tiers;
    struct tier_count tier[TIERS_MAX];
};

void availability_pack(struct buf *b, const struct availability *a);
enum err availability_read(struct span bytes, struct availability *a);

#endif
