/*
 * The traces of a batch's requests. Of those that are recorded the allocator's span is what
 * everything behind it has for a parent: it takes the place of the asker's in the request as soon
 * as that is read, so that what is committed and handed on names it.
 *
 *   decide  from read to published     commit  its child: the transaction, which others share
 */
#ifndef USHER_ALLOCATOR_SPANS_H
#define USHER_ALLOCATOR_SPANS_H

#include "allocator/batch.h"

/* A request of the batch was read. */
void spans_take(struct batch *batch, size_t at);

/* Which of what the batch writes is of which trace, for whoever is told of it later
 * (sql/0019_trace.sql): the sampled ones, and all that is about payments. */
void spans_put_columns(struct batch *batch);

/* The batch is committed and published. */
void spans_send(const struct batch *batch, uint32_t partition);

#endif
