/* What the routes that answer with a stream have in common. */
#ifndef USHER_GATEWAY_LIVE_ROUTES_H
#define USHER_GATEWAY_LIVE_ROUTES_H

#include "gateway/live_state.h"
#include "gateway/task.h"

#define LIVE_SSE_TYPE "text/event-stream"

/* The id of the last event that the client has, from its Last-Event-ID or the query's
 * last_event_id, or empty; may borrow from `bytes`. False: the task was answered. */
bool live_read_last_id(struct task *task, char bytes[LIVE_ID_BYTES], struct span *last);

/* GET /events that asks for a stream: availability alone, in the seeds' words, of the show that the
 * query names, or of that behind POST /book {"userId"}. */
void live_answer_seeds(struct task *task);

#endif
