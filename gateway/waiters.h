/*
 * Who awaits which decision. Several tasks may await one id.
 *
 * Messages on the channel tell most decisions. They are a hint only: whoever has waited for a while
 * has its answer looked for, less often as time goes, and once more before its wait ends.
 */
#ifndef USHER_GATEWAY_WAITERS_H
#define USHER_GATEWAY_WAITERS_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/task.h"

struct gateway;
struct waiters;

struct waiters *waiters_new(struct gateway *gateway); /* never NULL */
void waiters_free(struct waiters *waiters);

bool waiters_are_full(const struct waiters *waiters);
size_t waiters_count(const struct waiters *waiters);
bool waiters_await(const struct waiters *waiters, struct id id); /* somebody awaits this id */

/* The task has its id, partition, awaited, wait_until_us, look_ms and phase (WAIT_ACCEPTED or
 * WAIT_DECIDED) set. */
void waiters_add(struct waiters *waiters, struct task *task);
void waiters_forget(struct task *task); /* fine for one that does not wait */

/* What was published: a message as base/answer.h describes it. */
void waiters_hear(struct waiters *waiters, struct span message);

/* What became of the entry that a request was in. */
void waiters_entry_accepted(struct waiters *waiters, struct id id);
void waiters_entry_again(struct waiters *waiters, struct id id);
void waiters_entry_refused(struct waiters *waiters, struct id id, const char *why);

/* A keyed request that is answered undecided leaves a mark, so that any gateway knows of it. */
void waiters_mark_queued(struct gateway *gateway, const struct task *task);

/* Messages may have been lost: look for everybody's answer soon. */
void waiters_look_soon(struct waiters *waiters);

/* End all waits now, as if their time were over. */
void waiters_end_all(struct waiters *waiters);

#endif
