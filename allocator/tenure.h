/*
 * The allocator's parts, and the taking of a partition: everything that makes Postgres and Redis
 * agree before the first turn.
 */
#ifndef USHER_ALLOCATOR_TENURE_H
#define USHER_ALLOCATOR_TENURE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "allocator/batch.h"
#include "allocator/decider.h"
#include "allocator/elsewhere.h"
#include "allocator/former.h"
#include "allocator/intake.h"
#include "allocator/ledger.h"
#include "allocator/options.h"
#include "allocator/publisher.h"
#include "allocator/rebuild.h"
#include "allocator/reporter.h"
#include "allocator/rooms.h"
#include "allocator/tally.h"

struct allocator {
    const struct options *options;
    const volatile sig_atomic_t *stop;
    struct redis *redis;
    struct elsewhere elsewhere; /* other partitions' keys */
    struct ledger ledger;
    struct decider decider;
    struct intake intake;
    struct publisher publisher;
    struct reporter reporter;
    struct rebuild rebuild;
    struct rooms rooms;
    struct tally tally;     /* committed, and not yet handed over */
    bool tally_is_unwanted; /* Postgres did not take it the last time, which has been said */
    struct formers formers; /* of this tenure's shows: a show that comes begins a new one */
    struct tenure tenure;
    struct batch *batches[2];
    struct batch *in_flight;  /* begun, not yet settled; one of batches, or NULL */
    int64_t now_ms;           /* the partition's clock: never runs back */
    int64_t settled_us;       /* monotonic: end of the last commit */
    int64_t housekept_ms;     /* monotonic */
    int64_t pruned_ms;        /* monotonic */
    int64_t waited_ms;        /* longest wait of a request since the rooms were served last */
    uint64_t epoch_min;       /* for the next claim: Redis has seen a higher one */
    struct cursor refused_at; /* where a batch was last refused by Postgres or the script */
    uint32_t refusals;        /* in a row, there */
    const char *away;         /* what is said to be away ("redis", "postgres"), or NULL */
};

/* The partition's clock: the wall clock, but never back. */
int64_t allocator_now(struct allocator *a);

/*
 * Take the held partition: a new epoch in Postgres, then in Redis; a rebuild unless Redis is known
 * to equal Postgres; the stream mended; what the journal has and Redis lacks published.
 */
enum err tenure_take(struct allocator *a);

/* Say once that something is away, and once that it is back (NULL). */
void tenure_say_away(struct allocator *a, const char *what, const char *why);

#endif
