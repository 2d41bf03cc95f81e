#include "gateway/waiters.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/keys.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/partitions.h"
#include "gateway/redis_servers.h"
#include "gateway/reply.h"
#include "gateway/tracing.h"

#define TICK_MS 10
#define SLOTS 4096        /* times TICK_MS: more than anyone may wait */
#define LOOK_AGAIN_MS 200 /* after messages may have been lost */
#define LOOK_MS_MAX 2000
/* For those whom no message tells: they did not send the request. */
#define LOOK_MS_MAX_UNTOLD 250
#define LOOK_IDS_MAX 128 /* answers asked for at once */
#define LOOKS_PER_TICK 64
#define LOOKS_UNDER_WAY_MAX 64

/* A question for some answers of one partition, in as many commands as they lie in places. */
struct look {
    struct waiters *waiters;
    uint32_t partition;
    size_t count;
    struct id id[LOOK_IDS_MAX];
    struct look_part {
        struct look *look;
        struct id *id;
        size_t count;
    } part[LOOK_IDS_MAX];
    size_t holders; /* commands under way, and whoever fills or sends it */
};

struct waiters {
    struct gateway *gateway;
    size_t count, count_max;
    size_t buckets; /* a power of two */
    struct list *bucket;
    struct list slot[SLOTS];
    uint64_t tick;     /* the last one that was worked off */
    ev_timer timer;    /* runs while somebody waits */
    struct look *look; /* being filled; or NULL */
    size_t looks_under_way;
};

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events);

static uint64_t tick_now(void)
{
    return (uint64_t)clock_mono_us() / (TICK_MS * 1000);
}

struct waiters *waiters_new(struct gateway *gateway)
{
    struct waiters *w = calloc(1, sizeof *w);

    assert(w != NULL);
    w->gateway = gateway;
    w->count_max = (size_t)gateway->options->waiters_max;
    for (w->buckets = 1024; w->buckets < w->count_max / 4;)
        w->buckets *= 2;
    w->bucket = malloc(w->buckets * sizeof *w->bucket);
    assert(w->bucket != NULL);
    for (size_t i = 0; i < w->buckets; i++)
        list_init(&w->bucket[i]);
    for (size_t i = 0; i < SLOTS; i++)
        list_init(&w->slot[i]);
    ev_timer_init(&w->timer, on_tick, TICK_MS / 1000.0, TICK_MS / 1000.0);
    w->timer.data = w;
    return w;
}

void waiters_free(struct waiters *w)
{
    ev_timer_stop(w->gateway->loop, &w->timer);
    free(w->look);
    free(w->bucket);
    free(w);
}

bool waiters_are_full(const struct waiters *w)
{
    return w->count >= w->count_max;
}

size_t waiters_count(const struct waiters *w)
{
    return w->count;
}

static struct list *bucket_of(const struct waiters *w, struct id id)
{
    return &w->bucket[id_hash(id) & (w->buckets - 1)];
}

bool waiters_await(const struct waiters *w, struct id id)
{
    const struct list *bucket = bucket_of(w, id);

    for (const struct list *n = bucket->next; n != bucket; n = n->next)
        if (id_equal(LIST_OWNER(n, struct task, node)->id, id))
            return true;
    return false;
}

/* Look at the task again after a pause, at the latest when its wait ends. */
static void schedule(struct waiters *w, struct task *task, int64_t now_us, int64_t pause_ms)
{
    int64_t at_us = now_us + pause_ms * 1000;

    if (at_us > task->wait_until_us)
        at_us = task->wait_until_us;
    uint64_t tick = (uint64_t)at_us / (TICK_MS * 1000) + 1;
    if (tick <= w->tick)
        tick = w->tick + 1;
    if (tick > w->tick + SLOTS - 1)
        tick = w->tick + SLOTS - 1;
    list_remove(&task->due);
    list_append(&w->slot[tick % SLOTS], &task->due);
}

void waiters_add(struct waiters *w, struct task *task)
{
    assert(task->phase == WAIT_ACCEPTED || task->phase == WAIT_DECIDED);
    if (w->count == 0) {
        w->tick = tick_now();
        ev_timer_again(w->gateway->loop, &w->timer);
    }
    w->count++;
    list_append(bucket_of(w, task->id), &task->node);
    schedule(w, task, clock_mono_us(), task->look_ms);
}

void waiters_forget(struct task *task)
{
    struct waiters *w = task->gateway->waiters;

    if (task->phase == WAIT_NONE)
        return;
    task->phase = WAIT_NONE;
    list_remove(&task->node);
    list_remove(&task->due);
    w->count--;
    if (w->count == 0)
        ev_timer_stop(w->gateway->loop, &w->timer);
}

/* Take those who await the id out of the table, into `list`. While they are there, a client that
 * goes away takes its own task out of it. */
static void take_all(struct waiters *w, struct id id, struct list *list)
{
    struct list *bucket = bucket_of(w, id), *next;

    list_init(list);
    for (struct list *n = bucket->next; n != bucket; n = next) {
        struct task *task = LIST_OWNER(n, struct task, node);
        next = n->next;
        if (!id_equal(task->id, id))
            continue;
        waiters_forget(task);
        list_append(list, &task->node);
    }
}

static struct task *next_of(struct list *list)
{
    struct list *node = list_take_first(list);

    return node != NULL ? LIST_OWNER(node, struct task, node) : NULL;
}

/* Whether this answer was first given to another request: an earlier one with the same key. */
static bool is_repeated(const struct task *task, const struct answer *answer, bool was_published,
                        bool repeated)
{
    if (!id_is_keyed(task->id) || !task->checks_fingerprint)
        return false;
    if (task->has_joined)
        return true;
    if (was_published && !task->was_again)
        return repeated;
    return answer->at_ms < task->arrived_ms;
}

static void tell_decision(struct task *task, const struct answer *answer, bool was_published,
                          bool repeated)
{
    struct metric_value *own = task->gateway->own;

    own[was_published ? G_ANSWERS_PUBLISHED : G_ANSWERS_LOOKED_UP].count++;
    if (task->checks_fingerprint &&
        memcmp(task->fingerprint, answer->fingerprint, FINGERPRINT_BYTES) != 0)
        reply_problem(task, code_status(CODE_KEY_REUSED), CODE_KEY_REUSED, NULL, NULL, 0);
    else
        task->awaited->decided(task, answer, is_repeated(task, answer, was_published, repeated));
}

static void waiters_tell(struct waiters *w, struct id id, struct span bytes, bool was_published,
                         bool repeated)
{
    struct list list;
    struct task *task;
    struct answer answer;
    enum err err;

    take_all(w, id, &list);
    if (list_is_empty(&list))
        return;
    err = answer_read(bytes, &answer);
    if (err)
        log_event(LOG_ERROR, "answer_unreadable", "why", err_name(err), NULL);
    while ((task = next_of(&list)) != NULL) {
        if (err)
            reply_problem(task, 500, CODE_INTERNAL, "The answer cannot be read", NULL, 0);
        else
            tell_decision(task, &answer, was_published, repeated);
    }
}

static enum err hear_one(struct waiters *w, struct value v)
{
    size_t count;
    struct span id_bytes, bytes;
    uint64_t repeated;
    struct id id;

    if (!value_is_array(v, &count) || count < 3 || !value_str(value_at(v, 0), &id_bytes) ||
        id_bytes.len != ID_BYTES || !value_uint(value_at(v, 1), &repeated) ||
        !value_str(value_at(v, 2), &bytes))
        return ERR_INPUT;
    memcpy(id.bytes, id_bytes.bytes, ID_BYTES);
    waiters_tell(w, id, bytes, true, repeated != 0);
    return ERR_NONE;
}

static enum err hear_all(struct waiters *w, struct value root)
{
    uint64_t partition;
    size_t count;
    struct value answers;

    if (!value_is_array(root, &count) || count < 2 || !value_uint(value_at(root, 0), &partition) ||
        partition > UINT32_MAX)
        return ERR_INPUT;
    answers = value_at(root, 1);
    if (!value_is_array(answers, &count))
        return ERR_INPUT;
    partitions_answered(w->gateway->partitions, (uint32_t)partition, count);
    for (size_t i = 0; i < count; i++)
        TRY(hear_one(w, value_at(answers, i)));
    return ERR_NONE;
}

void waiters_hear(struct waiters *w, struct span message)
{
    struct tree tree;
    enum err err = tree_read(&tree, message.bytes, message.len);

    if (!err)
        err = hear_all(w, tree_root(&tree));
    if (err)
        log_event(LOG_ERROR, "message_unreadable", "why", err_name(err), NULL);
    tree_free(&tree);
}

void waiters_entry_accepted(struct waiters *w, struct id id)
{
    struct list *bucket = bucket_of(w, id), list;
    struct task *task;

    list_init(&list);
    for (struct list *n = bucket->next, *next; n != bucket; n = next) {
        task = LIST_OWNER(n, struct task, node);
        next = n->next;
        if (task->tracing != NULL && id_equal(task->id, id))
            tracing_accepted(task);
        if (task->phase != WAIT_ACCEPTED || !id_equal(task->id, id))
            continue;
        waiters_forget(task);
        list_append(&list, &task->node);
    }
    while ((task = next_of(&list)) != NULL)
        task->awaited->undecided(task);
}

void waiters_entry_again(struct waiters *w, struct id id)
{
    struct list *bucket = bucket_of(w, id);

    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct task *task = LIST_OWNER(n, struct task, node);
        if (id_equal(task->id, id))
            task->was_again = true;
    }
}

void waiters_entry_refused(struct waiters *w, struct id id, const char *why)
{
    struct list list;
    struct task *task;

    take_all(w, id, &list);
    while ((task = next_of(&list)) != NULL) {
        /* Who asks for an earlier request of this id is not concerned: that one may be in line. */
        if (task->checks_fingerprint)
            reply_overloaded(task, why, 1);
        else
            task->awaited->undecided(task);
    }
}

/* The time of everybody who awaits this id in its last look is over. */
static void end_last_looks(struct waiters *w, struct id id)
{
    struct list *bucket = bucket_of(w, id), list;
    struct task *task;

    list_init(&list);
    for (struct list *n = bucket->next, *next; n != bucket; n = next) {
        task = LIST_OWNER(n, struct task, node);
        next = n->next;
        if (task->phase != WAIT_LAST_LOOK || !id_equal(task->id, id))
            continue;
        waiters_forget(task);
        list_append(&list, &task->node);
    }
    while ((task = next_of(&list)) != NULL)
        task->awaited->undecided(task);
}

static void look_give(struct look *look)
{
    if (--look->holders > 0)
        return;
    look->waiters->looks_under_way--;
    free(look);
}

static void on_looked(void *context, const struct redis_value *reply)
{
    struct look_part *part = context;
    struct look *look = part->look;
    bool known = reply != NULL && redis_count(*reply) == part->count;

    for (size_t i = 0; i < part->count; i++) {
        struct redis_value v = known ? redis_at(*reply, i) : (struct redis_value){NULL};
        if (known && redis_kind(v) == REDIS_STRING)
            waiters_tell(look->waiters, part->id[i], redis_text(v), false, false);
        else
            end_last_looks(look->waiters, part->id[i]);
    }
    look_give(look);
}

/* MGET of keys, or HMGET of one bucket's fields. If it cannot be sent, that is the same as nothing
 * found. */
static void part_send(struct look_part *part, bool may_send)
{
    struct look *look = part->look;
    struct key key[LOOK_IDS_MAX];
    struct span argv[LOOK_IDS_MAX + 2];
    struct redis_command command = {0, argv, on_looked, part};
    bool are_fields = key_answer_bucket(part->id[0]) != 0;

    argv[command.argc++] = are_fields ? SPAN("HMGET") : SPAN("MGET");
    for (size_t i = 0; i < part->count; i++) {
        if (i == 0 || !are_fields) {
            key[i] = key_answer(look->partition, part->id[i]);
            argv[command.argc++] = (struct span){key[i].text, key[i].len};
        }
        if (are_fields)
            argv[command.argc++] = (struct span){(const char *)part->id[i].bytes, ID_BYTES};
    }
    look->holders++;
    if (!may_send ||
        !redis_servers_command(look->waiters->gateway->redis, look->partition, &command))
        on_looked(part, NULL);
}

static int compare_buckets(const void *a, const void *b)
{
    uint64_t x = key_answer_bucket(*(const struct id *)a);
    uint64_t y = key_answer_bucket(*(const struct id *)b);

    return (x > y) - (x < y);
}

/* Send what is gathered: a command for each bucket, and one for all keys of one answer. */
static void look_send(struct waiters *w)
{
    struct look *look = w->look;

    w->look = NULL;
    if (look == NULL)
        return;
    w->looks_under_way++;
    bool may_send = w->looks_under_way <= LOOKS_UNDER_WAY_MAX;
    qsort(look->id, look->count, sizeof *look->id, compare_buckets);
    for (size_t i = 0, at = 0; i < look->count; i += look->part[at++].count) {
        struct look_part *part = &look->part[at];
        *part = (struct look_part){look, &look->id[i], 1};
        while (i + part->count < look->count &&
               compare_buckets(part->id, part->id + part->count) == 0)
            part->count++;
        part_send(part, may_send);
    }
    look_give(look);
}

static bool look_add(struct waiters *w, uint32_t partition, struct id id)
{
    /* A crowd that awaits one decision asks for it once. */
    if (w->look != NULL && id_equal(w->look->id[w->look->count - 1], id))
        return true;
    if (w->look != NULL && (w->look->count == LOOK_IDS_MAX || w->look->partition != partition))
        look_send(w);
    if (w->look == NULL) {
        w->look = malloc(sizeof *w->look);
        if (w->look == NULL)
            return false;
        w->look->waiters = w;
        w->look->partition = partition;
        w->look->count = 0;
        w->look->holders = 1;
    }
    w->look->id[w->look->count++] = id;
    return true;
}

static void ignore_reply(void *context, const struct redis_value *reply)
{
    (void)context;
    (void)reply;
}

void waiters_mark_queued(struct gateway *g, const struct task *task)
{
    struct key key = key_queued(task->partition, task->id);
    char deadline[24], ttl[24];
    int64_t left_ms = task->deadline_ms - clock_wall_ms() + ANSWER_SECONDS * 1000;
    struct span argv[5] = {SPAN("SET"), {key.text, key.len}, {NULL, 0}, SPAN("PX"), {NULL, 0}};

    snprintf(deadline, sizeof deadline, "%" PRId64, task->deadline_ms);
    snprintf(ttl, sizeof ttl, "%" PRId64, left_ms > 1000 ? left_ms : 1000);
    argv[2] = span_of(deadline);
    argv[4] = span_of(ttl);
    redis_servers_command(g->redis, task->partition,
                          &(struct redis_command){5, argv, ignore_reply, NULL});
}

static void begin_last_look(struct waiters *w, struct task *task)
{
    struct id id = task->id; /* a look that cannot be sent may end the task */

    task->phase = WAIT_LAST_LOOK;
    if (id_is_keyed(task->id) && task->checks_fingerprint)
        waiters_mark_queued(w->gateway, task); /* before the look: done when that is answered */
    if (!look_add(w, task->partition, id))
        end_last_looks(w, id);
}

static int64_t next_pause(const struct task *task)
{
    int64_t max_ms = task->checks_fingerprint ? LOOK_MS_MAX : LOOK_MS_MAX_UNTOLD;

    return task->look_ms * 2 < max_ms ? task->look_ms * 2 : max_ms;
}

static void work_off_slot(struct waiters *w, struct list *slot, int64_t now_us, size_t *looks)
{
    struct list due, *node;

    list_init(&due);
    list_move_all(&due, slot);
    while ((node = list_take_first(&due)) != NULL) {
        struct task *task = LIST_OWNER(node, struct task, due);
        if (task->wait_until_us <= now_us) {
            begin_last_look(w, task);
        } else if (task->phase == WAIT_DECIDED && *looks < LOOKS_PER_TICK) {
            (*looks)++;
            task->look_ms = next_pause(task);
            schedule(w, task, now_us, task->look_ms);
            look_add(w, task->partition, task->id);
        } else {
            schedule(w, task, now_us, task->look_ms / 4);
        }
    }
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct waiters *w = timer->data;
    int64_t now_us = clock_mono_us();
    uint64_t now = tick_now();
    size_t looks = 0;

    (void)loop;
    (void)events;
    for (size_t i = 0; w->tick < now && i < SLOTS; i++) {
        w->tick++;
        work_off_slot(w, &w->slot[w->tick % SLOTS], now_us, &looks);
    }
    w->tick = now;
    look_send(w);
}

void waiters_look_soon(struct waiters *w)
{
    int64_t now_us = clock_mono_us();

    for (size_t i = 0; i < w->buckets && w->count > 0; i++)
        for (struct list *n = w->bucket[i].next; n != &w->bucket[i]; n = n->next) {
            struct task *task = LIST_OWNER(n, struct task, node);
            if (task->phase != WAIT_DECIDED)
                continue;
            task->look_ms = LOOK_AGAIN_MS;
            schedule(w, task, now_us, 0);
        }
}

void waiters_end_all(struct waiters *w)
{
    int64_t now_us = clock_mono_us();

    for (size_t i = 0; i < w->buckets; i++)
        for (struct list *n = w->bucket[i].next; n != &w->bucket[i]; n = n->next) {
            struct task *task = LIST_OWNER(n, struct task, node);
            task->wait_until_us = now_us;
            if (task->phase != WAIT_LAST_LOOK)
                schedule(w, task, now_us, 0);
        }
}
