/*
 * What lies under other partitions' keys, which may be another server's: one connection, and which
 * of them were not to be reached. Such a one is not asked at every turn, and after a while is taken
 * for lost: who depends on it here has waited long enough.
 */
#ifndef USHER_ALLOCATOR_ELSEWHERE_H
#define USHER_ALLOCATOR_ELSEWHERE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "link/redis.h"

#define ELSEWHERE_AWAY_MAX 64 /* known at a time; the one that was away first is forgotten */

struct elsewhere {
    struct redis *redis; /* owned */
    size_t count;
    struct elsewhere_away {
        uint32_t partition;
        int64_t since_us, failed_us, again_us; /* monotonic */
    } away[ELSEWHERE_AWAY_MAX];
};

void elsewhere_init(struct elsewhere *e, const struct redis_url *url, int64_t timeout_ms);
void elsewhere_free(struct elsewhere *e);

/* Be connected to who has this partition's keys. ERR_UNAVAILABLE: it is away, or was a moment ago.
 * Nothing may be pending. */
enum err elsewhere_go_to(struct elsewhere *e, uint32_t partition);
/* It did not answer, or not as it should; and it did. */
void elsewhere_failed(struct elsewhere *e, uint32_t partition);
void elsewhere_answered(struct elsewhere *e, uint32_t partition);

/* Has it been away for so long that nobody waits for it any more? */
bool elsewhere_is_lost(const struct elsewhere *e, uint32_t partition);

#endif
