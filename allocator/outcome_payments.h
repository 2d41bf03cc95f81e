/* The part of outcome.h that is about money: rows of commit_payments. Pure: no I/O. */
#ifndef USHER_ALLOCATOR_OUTCOME_PAYMENTS_H
#define USHER_ALLOCATOR_OUTCOME_PAYMENTS_H

#include <stdbool.h>

#include "allocator/batch.h"
#include "base/codec.h"

/* What a granted change of a booking does to its payment: nothing, mostly. `before` is the booking
 * as the script had it. False if it is not a booking. */
bool outcome_put_payment(struct batch *batch, const struct request *r, struct value before,
                         const struct booking *after);

#endif
