/*
 * What the decision script returned, made into answers, journal and the columns of the commit.
 * Pure: no I/O.
 */
#ifndef USHER_ALLOCATOR_OUTCOME_H
#define USHER_ALLOCATOR_OUTCOME_H

#include "allocator/batch.h"
#include "base/codec.h"
#include "base/err.h"

/* Positions in a booking as lua/state.lua keeps it. */
enum { B_STATE, B_USER, B_EXPIRES, B_EXTENDED, B_CREATED, B_SEATS, B_PAYMENT, B_LINES };

/* The arguments `batch` of the script: its undecided requests, in order; returns how many. */
size_t outcome_pack_requests(struct buf *b, const struct batch *batch);

/*
 * The script's DONE: `decisions` stands for the undecided requests in order. ERR_REFUSED if the
 * script's words do not fit the requests, which is a bug and must not be committed.
 */
struct done {
    struct value decisions, expired, counters, seats, waits;
};
enum err outcome_read(struct batch *batch, const struct done *done);

/* Decide a request without the script: it is refused. For requests that cannot be decided. */
void outcome_refuse(struct batch *batch, size_t at, enum code code);

/* Once every request has its answer: the followers get theirs, and the journal is written. */
enum err outcome_finish(struct batch *batch);

#endif
