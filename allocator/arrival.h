/*
 * A waiting room whose show came from another partition. Its numbers are counted under that one's
 * keys, and are fetched from there: the room is closed where it was, so that no more are given; who
 * has which number and who has come is written down here, in bounded parts; and once Postgres knows
 * that it is here, and nobody will look there any more, it goes on. Whoever dies on the way leaves
 * it to the next owner to begin anew.
 *
 * Where Redis has lost it, or is not to be reached for long, it goes on as a room that was lost.
 */
#ifndef USHER_ALLOCATOR_ARRIVAL_H
#define USHER_ALLOCATOR_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "allocator/decider.h"
#include "allocator/ledger.h"
#include "base/err.h"
#include "link/redis.h"

struct arrival {
    uint32_t show; /* 0: none is under way */
    uint32_t from; /* the partition that counted */
    int64_t move;  /* of all moves of the show, the number of the one that brought it here */
    enum arrival_phase {
        ARRIVAL_CLOSES,
        ARRIVAL_FETCHES_USERS,
        ARRIVAL_FETCHES_CAME,
        ARRIVAL_ENDS
    } phase;
    char cursor[24];            /* of the users */
    size_t offset;              /* of who has come, in bytes */
    int64_t next;               /* the last number given */
    int64_t began_ms, again_ms; /* not before that, where it was not to be reached */
};

/* What it works with, all borrowed. `elsewhere` is for other partitions' keys; nothing may be
 * pending on either connection. */
struct arrival_means {
    struct ledger *ledger;
    struct decider *decider;
    struct redis *elsewhere;
};

void arrival_begin(struct arrival *a, uint32_t show, uint32_t from, int64_t move, int64_t now_ms);

/* Go on with it for a while. Then a->show is 0 if it is over: the room is here, or given up. An
 * error is one of this partition's own servers; a->show stays. */
enum err arrival_go_on(struct arrival *a, const struct arrival_means *means, const struct tenure *t,
                       int64_t now_ms);

#endif
