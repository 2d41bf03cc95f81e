/*
 * After COMMIT: answers to the gateways and where Redis keeps them, availability to readers, the
 * stream trimmed behind the cursor. Everything is pipelined; publisher_finish takes the replies.
 */
#ifndef USHER_ALLOCATOR_PUBLISHER_H
#define USHER_ALLOCATOR_PUBLISHER_H

#include <stdint.h>

#include "allocator/batch.h"
#include "allocator/decider.h"
#include "allocator/ledger.h"
#include "base/err.h"

struct publisher {
    struct redis *redis;     /* borrowed */
    struct decider *decider; /* borrowed: its script stamps */
    struct buf message;      /* to one gateway, under construction */
    struct buf record;
};

void publisher_init(struct publisher *p, struct redis *redis, struct decider *decider);
void publisher_free(struct publisher *p);

/* The batch is committed. Sends everything; does not wait. */
enum err publisher_send(struct publisher *p, const struct tenure *t, const struct batch *batch);
/* Take the replies to what was sent. ERR_UNAVAILABLE: something may not have arrived; the
 * journal has it. ERR_FENCED: another owner has taken the partition in Redis. */
enum err publisher_finish(struct publisher *p);

/* Publish again what the journal has behind `published` (0: the newest batches_max). */
enum err publisher_replay(struct publisher *p, struct ledger *ledger, const struct tenure *t,
                          uint64_t published, int64_t batches_max);

/* Keep under this partition's keys, too, what the journal of another one still has (the newest
 * JOURNAL_REPLAY_BATCHES); nobody is told. */
enum err publisher_adopt(struct publisher *p, struct ledger *ledger, const struct tenure *t,
                         uint32_t from);

#endif
