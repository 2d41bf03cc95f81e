/* One request for places in several shows, all or nothing: asking for it, telling its answer. */
#ifndef USHER_GATEWAY_SEVERAL_H
#define USHER_GATEWAY_SEVERAL_H

#include "base/answer.h"
#include "base/request.h"
#include "gateway/json.h"
#include "gateway/named.h"
#include "gateway/task.h"

/* An item as the body has it; `show` empty: that of the path. */
struct asked_item {
    struct span show, tier;
    int64_t quantity;
    bool is_named;         /* "seats" instead of a tier and a quantity … */
    struct json_object in; /* … of this object */
};

struct several {
    enum operation take; /* BOOK or HOLD */
    const struct asked_item *item;
    size_t items;
};

/*
 * Make the rows of `request` (op SEVERAL) from the items, or, if all of them are of the task's own
 * show, its lines (op `take`). Seats that are named stand in `named`. False: the task was answered,
 * or waits for a show and its handler will be called again.
 */
bool several_ask(struct task *task, struct json *json, const struct several *asked,
                 struct named *named, struct request *request);

/* The task has the shows that its answer speaks of: true; else as several_ask. */
bool several_give_shows(struct task *task, const struct answer *answer);

/* The members of an answer beside the first booking's: all bookings. */
void several_render(struct task *task, const struct answer *answer, struct buf *body);

#endif
