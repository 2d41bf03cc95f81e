/* One request for places in several shows, all or nothing: asking for it, telling its answer. */
#ifndef USHER_GATEWAY_SEVERAL_H
#define USHER_GATEWAY_SEVERAL_H

#include "base/answer.h"
#include "base/request.h"
#include "gateway/task.h"

/* An item as the body has it; `show` empty: that of the path. */
struct asked_item {
    struct span show, tier;
    int64_t quantity;
};

/*
 * Make the rows of `request` (op SEVERAL) from the items, or, if all of them are of the task's own
 * show, its lines (op `take`). False: the task was answered, or waits for a show and its handler
 * will be called again.
 */
bool several_ask(struct task *task, enum operation take, const struct asked_item *items,
                 size_t count, struct request *request);

/* The task has the shows that its answer speaks of: true; else as several_ask. */
bool several_give_shows(struct task *task, const struct answer *answer);

/* The members of an answer beside the first booking's: all bookings. */
void several_render(struct task *task, const struct answer *answer, struct buf *body);

#endif
