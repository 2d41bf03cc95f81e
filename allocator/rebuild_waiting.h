/* A show's waiting list, from Postgres into a namespace of Redis (lua/waiting.lua says how). */
#ifndef USHER_ALLOCATOR_REBUILD_WAITING_H
#define USHER_ALLOCATOR_REBUILD_WAITING_H

#include <stdint.h>

#include "allocator/loading.h"
#include "base/buf.h"
#include "base/err.h"
#include "link/redis.h"

/* Within the snapshot. If anybody waits, the next run looks at the show's list. */
enum err rebuild_waiting(struct loading *l, uint32_t show);

/* Drop a show's list from an old namespace; Redis frees it in the background. */
enum err rebuild_drop_waiting(struct redis *redis, struct span prefix, struct span show);

#endif
