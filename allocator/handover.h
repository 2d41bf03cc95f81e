/*
 * Requests of a show that is in another partition now. They came here because whoever sent them did
 * not know it yet, or stood in line when it left. They are not decided here but appended to that
 * partition's stream, with the ids and deadlines that they have, marked `again`.
 *
 * This happens before the batch that they are in is committed: if it never is, the next owner
 * appends them once more, and who was decided meanwhile gets the first answer again. So none is
 * lost and none is decided twice. Where that partition's Redis is away for long they are lost to
 * their deadline, as all that stands in its stream may be.
 */
#ifndef USHER_ALLOCATOR_HANDOVER_H
#define USHER_ALLOCATOR_HANDOVER_H

#include "allocator/batch.h"
#include "allocator/elsewhere.h"
#include "base/err.h"

/* The batch's undecided requests of this show belong to that partition. How many are there? */
size_t handover_mark(struct batch *b, uint32_t show, uint32_t partition);
/* Append all that are marked, in order. `away`: not all of them could be, and the error says no
 * more; send them again. */
enum err handover_send(struct elsewhere *elsewhere, const struct batch *b, bool *away);

#endif
