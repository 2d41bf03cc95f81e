/*
 * Waiting rooms as their owners publish them in Redis, read at most a few times a second for each
 * show however many people ask how far it has come.
 */
#ifndef USHER_GATEWAY_ROOMS_H
#define USHER_GATEWAY_ROOMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/room.h"
#include "gateway/list.h"
#include "gateway/task.h"

struct cached_show;

struct gateway;
struct rooms;

struct rooms *rooms_new(struct gateway *gateway); /* never NULL */
void rooms_free(struct rooms *rooms);

struct room_cache {
    struct list waiting; /* tasks, for the question that is under way */
    bool is_asking;
    int64_t asked_us;
    bool is_known; /* `room` and `joined` are what Redis had then */
    struct room room;
    uint32_t joined; /* the last number given */
};

/* Call `with_room` once the room of the task's show is known, now or later: the task's
 * cached->room is there then. Who cannot be told is answered (503). */
void rooms_await(struct task *task, void (*with_room)(struct task *task));

/* Call `with_room` in a tenth of a second. The task may go away meanwhile. */
void rooms_later(struct task *task, void (*with_room)(struct task *task));

/* What is kept may be out of date by now: ask again with the next task. */
void rooms_touch(struct cached_show *cached);

void rooms_forget(struct cached_show *cached); /* frees it; nobody waits */

#endif
