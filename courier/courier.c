#include "courier/courier.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/settlement.h"
#include "courier/notify.h"
#include "courier/outbox.h"
#include "courier/provider.h"
#include "courier/report.h"
#include "link/redis.h"
#include "trace/tracer.h"

#define RECONNECT_MS 500
#define SETTLE_FAILED_MS 1000 /* Redis or the stream is away: tell again after this */
#define ATTEMPTS_PER_ROUND 16 /* of telling a result under one id, then under another */
#define WAIT_MS_MAX 100       /* signals are seen */
#define BOTH_MS_MAX 5         /* while a provider and a subscriber are waited for */

struct courier {
    const struct options *options;
    struct postgres *postgres;
    struct redis *redis;
    struct provider provider;
    struct notify *notify;
    struct report *report;
    struct job job[JOBS_MAX];
    struct job claimed[JOBS_MAX];
    size_t under_way;
    int64_t look_us;    /* when to look into the outbox again */
    int64_t connect_us; /* … to try to connect */
    int64_t recover_us; /* … for stuck payments */
    bool was_connected;
};

/* Doubled with each attempt, within its bound. */
static int64_t pause_after(const struct courier *c, const struct job *job)
{
    int64_t pause_ms = c->options->again_ms;

    for (int64_t i = 1; i < job->attempts && pause_ms < c->options->again_ms_max; i++)
        pause_ms *= 2;
    return pause_ms < c->options->again_ms_max ? pause_ms : c->options->again_ms_max;
}

/* Whatever goes wrong here, the row comes back when its lease is over. */
static void note(enum err err, const char *what, const struct job *job, const char *why)
{
    char id[ID_TEXT_BYTES];

    if (!err)
        return;
    id_format(job->payment, id);
    log_event(LOG_WARN, "outbox_not_written", "payment", id, "what", what, "why", why, "trace",
              job->carried.trace, NULL);
}

static void postpone(struct courier *c, const struct job *job, enum job_kind kind,
                     const char *reference, int64_t pause_ms)
{
    note(outbox_postpone(c->postgres, job, kind, reference, pause_ms), "postpone", job,
         postgres_why(c->postgres));
}

static void drop(struct courier *c, const struct job *job)
{
    note(outbox_drop(c->postgres, job), "drop", job, postgres_why(c->postgres));
}

static enum err add_to_stream(struct courier *c, uint32_t partition, const struct request *request)
{
    struct key key = key_requests(partition);
    struct redis_reply *reply = NULL;
    struct buf entry;
    enum err err = ERR_MEMORY;

    buf_init(&entry, ENTRY_BYTES_MAX);
    pack_array(&entry, 1);
    request_pack(&entry, request);
    struct span argv[] = {SPAN("XADD"), {key.text, key.len}, SPAN("NOMKSTREAM"),
                          SPAN("*"),    SPAN("b"),           buf_span(&entry)};
    if (!entry.failed)
        err = redis_go_to(c->redis, partition);
    if (!err)
        err = redis_do(c->redis, sizeof argv / sizeof *argv, argv, &reply);
    if (!err && redis_kind_of(reply) != REDIS_STRING)
        err = ERR_UNAVAILABLE; /* the stream is missing: its allocator will make it */
    redis_reply_free(reply);
    buf_free(&entry);
    return err;
}

/* The row stays until the settlement is committed, which takes it away. */
static void settle(struct courier *c, const struct job *job, enum result result,
                   const struct verdict *verdict)
{
    struct request request = {.booking = job->booking,
                              .payment = job->payment,
                              .result = result,
                              .reference = span_of(verdict->reference),
                              .reason = span_of(verdict->reason),
                              .reply_to = span_of(job->reply_to),
                              .trace = span_of(job->carried.trace)};
    enum err err;

    settlement_name(&request, clock_wall_ms(), (uint32_t)(job->attempts / ATTEMPTS_PER_ROUND));
    err = add_to_stream(c, job->partition, &request);
    note(err, "settle", job, redis_why(c->redis));
    postpone(c, job, job->kind, "", err ? SETTLE_FAILED_MS : c->options->settle_ms);
}

static void on_charged(struct courier *c, const struct job *job, const struct verdict *verdict)
{
    switch (verdict->kind) {
    case VERDICT_SUCCEEDED:
        settle(c, job, RESULT_SUCCEEDED, verdict);
        return;
    case VERDICT_FAILED:
        settle(c, job, RESULT_FAILED, verdict);
        return;
    case VERDICT_WORKING:
        postpone(c, job, JOB_ASK, verdict->reference, c->options->again_ms);
        return;
    case VERDICT_ABSENT:
    case VERDICT_UNKNOWN:
        postpone(c, job, JOB_CHARGE, "", pause_after(c, job));
        return;
    }
}

/* Nobody can say what became of it. Its places are not held for ever; the money is looked for. */
static void on_nothing_known(struct courier *c, const struct job *job)
{
    struct verdict verdict = {.kind = VERDICT_UNKNOWN, .reason = "no_answer"};

    if (job->is_pending && job->age_ms > c->options->stuck_ms)
        settle(c, job, RESULT_GIVEN_UP, &verdict);
    else if (!job->is_pending && job->age_ms > c->options->check_ms)
        drop(c, job);
    else
        postpone(c, job, JOB_ASK, "", pause_after(c, job));
}

static void on_asked(struct courier *c, const struct job *job, const struct verdict *verdict)
{
    switch (verdict->kind) {
    case VERDICT_SUCCEEDED:
        settle(c, job, RESULT_SUCCEEDED, verdict);
        return;
    case VERDICT_FAILED:
        if (job->is_pending)
            settle(c, job, RESULT_FAILED, verdict);
        else
            drop(c, job);
        return;
    case VERDICT_WORKING:
    case VERDICT_ABSENT:
    case VERDICT_UNKNOWN:
        on_nothing_known(c, job);
        return;
    }
}

static void on_refunded(struct courier *c, const struct job *job, const struct verdict *verdict)
{
    enum err err;

    if (verdict->kind == VERDICT_SUCCEEDED || verdict->kind == VERDICT_FAILED)
        err = outbox_refunded(c->postgres, job, verdict->kind == VERDICT_SUCCEEDED, verdict);
    else
        err = outbox_postpone_refund(c->postgres, job, verdict->reference, pause_after(c, job));
    note(err, "refund", job, postgres_why(c->postgres));
}

static void say(const struct job *job, const struct verdict *verdict)
{
    bool is_good = verdict->kind == VERDICT_SUCCEEDED || verdict->kind == VERDICT_WORKING;
    bool is_lost = job->kind == JOB_REFUND && verdict->kind == VERDICT_FAILED;
    char id[ID_TEXT_BYTES];

    id_format(job->payment, id);
    log_event(is_lost   ? LOG_ERROR
              : is_good ? LOG_DEBUG
                        : LOG_INFO,
              "provider_said", "kind", job_kind_word(job->kind), "payment", id, "verdict",
              verdict_word(verdict->kind), "reason", verdict->reason, "attempt",
              log_i64(job->attempts), "trace", job->carried.trace, NULL);
}

static void trace(const struct courier *c, const struct job *job, const struct verdict *verdict)
{
    struct trace_record span = {.name = job_kind_word(job->kind),
                                .is_error = verdict->kind == VERDICT_UNKNOWN};
    char payment[ID_TEXT_BYTES];

    id_format(job->payment, payment);
    trace_put_text(&span, "usher.payment", span_of(payment));
    trace_put_text(&span, "usher.provider", span_of(c->options->provider));
    trace_put_text(&span, "usher.verdict", span_of(verdict_word(verdict->kind)));
    trace_put_text(&span, "usher.reason", span_of(verdict->reason));
    trace_put_number(&span, "usher.attempt", job->attempts);
    carried_end(&job->carried, &span);
}

static void on_done(void *context, struct job *job, const struct verdict *verdict)
{
    struct courier *c = context;

    say(job, verdict);
    report_answer(c->report, job->kind, verdict->kind, clock_mono_us() - job->began_us);
    trace(c, job, verdict);
    switch (job->kind) {
    case JOB_CHARGE:
        on_charged(c, job, verdict);
        break;
    case JOB_ASK:
        on_asked(c, job, verdict);
        break;
    case JOB_REFUND:
        on_refunded(c, job, verdict);
        break;
    case JOB_KINDS_COUNT:
        break;
    }
    job->is_taken = false;
    c->under_way--;
    c->look_us = 0;
}

/* What needs no provider: what was settled meanwhile, and what was cancelled before anybody asked
 * for money. */
static bool is_settled_already(struct courier *c, const struct job *job)
{
    struct verdict cancelled = {.kind = VERDICT_FAILED, .reason = "booking_cancelled"};

    if (job->kind == JOB_CHARGE && job->is_cancelled && job->attempts == 1) {
        settle(c, job, RESULT_FAILED, &cancelled);
        return true;
    }
    if (job->kind == JOB_ASK && job->is_succeeded) {
        drop(c, job);
        return true;
    }
    return false;
}

static void begin(struct courier *c, const struct job *claimed)
{
    size_t at = 0;

    while (c->job[at].is_taken)
        at++;
    assert(at < JOBS_MAX);
    c->job[at] = *claimed;
    c->job[at].began_us = clock_mono_us();
    c->under_way++;
    c->provider.begin(c->provider.self, &c->job[at]);
}

/* A gateway heard from the provider (gateway/webhook.c): what it says there is not believed, but
 * asked for. Whatever is lost here is asked for in its time. */
static enum err hear(struct courier *c)
{
    char text[ID_TEXT_BYTES];
    struct id refund;

    while (postgres_notified(c->postgres, text, sizeof text))
        if (id_parse(span_of(text), &refund) == ERR_NONE)
            TRY(outbox_hasten_refund(c->postgres, refund));
    return ERR_NONE;
}

static enum err look(struct courier *c)
{
    size_t free = (size_t)c->options->jobs_max - c->under_way, count = 0;
    int64_t now_us = clock_mono_us();

    if (free == 0 || now_us < c->look_us)
        return ERR_NONE;
    TRY(outbox_claim(c->postgres, c->options->name, free, c->options->lease_ms, c->claimed,
                     &count));
    TRY(hear(c));
    c->look_us = count == 0 ? now_us + c->options->poll_ms * 1000 : 0;
    for (size_t i = 0; i < count; i++)
        if (!is_settled_already(c, &c->claimed[i]))
            begin(c, &c->claimed[i]);
    return ERR_NONE;
}

static enum err recover(struct courier *c)
{
    int64_t now_us = clock_mono_us(), count = 0;

    if (now_us < c->recover_us)
        return ERR_NONE;
    TRY(outbox_recover(c->postgres, c->options->stuck_ms, &count));
    c->recover_us = now_us + c->options->recovery_ms * 1000;
    if (count > 0)
        log_event(LOG_WARN, "payments_stuck", "count", log_i64(count), NULL);
    return ERR_NONE;
}

static enum err open_postgres(struct courier *c)
{
    TRY(postgres_connect(c->postgres));
    return postgres_run(c->postgres, "LISTEN " REFUND_NEWS);
}

/* Both or neither: a payment whose result cannot be told is better not begun. */
static bool connect_both(struct courier *c)
{
    bool connected = postgres_is_connected(c->postgres) && redis_is_connected(c->redis);
    int64_t now_us = clock_mono_us();

    if (connected || now_us < c->connect_us)
        return connected;
    c->connect_us = now_us + RECONNECT_MS * 1000;
    connected = (postgres_is_connected(c->postgres) || !open_postgres(c)) &&
                (redis_is_connected(c->redis) || !redis_connect(c->redis));
    if (connected || c->was_connected) {
        bool postgres = postgres_is_connected(c->postgres);
        log_event(connected ? LOG_INFO : LOG_WARN, connected ? "connected" : "not_connected", "why",
                  connected  ? "-"
                  : postgres ? redis_why(c->redis)
                             : postgres_why(c->postgres),
                  NULL);
    }
    c->was_connected = connected;
    return connected;
}

/* Two things to wait for, each with sockets of its own: the one that is at work; in turns if both.
 */
static void wait(struct courier *c, int64_t ms)
{
    bool notifies = notify_under_way(c->notify) > 0;

    if (notifies && c->under_way > 0 && ms > BOTH_MS_MAX)
        ms = BOTH_MS_MAX;
    notify_wait(c->notify, c->under_way > 0 ? 0 : ms);
    c->provider.wait(c->provider.self, notifies && c->under_way == 0 ? 0 : ms);
}

static void turn(struct courier *c, bool stopping)
{
    int64_t wait_ms = WAIT_MS_MAX;

    if (connect_both(c)) {
        report_send(c->report, c->under_way, notify_under_way(c->notify));
        enum err err = stopping ? ERR_NONE : recover(c);
        if (!err && !stopping)
            err = look(c);
        if (!err && !stopping)
            err = notify_look(c->notify);
        if (err) {
            log_event(LOG_WARN, "outbox_unreadable", "why", postgres_why(c->postgres), NULL);
            c->look_us = clock_mono_us() + RECONNECT_MS * 1000;
        }
        int64_t until_ms = (c->look_us - clock_mono_us()) / 1000;
        if (!stopping && c->under_way < (size_t)c->options->jobs_max && until_ms < wait_ms)
            wait_ms = until_ms > 0 ? until_ms : 0;
    }
    tracer_keep();
    wait(c, wait_ms);
}

void courier_run(const struct options *options, const volatile sig_atomic_t *stop)
{
    struct courier *c = calloc(1, sizeof *c);

    assert(c != NULL);
    c->options = options;
    c->postgres = postgres_new(options->postgres, options->name, options->postgres_ms);
    c->redis = redis_new(&options->redis_url, options->redis_ms);
    c->was_connected = true; /* so that the first failure is told */
    c->provider = strcmp(options->provider, "http") == 0 ? stripe_new(options, on_done, c)
                                                         : simulated_new(options, on_done, c);
    c->report = report_new(options);
    c->notify = notify_new(options, c->postgres, c->report);
    log_event(LOG_INFO, "courier_began", "provider", options->provider, NULL);
    while (!*stop)
        turn(c, false);
    int64_t end_us = clock_mono_us() + options->provider_ms * 1000;
    while (c->under_way + notify_under_way(c->notify) > 0 && clock_mono_us() < end_us)
        turn(c, true);
    notify_free(c->notify);
    report_free(c->report);
    c->provider.free(c->provider.self);
    redis_free(c->redis);
    postgres_free(c->postgres);
    free(c);
}
