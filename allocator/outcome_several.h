/* Requests for several shows (lua/several.lua): to the script, and what it decided. Pure: no I/O.
 */
#ifndef USHER_ALLOCATOR_OUTCOME_SEVERAL_H
#define USHER_ALLOCATOR_OUTCOME_SEVERAL_H

#include <stdbool.h>

#include "allocator/batch.h"
#include "base/codec.h"

/* The request's arguments as the script takes them: two values. */
void outcome_pack_several(struct buf *b, const struct request *r);

/* Answer request `at` by its decision, an array; false if it is none. */
bool outcome_read_several(struct batch *batch, size_t at, struct value decision);

#endif
