#include "gateway/partitions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "base/clock.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"
#include "gateway/redis_servers.h"

#define ASK_MS 250
#define LIST_EVERY 20      /* times ASK_MS: ask Postgres which partitions there are */
#define BACKLOG_ALWAYS 512 /* so few are never too many, whatever the rate seems to be */
#define RETRY_SECONDS_MAX 60
#define SAY_FULL_MS 1000

struct partitions {
    struct gateway *gateway;
    size_t count;
    struct partition *partition[PARTITIONS_MAX]; /* owned */
    ev_timer timer;
    unsigned turn;
    bool is_listing, is_known;
};

static const struct statement list_partitions = {"list_partitions",
                                                 "SELECT partition, dsn FROM partitions"};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events);

struct partitions *partitions_new(struct gateway *gateway)
{
    struct partitions *p = calloc(1, sizeof *p);

    assert(p != NULL);
    p->gateway = gateway;
    ev_timer_init(&p->timer, on_timer, 0, ASK_MS / 1000.0);
    p->timer.data = p;
    return p;
}

void partitions_begin(struct partitions *p)
{
    ev_timer_start(p->gateway->loop, &p->timer);
}

void partitions_free(struct partitions *p)
{
    ev_timer_stop(p->gateway->loop, &p->timer);
    for (size_t i = 0; i < p->count; i++)
        free(p->partition[i]);
    free(p);
}

static struct partition *find(const struct partitions *p, uint32_t number)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->partition[i]->number == number)
            return p->partition[i];
    return NULL;
}

static void forget_report(struct partition *one)
{
    one->has_report = one->has_metrics = false;
    one->allocator[0] = one->state[0] = '\0';
    one->epoch = one->version = 0;
    one->rate = 0;
    one->oldest_ms = 0;
    one->hot_show = one->hot_permille = 0;
}

struct partition *partitions_note(struct partitions *p, uint32_t number)
{
    struct partition *one = find(p, number);

    if (one != NULL || p->count == PARTITIONS_MAX)
        return one;
    one = calloc(1, sizeof *one);
    if (one == NULL)
        return NULL;
    one->number = number;
    one->database = databases_home(p->gateway->databases);
    one->has_stream = true; /* until Redis says otherwise */
    one->requests_per_entry = 1;
    p->partition[p->count++] = one;
    p->turn = 0; /* ask soon where it is */
    return one;
}

const struct partition *partitions_find(const struct partitions *p, uint32_t number)
{
    return find(p, number);
}

struct database *partitions_database(const struct partitions *p, uint32_t number)
{
    const struct partition *one = find(p, number);

    return one != NULL ? one->database : databases_home(p->gateway->databases);
}

uint32_t partitions_lowest(const struct partitions *p, const struct database *database)
{
    uint32_t lowest = 0;

    for (size_t i = 0; i < p->count; i++)
        if (p->partition[i]->database == database &&
            (lowest == 0 || p->partition[i]->number < lowest))
            lowest = p->partition[i]->number;
    return lowest;
}

const struct partition *partitions_at(const struct partitions *p, size_t index)
{
    return index < p->count ? p->partition[index] : NULL;
}

bool partitions_are_known(const struct partitions *p)
{
    return p->is_known;
}

bool partition_is_serving(const struct partition *one)
{
    return one->has_report && one->has_stream && strcmp(one->state, "serving") == 0;
}

static void take_word(struct span text, char *word, size_t size)
{
    size_t n = text.len < size - 1 ? text.len : size - 1;

    memcpy(word, text.bytes, n);
    word[n] = '\0';
}

static uint64_t take_number(struct span text)
{
    uint64_t n;

    return text_u64(text, UINT64_MAX, &n) ? n : 0;
}

static void take_field(struct partition *one, struct span name, struct span text)
{
    if (span_is(name, "allocator"))
        take_word(text, one->allocator, sizeof one->allocator);
    else if (span_is(name, "state"))
        take_word(text, one->state, sizeof one->state);
    else if (span_is(name, "epoch"))
        one->epoch = take_number(text);
    else if (span_is(name, "version"))
        one->version = take_number(text);
    else if (span_is(name, "at_ms"))
        one->report_at_ms = (int64_t)take_number(text);
    else if (span_is(name, "rate"))
        one->rate = (double)take_number(text);
    else if (span_is(name, "per_entry_milli"))
        one->requests_per_entry = (double)take_number(text) / 1000;
    else if (span_is(name, "oldest_ms"))
        one->oldest_ms = (int64_t)take_number(text);
    else if (span_is(name, "hot_show"))
        one->hot_show = (uint32_t)take_number(text);
    else if (span_is(name, "hot_permille"))
        one->hot_permille = (unsigned)take_number(text);
    else if (span_is(name, "metrics"))
        one->has_metrics = !metrics_read(text, one->metrics, ALLOCATOR_METRICS_COUNT);
}

static void on_report(void *context, const struct redis_value *reply)
{
    struct partition *one = context;

    if (reply == NULL || redis_kind(*reply) != REDIS_ARRAY) {
        forget_report(one);
        return;
    }
    size_t count = redis_count(*reply);
    if (count == 0)
        forget_report(one);
    else
        one->has_report = true;
    for (size_t i = 0; i + 1 < count; i += 2)
        take_field(one, redis_text(redis_at(*reply, i)), redis_text(redis_at(*reply, i + 1)));
    if (one->requests_per_entry < 1)
        one->requests_per_entry = 1;
}

static void on_length(void *context, const struct redis_value *reply)
{
    struct partition *one = context;

    one->is_asked = false;
    if (reply == NULL || redis_kind(*reply) != REDIS_INTEGER)
        return;
    one->backlog_entries = (uint64_t)redis_integer(*reply);
}

/* XLEN says 0 for a stream that is missing, too. */
static void on_type(void *context, const struct redis_value *reply)
{
    struct partition *one = context;

    if (reply != NULL && redis_kind(*reply) == REDIS_STATUS)
        one->has_stream = span_is(redis_text(*reply), "stream");
}

static bool ask_one(struct partitions *p, struct partition *one, const char *verb, struct key key,
                    void (*done)(void *, const struct redis_value *))
{
    struct span argv[] = {span_of(verb), {key.text, key.len}};

    return redis_servers_command(p->gateway->redis, one->number,
                                 &(struct redis_command){2, argv, done, one});
}

static void ask(struct partitions *p, struct partition *one)
{
    if (one->is_asked || !redis_servers_are_ready(p->gateway->redis))
        return;
    one->sent_then = one->sent;
    one->answered_then = one->answered;
    one->is_asked = ask_one(p, one, "HGETALL", key_status(one->number), on_report) &&
                    ask_one(p, one, "TYPE", key_requests(one->number), on_type) &&
                    ask_one(p, one, "XLEN", key_requests(one->number), on_length);
}

static bool is_named(void *context, const struct database *database)
{
    return partitions_lowest(context, database) != 0;
}

static void note_row(struct partitions *p, const struct postgres_rows *rows, size_t row)
{
    struct partition *one = partitions_note(p, (uint32_t)rows_i64(rows, row, 0));
    struct database *database = databases_named(p->gateway->databases, rows_text(rows, row, 1));

    if (one == NULL)
        log_event(LOG_ERROR, "too_many_partitions", NULL);
    else if (database != NULL)
        one->database = database;
}

static void on_list(void *context, enum err err, const struct postgres_rows *rows)
{
    struct partitions *p = context;

    p->is_listing = false;
    if (err)
        return;
    p->is_known = true;
    for (size_t i = 0; i < rows_count(rows); i++)
        note_row(p, rows, i);
    databases_keep(p->gateway->databases, is_named, p);
}

static void list(struct partitions *p)
{
    struct postgres_query query = {.statement = &list_partitions, .done = on_list, .context = p};

    if (!p->is_listing)
        p->is_listing = database_query(databases_home(p->gateway->databases), &query);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct partitions *p = timer->data;

    (void)loop;
    (void)events;
    if (p->turn++ % LIST_EVERY == 0 || !p->is_known)
        list(p);
    for (size_t i = 0; i < p->count; i++)
        ask(p, p->partition[i]);
}

void partitions_estimate(const struct partition *one, uint64_t *position, int64_t *wait_ms)
{
    /* What this worker has sent since the stream was asked stands behind what was there, less what
     * it got answered meanwhile. */
    uint64_t sent = one->sent - one->sent_then, answered = one->answered - one->answered_then;
    double in_line = (double)one->backlog_entries * one->requests_per_entry;

    if (sent > answered)
        in_line += (double)(sent - answered);
    else
        in_line = in_line > (double)(answered - sent) ? in_line - (double)(answered - sent) : 0;
    *position = (uint64_t)in_line + 1;
    *wait_ms = one->rate > 0 ? (int64_t)(in_line * 1000 / one->rate) : 0;
}

static void say_full(struct partition *one, uint64_t position, int64_t wait_ms)
{
    int64_t now_us = clock_mono_us();

    if (one->full_said_us != 0 && now_us - one->full_said_us < SAY_FULL_MS * 1000)
        return;
    one->full_said_us = now_us;
    log_event(LOG_WARN, "queue_full", "partition", log_u64(one->number), "requests",
              log_u64(position), "wait_ms", log_i64(wait_ms), NULL);
}

unsigned partitions_refuse(const struct partitions *p, struct partition *one)
{
    const struct gateway_options *o = p->gateway->options;
    uint64_t position;
    int64_t wait_ms, over_ms = 0;

    partitions_estimate(one, &position, &wait_ms);
    if (position > (uint64_t)o->backlog_requests_max)
        over_ms = 1000;
    else if (position > BACKLOG_ALWAYS && wait_ms > o->queue_wait_ms_max)
        over_ms = wait_ms - o->queue_wait_ms_max;
    if (over_ms == 0)
        return 0;
    say_full(one, position, wait_ms);
    /* Spread, so that those who were refused together do not come back together. */
    int64_t seconds = 1 + over_ms / 1000 + (int64_t)(random_u64() % 3);
    return (unsigned)(seconds < RETRY_SECONDS_MAX ? seconds : RETRY_SECONDS_MAX);
}

void partitions_sent(struct partition *one, size_t requests)
{
    one->sent += requests;
}

void partitions_answered(struct partitions *p, uint32_t number, size_t requests)
{
    struct partition *one = find(p, number);

    if (one != NULL)
        one->answered += requests;
}
