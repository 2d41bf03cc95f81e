/*
 * Where the shows of this partition were before, as long as answers that were given there may still
 * be asked for: answers lie under the keys of the partition that gave them. Where that Redis has
 * lost them, and its owner has not said them again, they are in that partition's journal. Where it
 * is not to be reached for long, what the journal has is kept here, too, and is all that is known.
 */
#ifndef USHER_ALLOCATOR_FORMER_H
#define USHER_ALLOCATOR_FORMER_H

#include "allocator/batch.h"
#include "allocator/decider.h"
#include "allocator/elsewhere.h"
#include "allocator/ledger.h"
#include "allocator/publisher.h"
#include "base/err.h"

#define FORMERS_MAX 1024 /* the latest; older answers are found in Postgres, if granted */

struct formers {
    size_t count;
    struct former {
        uint32_t show, partition;
        int64_t left_ms;  /* when the show left it, */
        uint64_t version; /* and in which version */
        bool adopted;     /* what its journal has is kept under this partition's keys, too */
    } of[FORMERS_MAX];
};

enum err former_read(struct ledger *ledger, const struct tenure *t, struct formers *formers);

/* May a partition that the show has left have decided this request? */
bool former_may_know(const struct formers *formers, const struct request *r);

/* What is looked with, all borrowed. */
struct former_means {
    struct elsewhere *elsewhere;
    struct ledger *ledger;
    struct publisher *publisher;
};

/* Undecided requests that were answered where their show was before get that answer. `away`: it
 * could not be asked, and the error says no more; what was found out is kept, so ask again. */
enum err former_look(const struct former_means *means, const struct tenure *t,
                     struct formers *formers, struct batch *b, bool *away);

#endif
