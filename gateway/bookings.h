/* What the native routes and the seeds' share of reading commands out of bodies. */
#ifndef USHER_GATEWAY_BOOKINGS_H
#define USHER_GATEWAY_BOOKINGS_H

#include "base/request.h"
#include "gateway/json.h"
#include "gateway/task.h"

/* Parse a booking's id that came from outside and give the task its show. False: the task was
 * answered (404), or waits for the show. */
bool bookings_find(struct task *task, struct span text, struct id *id);

/* The tier of that code into a line; false: the task was answered (404). */
bool bookings_line(struct task *task, struct span code, int64_t quantity, struct line *line);

/* CONFIRM, EXTEND, CANCEL, PAY of a booking whose show the task has, as the body (`json`) says. */
void bookings_change(struct task *task, struct json *json, enum operation op, struct id booking,
                     task_grant *grant);

#endif
