/*
 * What an operator's change of rules would do, as Postgres says it before it is decided: done in a
 * transaction that is rolled back, with the very functions that the commit will call. So what the
 * database would refuse is refused as an answer, and the script knows the new rules.
 */
#ifndef USHER_ALLOCATOR_PREVIEW_H
#define USHER_ALLOCATOR_PREVIEW_H

#include "allocator/batch.h"
#include "allocator/rebuild.h"
#include "base/err.h"

/* Of batch->request[at], an ADMIN, into batch->preview. No batch may be in flight. */
enum err preview_admin(struct rebuild *r, const struct tenure *t, struct batch *batch, size_t at);

#endif
