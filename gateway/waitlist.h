/* The waiting list: what other modules tell of it. Its routes are in handlers.h. */
#ifndef USHER_GATEWAY_WAITLIST_H
#define USHER_GATEWAY_WAITLIST_H

#include "gateway/task.h"

/* A task_grant of answers that have `waiting`: who joined, or left. */
void waitlist_grant(struct task *task, const struct answer *answer);

#endif
