/* ADMIN: what the script is given and says, as an answer and as columns of the commit. */
#ifndef USHER_ALLOCATOR_OUTCOME_ADMIN_H
#define USHER_ALLOCATOR_OUTCOME_ADMIN_H

#include "allocator/batch.h"
#include "base/codec.h"

#define ADMIN_ARGUMENTS 6
void outcome_pack_admin(struct buf *b, const struct batch *batch, const struct request *r);

/* False: it does not fit the request. */
bool outcome_read_admin(struct batch *batch, size_t at, struct value decision);
/* The same for one that changed a booking, which was `before`; its answer is stored already. */
void outcome_put_cancelled(struct batch *batch, size_t at, const struct booking *before,
                           const struct booking *after);

#endif
