/*
 * Where the shows of this partition were before, as long as answers that were given there may still
 * be asked for: answers lie under the keys of the partition that gave them. Where that Redis has
 * lost them, and its owner has not said them again, they are in that partition's journal.
 */
#ifndef USHER_ALLOCATOR_FORMER_H
#define USHER_ALLOCATOR_FORMER_H

#include "allocator/batch.h"
#include "allocator/decider.h"
#include "allocator/ledger.h"
#include "base/err.h"
#include "link/redis.h"

#define FORMERS_MAX 1024 /* the latest; older answers are found in Postgres, if granted */

struct formers {
    size_t count;
    struct former {
        uint32_t show, partition;
        int64_t left_ms;  /* when the show left it, */
        uint64_t version; /* and in which version */
    } of[FORMERS_MAX];
};

enum err former_read(struct ledger *ledger, const struct tenure *t, struct formers *formers);

/* May a partition that the show has left have decided this request? */
bool former_may_know(const struct formers *formers, const struct request *r);
/* Undecided requests that were answered where their show was before get that answer. The
 * connection is one for other partitions' keys; nothing may be pending on it. */
enum err former_look(struct redis *redis, struct ledger *ledger, const struct formers *formers,
                     struct batch *b);

#endif
