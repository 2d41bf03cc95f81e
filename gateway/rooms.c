#include "gateway/rooms.h"

#include <assert.h>
#include <stdlib.h>

#include <ev.h>

#include "base/clock.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/text.h"
#include "gateway/gateway.h"
#include "gateway/redis_servers.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

#define MAX_AGE_MS 200 /* the owner publishes no more often */
#define LATER_MS 100

struct rooms {
    struct gateway *gateway;
    struct list later; /* tasks */
    ev_timer timer;    /* runs while there are any */
};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct rooms *r = timer->data;
    struct list due, *node;

    (void)events;
    ev_timer_stop(loop, timer);
    list_init(&due);
    list_move_all(&due, &r->later);
    while ((node = list_take_first(&due)) != NULL) {
        struct task *task = LIST_OWNER(node, struct task, node);
        task->with_room(task);
    }
}

struct rooms *rooms_new(struct gateway *gateway)
{
    struct rooms *r = calloc(1, sizeof *r);

    assert(r != NULL);
    r->gateway = gateway;
    list_init(&r->later);
    ev_timer_init(&r->timer, on_timer, LATER_MS / 1000.0, 0);
    r->timer.data = r;
    return r;
}

void rooms_free(struct rooms *r)
{
    ev_timer_stop(r->gateway->loop, &r->timer);
    free(r);
}

void rooms_later(struct task *task, void (*with_room)(struct task *task))
{
    struct rooms *r = task->gateway->rooms;

    task->with_room = with_room;
    list_append(&r->later, &task->node);
    if (!ev_is_active(&r->timer)) {
        ev_timer_set(&r->timer, LATER_MS / 1000.0, 0);
        ev_timer_start(r->gateway->loop, &r->timer);
    }
}

void rooms_forget(struct cached_show *c)
{
    free(c->room);
    c->room = NULL;
}

void rooms_touch(struct cached_show *c)
{
    if (c->room != NULL)
        c->room->asked_us = 0;
}

static void tell(struct task *task)
{
    if (task->cached->room->is_known)
        task->with_room(task);
    else
        reply_overloaded(task, "The waiting room cannot be reached now", 1);
}

static void tell_all(struct room_cache *r)
{
    struct list waiting, *node;

    list_init(&waiting);
    list_move_all(&waiting, &r->waiting);
    while ((node = list_take_first(&waiting)) != NULL)
        tell(LIST_OWNER(node, struct task, node));
}

static bool take_reply(struct cached_show *c, const struct redis_value *reply)
{
    struct room_cache *r = c->room;
    uint64_t joined;

    if (reply == NULL || redis_count(*reply) != 2)
        return false;
    struct span view = redis_text(redis_at(*reply, 0)), next = redis_text(redis_at(*reply, 1));
    if (view.len == 0)
        return false;
    if (room_read(view, &r->room) || !text_u64(next, UINT32_MAX, &joined)) {
        log_event(LOG_ERROR, "room_unreadable", "show", c->show.slug, NULL);
        return false;
    }
    r->joined = (uint32_t)joined;
    return true;
}

static void on_room(void *context, const struct redis_value *reply)
{
    struct cached_show *c = context;

    c->room->is_asking = false;
    c->room->is_known = take_reply(c, reply);
    if (!c->room->is_known) {
        c->room->asked_us = 0;
        shows_expire(c); /* it may be in another partition now */
    }
    tell_all(c->room);
    shows_unpin(c);
}

static void ask(struct gateway *g, struct cached_show *c, int64_t now_us)
{
    struct key key = key_room(c->show.partition, c->show.number);
    struct span argv[] = {SPAN("HMGET"), {key.text, key.len}, SPAN("view"), SPAN("next")};

    c->room->asked_us = now_us;
    c->room->is_asking = redis_servers_command(g->redis, c->show.partition,
                                               &(struct redis_command){4, argv, on_room, c});
    if (c->room->is_asking) {
        shows_pin(c);
        return;
    }
    c->room->is_known = false;
    tell_all(c->room);
}

static bool begin(struct cached_show *c)
{
    if (c->room == NULL)
        c->room = calloc(1, sizeof *c->room);
    if (c->room != NULL && c->room->waiting.next == NULL)
        list_init(&c->room->waiting);
    return c->room != NULL;
}

void rooms_await(struct task *task, void (*with_room)(struct task *task))
{
    struct cached_show *c = task->cached;
    int64_t now_us = clock_mono_us();

    if (!begin(c)) {
        reply_overloaded(task, "The waiting room cannot be reached now", 1);
        return;
    }
    task->with_room = with_room;
    if (!c->room->is_asking && c->room->asked_us != 0 && c->room->is_known &&
        now_us - c->room->asked_us < MAX_AGE_MS * 1000) {
        tell(task);
        return;
    }
    list_append(&c->room->waiting, &task->node);
    if (!c->room->is_asking)
        ask(task->gateway, c, now_us);
}
