/*
 * What a refused customer could have instead: as many seats side by side elsewhere (blocks.h),
 * other tiers of the show that have enough left, other dates of its series. A hint: from counts
 * that this gateway keeps, a second or two old; nobody waits for it but the first to be refused,
 * whose wait is one question to Postgres, and one to Redis, that all share.
 *
 * An answer under an Idempotency-Key is repeated byte for byte, for ever where it can be made
 * again; a hint cannot. So keyed refusals have none; whoever wants it asks GET …/alternatives.
 */
#ifndef USHER_GATEWAY_ALTERNATIVES_H
#define USHER_GATEWAY_ALTERNATIVES_H

#include <stdbool.h>

#include "base/answer.h"
#include "gateway/task.h"

struct alternatives;
struct gateway;

struct alternatives *alternatives_new(struct gateway *gateway); /* never NULL */
void alternatives_free(struct alternatives *alternatives);

/* Whether this refusal of the task's show may have any. */
bool alternatives_may_be(const struct task *task, const struct answer *answer);

/*
 * Calls `tell`, now or in a moment, with the member ",\"alternatives\":[…]" of the problem, or with
 * nothing if there is none. The span is good until `tell` returns. task->line says what was asked
 * for.
 */
void alternatives_find(struct task *task, void (*tell)(struct task *task, struct span member));

#endif
