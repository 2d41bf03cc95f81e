/*
 * A show's availability, ready-made: read from Redis when somebody asks, at most every
 * availability_max_age_ms, and then the same bytes for everybody. Where Redis has none, what
 * Postgres said of the tiers.
 */
#ifndef USHER_GATEWAY_COUNTS_H
#define USHER_GATEWAY_COUNTS_H

#include "gateway/task.h"

struct cached_show;

/* The task has its show. Calls task->counted, now or in a moment, when the counts of the show's
 * tiers are fresh. */
void counts_await(struct task *task, void (*counted)(struct task *task));
/* The answer to GET …/availability (200, 304): a `counted`. */
void counts_answer(struct task *task);
/* A decision of this show has passed through here: what is kept is old. */
void counts_touch(struct cached_show *cached);

#endif
