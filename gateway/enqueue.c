#include "gateway/enqueue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/keys.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/list.h"
#include "gateway/redis_servers.h"
#include "gateway/waiters.h"

#define ENTRIES_MAX 4096          /* under way and of unknown outcome together */
#define SPARE_MAX 64              /* entries kept for the next turn … */
#define SPARE_BYTES_MAX (1 << 16) /* … and what they may hold on to */
#define REQUEST_BYTES_MAX 8192    /* of one request, packed: more than any has that shares one */
#define TROUBLE_LOG_MS 1000
#define AGAIN_MS 250 /* pause before what is of unknown outcome is appended again */

struct entry {
    struct list node; /* in open, unknown or spare; in none while Redis has it */
    struct enqueue *enqueue;
    struct partition *partition;
    size_t count, weight; /* of its requests; request_weight of them all */
    struct id id[ENTRY_REQUESTS_MAX];
    struct buf requests; /* packed, one after the other */
    int64_t deadline_ms; /* the latest of its requests */
    int64_t sent_us;
    bool is_again;
};

struct enqueue {
    struct gateway *gateway;
    ev_prepare turn_end; /* fed, never started: runs when this turn of the loop is worked off */
    struct list open;    /* being filled in this turn, one a partition */
    struct list unknown; /* in the order in which they were sent */
    struct list spare;
    size_t spares, entries;
    struct buf packed;
    ev_timer again; /* runs while there is something of unknown outcome */
    int64_t trouble_said_us;
};

static void on_turn_end(struct ev_loop *loop, ev_prepare *prepare, int events);
static void on_again(struct ev_loop *loop, ev_timer *timer, int events);

struct enqueue *enqueue_new(struct gateway *gateway)
{
    struct enqueue *e = calloc(1, sizeof *e);

    assert(e != NULL);
    e->gateway = gateway;
    list_init(&e->open);
    list_init(&e->unknown);
    list_init(&e->spare);
    buf_init(&e->packed, ENTRY_BYTES_MAX);
    ev_prepare_init(&e->turn_end, on_turn_end);
    ev_set_priority(&e->turn_end, EV_MINPRI);
    ev_timer_init(&e->again, on_again, AGAIN_MS / 1000.0, AGAIN_MS / 1000.0);
    e->turn_end.data = e->again.data = e;
    return e;
}

static void entry_free(struct entry *entry)
{
    buf_free(&entry->requests);
    free(entry);
}

void enqueue_free(struct enqueue *e)
{
    struct list *lists[] = {&e->open, &e->unknown, &e->spare}, *node;

    ev_clear_pending(e->gateway->loop, &e->turn_end);
    ev_timer_stop(e->gateway->loop, &e->again);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        while ((node = list_take_first(lists[i])) != NULL)
            entry_free(LIST_OWNER(node, struct entry, node));
    buf_free(&e->packed);
    free(e);
}

static struct entry *entry_take(struct enqueue *e, struct partition *partition)
{
    struct list *node = list_take_first(&e->spare);
    struct entry *entry;

    if (node != NULL) {
        e->spares--;
        entry = LIST_OWNER(node, struct entry, node);
        buf_reset(&entry->requests);
    } else {
        entry = malloc(sizeof *entry);
        if (entry == NULL)
            return NULL;
        list_init(&entry->node);
        buf_init(&entry->requests, ENTRY_BYTES_MAX - 8); /* the array's head comes before */
    }
    entry->enqueue = e;
    entry->partition = partition;
    entry->count = entry->weight = 0;
    entry->deadline_ms = 0;
    entry->is_again = false;
    e->entries++;
    list_append(&e->open, &entry->node);
    return entry;
}

static void entry_give(struct entry *entry)
{
    struct enqueue *e = entry->enqueue;

    e->entries--;
    list_remove(&entry->node);
    if (e->spares == SPARE_MAX || entry->requests.cap > SPARE_BYTES_MAX) {
        entry_free(entry);
        return;
    }
    e->spares++;
    list_append(&e->spare, &entry->node);
}

static void say_trouble(struct enqueue *e, const struct entry *entry, struct span why)
{
    int64_t now_us = clock_mono_us();
    char text[128];
    size_t n = why.len < sizeof text - 1 ? why.len : sizeof text - 1;

    if (e->trouble_said_us != 0 && now_us - e->trouble_said_us < TROUBLE_LOG_MS * 1000)
        return;
    e->trouble_said_us = now_us;
    memcpy(text, why.bytes, n);
    text[n] = '\0';
    log_event(LOG_WARN, "not_enqueued", "partition", log_u64(entry->partition->number), "requests",
              log_u64(entry->count), "why", text, NULL);
}

/* The stream certainly does not have it. */
static void entry_refuse(struct entry *entry, enum gauge reason, struct span why)
{
    struct enqueue *e = entry->enqueue;

    say_trouble(e, entry, why);
    e->gateway->own[reason].count += entry->count;
    for (size_t i = 0; i < entry->count; i++)
        waiters_entry_refused(e->gateway->waiters, entry->id[i], "The request could not be queued");
    entry_give(entry);
}

static void entry_accept(struct entry *entry)
{
    struct metric_value *own = entry->enqueue->gateway->own;

    own[G_ENTRIES].count++;
    own[G_ENQUEUED].count += entry->count;
    metric_observe_us(&own[G_STAGE_ENQUEUE], (uint64_t)(clock_mono_us() - entry->sent_us));
    for (size_t i = 0; i < entry->count; i++)
        waiters_entry_accepted(entry->enqueue->gateway->waiters, entry->id[i]);
    entry_give(entry);
}

static void entry_keep(struct entry *entry)
{
    struct enqueue *e = entry->enqueue;

    list_append(&e->unknown, &entry->node);
    for (size_t i = 0; i < entry->count; i++)
        waiters_entry_again(e->gateway->waiters, entry->id[i]);
    ev_timer_again(e->gateway->loop, &e->again);
}

/* The partition is on another node of the cluster, or on its way there. */
static bool is_for_another_server(struct redis_value reply)
{
    return redis_kind(reply) == REDIS_ERROR && redis_is_elsewhere(redis_text(reply));
}

/* An entry that is sent once more may have been in the stream, and even been decided: that it is
 * not taken now does not say that nothing was taken. */
static void on_added(void *context, const struct redis_value *reply)
{
    struct entry *entry = context;
    enum redis_kind kind = reply != NULL ? redis_kind(*reply) : REDIS_NIL;

    if (reply != NULL && kind == REDIS_NIL)
        entry->partition->has_stream = false;

    if (kind == REDIS_STRING)
        entry_accept(entry);
    else if (reply == NULL || entry->is_again || is_for_another_server(*reply))
        entry_keep(entry);
    else if (kind == REDIS_ERROR)
        entry_refuse(entry, G_REFUSED_REDIS, redis_text(*reply));
    else
        entry_refuse(entry, G_REFUSED_STREAM, SPAN("the stream is missing"));
}

/* False if Redis does not take it now. */
static bool entry_send(struct entry *entry)
{
    struct enqueue *e = entry->enqueue;
    struct key key = key_requests(entry->partition->number);
    struct span argv[8] = {SPAN("XADD"), {key.text, key.len}, SPAN("NOMKSTREAM"), SPAN("*"),
                           SPAN("b"),    {NULL, 0},           SPAN("again"),      SPAN("1")};

    buf_reset(&e->packed);
    pack_array(&e->packed, entry->count);
    buf_put(&e->packed, entry->requests.bytes, entry->requests.len);
    assert(!e->packed.failed);
    argv[5] = buf_span(&e->packed);
    entry->sent_us = clock_mono_us();
    struct redis_command command = {entry->is_again ? 8 : 6, argv, on_added, entry};
    return redis_servers_command(e->gateway->redis, entry->partition->number, &command);
}

static void entry_close(struct entry *entry)
{
    list_remove(&entry->node);
    if (!entry_send(entry))
        entry_refuse(entry, G_REFUSED_REDIS, SPAN("Redis does not take it now"));
}

static void on_turn_end(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct enqueue *e = prepare->data;

    (void)loop;
    (void)events;
    while (!list_is_empty(&e->open))
        entry_close(LIST_OWNER(e->open.next, struct entry, node));
}

static struct entry *open_entry(struct enqueue *e, struct partition *partition, size_t weight)
{
    for (struct list *n = e->open.next; n != &e->open; n = n->next) {
        struct entry *entry = LIST_OWNER(n, struct entry, node);
        if (entry->partition != partition)
            continue;
        if (entry->weight + weight <= ENTRY_REQUESTS_MAX &&
            entry->requests.max - entry->requests.len >= REQUEST_BYTES_MAX)
            return entry;
        entry_close(entry);
        break;
    }
    return e->entries < ENTRIES_MAX ? entry_take(e, partition) : NULL;
}

enum err enqueue_add(struct enqueue *e, struct partition *partition, const struct request *request)
{
    struct entry *entry;

    if (!redis_servers_have(e->gateway->redis, partition->number))
        return ERR_UNAVAILABLE;
    entry = open_entry(e, partition, request_weight(request));
    if (entry == NULL)
        return ERR_BOUND;
    request_pack(&entry->requests, request);
    if (entry->requests.failed) {
        /* No memory. Those before it are whole, but where they end is not known any more. */
        list_remove(&entry->node);
        entry_refuse(entry, G_REFUSED_BOUND, SPAN("no memory"));
        return ERR_MEMORY;
    }
    entry->id[entry->count++] = request->id;
    entry->weight += request_weight(request);
    if (request->deadline_ms > entry->deadline_ms)
        entry->deadline_ms = request->deadline_ms;
    partitions_sent(partition, 1);
    ev_feed_event(e->gateway->loop, &e->turn_end, EV_PREPARE);
    return ERR_NONE;
}

void enqueue_go_on(struct enqueue *e)
{
    struct list again, *node;
    int64_t now_ms = clock_wall_ms();

    list_init(&again);
    list_move_all(&again, &e->unknown);
    while ((node = list_take_first(&again)) != NULL) {
        struct entry *entry = LIST_OWNER(node, struct entry, node);
        if (entry->deadline_ms <= now_ms) {
            entry_give(entry);
            continue;
        }
        entry->is_again = true;
        if (!entry_send(entry)) {
            list_append(&e->unknown, node);
            list_move_all(&e->unknown, &again);
            return;
        }
        e->gateway->own[G_ENTRIES_AGAIN].count++;
    }
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct enqueue *e = timer->data;

    (void)events;
    enqueue_go_on(e);
    if (list_is_empty(&e->unknown))
        ev_timer_stop(loop, timer);
}
