#include "gateway/live.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/text.h"
#include "gateway/gateway.h"
#include "gateway/live_private.h"
#include "gateway/redis_link.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

#define KEPT_RETRIES 5 /* pauses of those who come back, that a topic without listeners stays */
#define FIRST_MS 3000  /* to join its channel; then it looks without having joined */
#define SCRATCH_BYTES_MAX (LIVE_BURST_BYTES_MAX + 1024)

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events);

struct live *live_new(struct gateway *gateway)
{
    struct live *live = calloc(1, sizeof *live);

    assert(live != NULL);
    live->gateway = gateway;
    for (size_t i = 0; i < LIVE_BUCKETS; i++)
        list_init(&live->bucket[i]);
    list_init(&live->topics);
    list_init(&live->due);
    list_init(&live->beats);
    buf_init(&live->scratch, SCRATCH_BYTES_MAX);
    for (size_t i = 0; i < LIVE_BURSTS; i++)
        buf_init(&live->burst[i].bytes, LIVE_BURST_BYTES_MAX);
    ev_timer_init(&live->tick, on_tick, LIVE_TICK_MS / 1000.0, LIVE_TICK_MS / 1000.0);
    ev_timer_init(&live->fan, live_on_fan, 0, 0.001);
    live->tick.data = live->fan.data = live;
    return live;
}

static void topic_free(struct live_topic *t)
{
    struct live *live = t->live;

    assert(t->clients == 0 && list_is_empty(&t->waiting));
    for (size_t i = 0; i < LIVE_BURSTS; i++)
        if (live->burst[i].topic == t)
            live->burst[i].topic = NULL;
    list_remove(&t->by_number);
    list_remove(&t->node);
    list_remove(&t->due);
    live->count--;
    live_state_free(&t->state);
    shows_unpin(t->cached);
    free(t);
}

void live_free(struct live *live)
{
    while (!list_is_empty(&live->topics))
        topic_free(LIST_OWNER(live->topics.next, struct live_topic, node));
    for (size_t i = 0; i < LIVE_BURSTS; i++)
        buf_free(&live->burst[i].bytes);
    buf_free(&live->scratch);
    free(live);
}

static void topic_join(struct live_topic *t)
{
    struct key key = key_show_channel(t->number);

    if (redis_link_join(t->live->link, (struct span){key.text, key.len}))
        t->channel = CHANNEL_JOINING;
}

/* The subscription stands (again), and knows no channel but its own. */
static void on_ready(void *context)
{
    struct live *live = context;

    for (struct list *n = live->topics.next; n != &live->topics; n = n->next)
        topic_join(LIST_OWNER(n, struct live_topic, node));
}

static void on_lost(void *context)
{
    struct live *live = context;

    for (struct list *n = live->topics.next; n != &live->topics; n = n->next)
        LIST_OWNER(n, struct live_topic, node)->channel = CHANNEL_AWAY;
}

static struct live_topic *topic_of(struct live *live, struct span channel)
{
    static const char prefix[] = "usher:show:"; /* key_show_channel's */
    uint64_t number;

    if (channel.len < sizeof prefix ||
        !text_u64((struct span){channel.bytes + sizeof prefix - 1, channel.len - sizeof prefix + 1},
                  UINT32_MAX, &number))
        return NULL;
    return live_find(live, (uint32_t)number);
}

/* From now on nothing is missed: what was published before stands where it is looked for. */
static void on_joined(void *context, struct span channel)
{
    struct live_topic *t = topic_of(context, channel);

    if (t == NULL || t->channel != CHANNEL_JOINING)
        return;
    t->channel = CHANNEL_JOINED;
    t->seats_changed = true;
    live_look(t, clock_mono_us());
}

static void on_left(void *context, struct span channel)
{
    struct live_topic *t = topic_of(context, channel);

    if (t != NULL && t->channel == CHANNEL_LEAVING)
        t->channel = CHANNEL_AWAY;
}

static void on_message(void *context, struct span payload)
{
    live_hear(context, payload);
}

void live_begin(struct live *live)
{
    struct gateway *g = live->gateway;
    struct key channel = key_shows_channel();
    struct redis_link_events events = {.context = live,
                                       .ready = on_ready,
                                       .lost = on_lost,
                                       .message = on_message,
                                       .joined = on_joined,
                                       .left = on_left};

    live->link = redis_link_open(g->loop, &g->options->redis_url, channel.text, &events);
}

void live_end(struct live *live)
{
    ev_timer_stop(live->gateway->loop, &live->tick);
    ev_timer_stop(live->gateway->loop, &live->fan);
    redis_link_close(live->link);
}

size_t live_topics(const struct live *live)
{
    return live->count;
}

uint64_t live_reconnects(const struct live *live)
{
    return redis_link_reconnects(live->link);
}

static struct list *bucket_of(struct live *live, uint32_t number)
{
    return &live->bucket[number % LIVE_BUCKETS];
}

struct live_topic *live_find(struct live *live, uint32_t number)
{
    struct list *bucket = bucket_of(live, number);

    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct live_topic *t = LIST_OWNER(n, struct live_topic, by_number);
        if (t->number == number)
            return t;
    }
    return NULL;
}

/* Shows that are listened to cannot leave the cache: half of it is left to all others. */
static struct live_topic *topic_new(struct live *live, struct cached_show *cached)
{
    size_t max = (size_t)live->gateway->options->shows_max / 2 + 1;
    struct live_topic *t = live->count < max ? calloc(1, sizeof *t) : NULL;

    if (t == NULL)
        return NULL;
    t->live = live;
    t->cached = cached;
    t->number = cached->show.number;
    t->made_us = t->idle_us = clock_mono_us();
    shows_pin(cached);
    live_state_init(&t->state);
    list_init(&t->by_number);
    list_init(&t->node);
    list_init(&t->due);
    list_init(&t->waiting);
    list_init(&t->current);
    list_init(&t->behind);
    list_append(bucket_of(live, t->number), &t->by_number);
    list_append(&live->topics, &t->node);
    live->count++;
    if (!ev_is_active(&live->tick))
        ev_timer_again(live->gateway->loop, &live->tick);
    return t;
}

struct live_topic *live_give(struct task *task, struct span show)
{
    struct live *live = task->gateway->live;
    struct live_topic *t;

    if (live->is_draining) {
        task->ends_connection = true;
        reply_overloaded(task, "This server is about to end; another one listens", 1);
        return NULL;
    }
    if (!shows_give(task, show))
        return NULL;
    t = live_find(live, task->show->number);
    if (t == NULL) {
        t = topic_new(live, task->cached);
        if (t == NULL) {
            reply_overloaded(task, "Too many shows are listened to", 5);
            return NULL;
        }
        topic_join(t);
    }
    if (t->is_known) {
        live_topic_catch_up(t);
        return t;
    }
    list_append(&t->waiting, &task->node);
    return NULL;
}

void live_topic_is_known(struct live_topic *t)
{
    struct list waiting, *node;

    t->is_known = true;
    list_init(&waiting);
    list_move_all(&waiting, &t->waiting);
    while ((node = list_take_first(&waiting)) != NULL) {
        struct task *task = LIST_OWNER(node, struct task, node);
        task->route->handle(task);
    }
}

/* A topic that nobody listens to leaves its channel first: one that joins again meanwhile would
 * have hiredis forget whom to call. */
static void retire(struct live_topic *t, int64_t now_us)
{
    struct key key = key_show_channel(t->number);
    int64_t kept_ms = t->live->gateway->options->stream_retry_ms * KEPT_RETRIES;

    if (t->asking > 0 || now_us - t->idle_us < kept_ms * 1000)
        return;
    if (t->channel == CHANNEL_AWAY)
        topic_free(t);
    else if (t->channel == CHANNEL_JOINED &&
             redis_link_leave(t->live->link, (struct span){key.text, key.len}))
        t->channel = CHANNEL_LEAVING;
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct live *live = timer->data;
    int64_t now_us = clock_mono_us();

    (void)events;
    for (struct list *n = live->topics.next, *next; n != &live->topics; n = next) {
        struct live_topic *t = LIST_OWNER(n, struct live_topic, node);
        next = n->next;
        if (t->clients == 0 && list_is_empty(&t->waiting)) {
            retire(t, now_us);
            continue;
        }
        t->idle_us = now_us;
        if (t->channel == CHANNEL_AWAY)
            topic_join(t);
        if (t->is_known || now_us - t->made_us > FIRST_MS * 1000 ||
            !redis_link_is_ready(live->link))
            live_topic_tick(t, now_us);
    }
    live_beat(live, now_us);
    if (live->count == 0)
        ev_timer_stop(loop, timer);
}

bool live_is_draining(const struct live *live)
{
    return live->is_draining;
}

void live_drain(struct live *live)
{
    live->is_draining = true;
    ev_timer_again(live->gateway->loop, &live->fan);
}
