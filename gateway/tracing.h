/*
 * The trace of a command. Where it is recorded, the gateway's span is what everything behind it has
 * for a parent, and what the answer names; where it is not, what came is handed on as it is, for a
 * span that nobody records would only be missed. A trace that begins here is recorded by
 * `trace_ratio`; of others their first asker has said, but of so many a second only
 * (`trace_others_max`): beyond, anybody could have all that they ask recorded, and another trace is
 * begun, which is not.
 */
#ifndef USHER_GATEWAY_TRACING_H
#define USHER_GATEWAY_TRACING_H

#include "gateway/task.h"

/* Owned by its task; NULL there: this trace is not recorded. */
struct tracing;

/* Writes task->trace, once. */
void tracing_begin(struct task *task);

/* On its way into the stream, and there. The rest is for tasks with `tracing` alone. */
void tracing_enqueued(struct task *task);
void tracing_accepted(struct task *task);
void tracing_answered(struct task *task, int status);
/* The task ends: its spans are sent, and `tracing` is freed. */
void tracing_end(struct task *task);

#endif
