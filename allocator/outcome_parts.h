/* What the files that read decisions have in common; outcome.c has it. Pure: no I/O. */
#ifndef USHER_ALLOCATOR_OUTCOME_PARTS_H
#define USHER_ALLOCATOR_OUTCOME_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "allocator/batch.h"
#include "base/answer.h"
#include "base/codec.h"

/* The number at this place of an array; false if there is none, or it is out of range. */
bool outcome_i64(struct value array, size_t at, int64_t *n);
bool outcome_u32(struct value array, size_t at, uint32_t *n);

/* An answer to begin with, and the finished one packed right into the batch's answers. */
struct answer outcome_answer(const struct batch *batch, const struct request *r, enum code code);
void outcome_store(struct batch *batch, size_t at, const struct answer *answer);

/* The seats for whose sake it is SEAT_TAKEN; false if they are none. */
bool outcome_conflicts(struct value seats, struct answer *answer);
/* The admission that the granted request has used up, if any, as the commit's q_*. */
void outcome_put_admission(struct columns *c, const struct request *r);

/* A new booking as the commit's n_* and i_*. */
int64_t outcome_fingerprint(const struct request *r);
void outcome_put_new(struct columns *c, uint32_t show, int64_t fingerprint,
                     const struct booking *booking);

#endif
