/* What the decision script says of the waiting list (lua/waiting.lua). Pure: no I/O. */
#ifndef USHER_ALLOCATOR_OUTCOME_WAITING_H
#define USHER_ALLOCATOR_OUTCOME_WAITING_H

#include <stdbool.h>

#include "allocator/batch.h"
#include "base/codec.h"

/* Each says false if the script's words do not fit. JOIN: [0, place, position]. */
bool outcome_read_joined(struct batch *batch, size_t at, struct value decision);
/* LEAVE of one who waited: [0, [tier, quantity, user, joined, position]]. */
bool outcome_read_left(struct batch *batch, size_t at, struct value decision);
/* [[id, user, expires, tier, quantity, price], …] */
bool outcome_read_offers(struct batch *batch, struct value offers);

#endif
