/*
 * The admission that a booking of a show with a waiting room must carry: "admission" in the body,
 * or the header field Usher-Admission for whoever cannot change the body.
 */
#ifndef USHER_GATEWAY_ADMISSION_H
#define USHER_GATEWAY_ADMISSION_H

#include <stdbool.h>

#include "base/request.h"
#include "gateway/task.h"

/*
 * Whether the request may go on: its show needs no admission, or it has one that is right, which
 * goes along with it. `given` is what the body has, or empty. False: the task was answered (403,
 * QUEUE_REQUIRED).
 *
 * One that has expired goes along too under an Idempotency-Key: who has had an answer gets it again
 * however late, and whoever has not is refused by the script.
 */
bool admission_check(struct task *task, struct request *request, struct span given);

/* Why the script has refused one, in words; "" for a figure that says nothing. */
const char *admission_refused(uint64_t detail);

#endif
