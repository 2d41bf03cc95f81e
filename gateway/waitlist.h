/* The waiting list: what other modules tell of it. Its routes are in handlers.h. */
#ifndef USHER_GATEWAY_WAITLIST_H
#define USHER_GATEWAY_WAITLIST_H

#include "gateway/task.h"

/* Task_grants: of who joined, and of who left or declined what was offered. */
void waitlist_grant(struct task *task, const struct answer *answer);
void waitlist_tell_left(struct task *task, const struct answer *answer);

#endif
