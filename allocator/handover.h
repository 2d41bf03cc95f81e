/*
 * Requests of a show that is in another partition now. They came here because whoever sent them did
 * not know it yet, or stood in line when it left. They are not decided here but appended to that
 * partition's stream, with the ids and deadlines that they have, marked `again`.
 *
 * This happens before the batch that they are in is committed: if it never is, the next owner
 * appends them once more, and who was decided meanwhile gets the first answer again. So none is
 * lost and none is decided twice.
 */
#ifndef USHER_ALLOCATOR_HANDOVER_H
#define USHER_ALLOCATOR_HANDOVER_H

#include "allocator/batch.h"
#include "base/err.h"
#include "link/redis.h"

/* The batch's undecided requests of this show belong to that partition. */
void handover_mark(struct batch *b, uint32_t show, uint32_t partition);
/* Append those that are marked, in order. The connection is one for other partitions' keys; nothing
 * may be pending on it. */
enum err handover_send(struct redis *redis, const struct batch *b);

#endif
