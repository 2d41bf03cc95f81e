/* The listeners of topics: how they begin, what each is sent and when, how they end. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "gateway/gateway.h"
#include "gateway/live_private.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

#define SLICE_US 2000  /* of a turn of the loop; then others have theirs */
#define SLICE_STEPS 16 /* listeners between two looks at the clock */

static struct metric_value *own_of(const struct live_topic *t)
{
    return t->live->gateway->own;
}

static const struct live_transport *const transports[] = {&live_sse, &live_seeds_sse,
                                                          &live_websocket};
static_assert(sizeof transports / sizeof transports[0] == LIVE_BURSTS, "a burst for each");

static struct live_burst *burst_of(struct live *live, const struct live_transport *transport)
{
    size_t i = 0;

    while (i + 1 < LIVE_BURSTS && transports[i] != transport)
        i++;
    assert(transports[i] == transport);
    return &live->burst[i];
}

/* What one who has seen this lacks. Those who keep up have all seen the same: it is made once. */
static const struct live_burst *burst_for(struct live_topic *t,
                                          const struct live_transport *transport,
                                          const struct live_seen *seen)
{
    struct live_burst *b = burst_of(t->live, transport);

    if (b->topic == t && b->number == t->state.number && b->way == transport->way &&
        memcmp(&b->from, seen, sizeof *seen) == 0)
        return b;
    buf_reset(&b->bytes);
    b->topic = t;
    b->number = t->state.number;
    b->way = transport->way;
    b->from = b->to = *seen;
    b->events = live_state_put(&t->state, &t->cached->show, b->way, &b->to, &b->bytes);
    assert(!b->bytes.failed);
    return b;
}

static void serve(struct live_topic *t, struct live_client *client)
{
    if (live_state_is_seen(&t->state, client->transport->way, &client->seen)) {
        list_append(&t->current, &client->node);
        return;
    }
    const struct live_burst *b = burst_for(t, client->transport, &client->seen);
    if (!exchange_write(client->exchange, buf_span(&b->bytes))) {
        own_of(t)[G_STREAM_SLOW].count++;
        return;
    }
    own_of(t)[G_STREAM_EVENTS].count += b->events;
    client->seen = b->to;
    list_append(&t->current, &client->node);
}

static void make_due(struct live_topic *t)
{
    struct live *live = t->live;

    list_remove(&t->due);
    list_append(&live->due, &t->due);
    if (!ev_is_active(&live->fan))
        ev_timer_again(live->gateway->loop, &live->fan);
}

/* Those who are in the middle of being told the last state stay before those who have it. */
void live_tell(struct live_topic *t)
{
    list_move_all(&t->behind, &t->current);
    if (!list_is_empty(&t->behind))
        make_due(t);
}

/* False: the slice is used up. */
static bool serve_topic(struct live_topic *t, int64_t end_us)
{
    struct list *node;

    for (size_t i = 1; (node = list_take_first(&t->behind)) != NULL; i++) {
        serve(t, LIST_OWNER(node, struct live_client, node));
        if (i % SLICE_STEPS == 0 && clock_mono_us() >= end_us)
            return false;
    }
    return true;
}

int64_t live_retry_ms(const struct live *live)
{
    int64_t retry_ms = live->gateway->options->stream_retry_ms;

    return retry_ms / 2 + (int64_t)(random_u64() % (uint64_t)(2 * retry_ms + 1));
}

static void part_with(struct live *live, struct live_client *client)
{
    buf_reset(&live->scratch);
    client->transport->part(&live->scratch, live_retry_ms(live));
    live_client_end(client, buf_span(&live->scratch));
}

static void part_with_some(struct live *live, int64_t end_us)
{
    for (size_t i = 1; !list_is_empty(&live->beats); i++) {
        part_with(live, LIST_OWNER(live->beats.next, struct live_client, beat));
        if (i % SLICE_STEPS == 0 && clock_mono_us() >= end_us)
            return;
    }
}

void live_on_fan(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct live *live = timer->data;
    int64_t end_us = clock_mono_us() + SLICE_US;
    struct list *node;
    bool has_time = true;

    (void)events;
    if (live->is_draining)
        part_with_some(live, end_us);
    while (has_time && (node = list_take_first(&live->due)) != NULL) {
        struct live_topic *t = LIST_OWNER(node, struct live_topic, due);
        int64_t began_us = clock_mono_us();
        has_time = serve_topic(t, end_us);
        t->round_us += clock_mono_us() - began_us;
        if (!list_is_empty(&t->behind))
            list_append(&live->due, &t->due);
    }
    if (list_is_empty(&live->due) && !(live->is_draining && live->clients > 0))
        ev_timer_stop(loop, timer);
}

/* Listeners were connected, and last beaten, in this order. */
void live_beat(struct live *live, int64_t now_us)
{
    int64_t pause_us = live->gateway->options->stream_heartbeat_ms * 1000;

    for (size_t i = 1; !list_is_empty(&live->beats); i++) {
        struct live_client *client = LIST_OWNER(live->beats.next, struct live_client, beat);
        if (client->beat_us > now_us)
            return;
        client->beat_us = now_us + pause_us;
        list_remove(&client->beat);
        list_append(&live->beats, &client->beat);
        buf_reset(&live->scratch);
        if (!client->transport->beat(client, &live->scratch))
            live_client_end(client, buf_span(&live->scratch));
        else
            exchange_write(client->exchange, buf_span(&live->scratch));
        if (i % SLICE_STEPS == 0 && clock_mono_us() >= now_us + SLICE_US)
            return;
    }
}

void live_open(struct task *task, struct live_topic *t, const struct live_transport *transport,
               int status, const char *content_type, struct span last)
{
    struct live *live = t->live;
    struct live_client *client = calloc(1, sizeof *client);

    if (client == NULL) {
        reply_overloaded(task, "There is no memory for one more listener", 1);
        return;
    }
    client->topic = t;
    client->exchange = task->exchange;
    client->transport = transport;
    client->was_heard = true;
    live_seen_read(last, transport->way, &client->seen);
    live_state_limit(&t->state, &client->seen);
    list_init(&client->node);
    list_init(&client->beat);
    list_append(&t->current, &client->node);
    client->beat_us = clock_mono_us() + live->gateway->options->stream_heartbeat_ms * 1000;
    list_append(&live->beats, &client->beat);
    t->clients++;
    live->clients++;
    own_of(t)[transport->gauge].count++;

    struct buf *body = &task->gateway->body;
    transport->greet(body, live->gateway->options->stream_retry_ms);
    own_of(t)[G_STREAM_EVENTS].count +=
        live_state_put(&t->state, &t->cached->show, transport->way, &client->seen, body);
    reply_stream(task, status, content_type, transport->stream, client);
}

void live_client_free(struct live_client *client)
{
    struct live_topic *t = client->topic;

    list_remove(&client->node);
    list_remove(&client->beat);
    t->clients--;
    t->live->clients--;
    own_of(t)[client->transport->gauge].count--;
    free(client);
}

void live_client_end(struct live_client *client, struct span last_words)
{
    exchange_write(client->exchange, last_words);
    exchange_end(client->exchange);
    client->transport->stream->gone(client);
}

void live_client_gone(void *context)
{
    live_client_free(context);
}

/* It has taken the last event, and may lack others since. */
void live_client_writable(void *context)
{
    struct live_client *client = context;

    list_remove(&client->node);
    list_append(&client->topic->behind, &client->node);
    make_due(client->topic);
}
