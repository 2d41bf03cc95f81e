#include "courier/report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/courier_report.h"
#include "base/log.h"
#include "base/process.h"
#include "base/program_report.h"
#include "base/random.h"
#include "link/redis.h"
#include "trace/tracer.h"

#define REPORT_BYTES_MAX 16384
#define REPORT_REDIS_MS 500 /* longest wait: payments go on meanwhile, but not here */
#define AGAIN_MS 5000       /* after a failure */
#define OWN_DIGITS 8

_Static_assert((int)JOB_KINDS_COUNT == (int)COURIER_CALLS_COUNT, "every job is a call");
_Static_assert((int)JOB_REFUND == (int)COURIER_CALL_REFUND, "in the same order");
_Static_assert((int)VERDICT_UNKNOWN == (int)COURIER_VERDICT_UNKNOWN, "in the same order");
_Static_assert((int)DELIVERY_MAIL == (int)COURIER_MAIL, "in the same order");

struct report {
    struct redis *redis;
    char
        name[PROGRAM_NAME_BYTES_MAX + 1]; /* the courier's, a dot, and which process of that name */
    struct metric_value metrics[COURIER_METRICS_COUNT];
    int64_t next_us;
    bool is_failing;
};

struct report *report_new(const struct options *options)
{
    struct report *r = calloc(1, sizeof *r);
    int64_t patience_ms = options->redis_ms < REPORT_REDIS_MS ? options->redis_ms : REPORT_REDIS_MS;
    char own[OWN_DIGITS + 1];

    assert(r != NULL);
    r->redis = redis_new(&options->redis_url, patience_ms);
    random_hex(own, OWN_DIGITS);
    snprintf(r->name, sizeof r->name, "%.*s.%s", PROGRAM_NAME_BYTES_MAX - OWN_DIGITS - 1,
             options->name, own);
    return r;
}

void report_free(struct report *r)
{
    redis_free(r->redis);
    free(r);
}

void report_answer(struct report *r, enum job_kind call, enum verdict_kind verdict, int64_t us)
{
    metric_observe_us(&r->metrics[CM_PROVIDER + (int)call], us > 0 ? (uint64_t)us : 0);
    r->metrics[courier_answer_row((enum courier_call)call, (enum courier_verdict)verdict)].count++;
}

void report_delivery(struct report *r, enum delivery_kind kind, const struct attempt *attempt,
                     int64_t us)
{
    enum delivery_result result = attempt->is_done        ? DELIVERY_DELIVERED
                                  : attempt->pause_ms < 0 ? DELIVERY_GIVEN_UP
                                                          : DELIVERY_FAILED;

    metric_observe_us(&r->metrics[CM_DELIVERY + (int)kind], us > 0 ? (uint64_t)us : 0);
    r->metrics[courier_delivery_row((enum courier_delivery)kind, result)].count++;
}

static enum err send(struct report *r)
{
    struct program_report report;
    struct buf text;
    enum err err = ERR_MEMORY;

    buf_init(&text, REPORT_BYTES_MAX);
    metrics_write(&text, r->metrics, COURIER_METRICS_COUNT);
    program_report_make(&report, PROGRAM_COURIER, r->name, buf_span(&text));
    if (!text.failed)
        err = redis_is_connected(r->redis) ? ERR_NONE : redis_connect(r->redis);
    if (!err)
        err = redis_go_to(r->redis, 1); /* where reports lie (base/keys.h) */
    for (size_t i = 0; !err && i < PROGRAM_REPORT_COMMANDS; i++) {
        struct redis_reply *reply = NULL;
        err = redis_do(r->redis, report.command[i].argc, report.command[i].argv, &reply);
        redis_reply_free(reply);
    }
    buf_free(&text);
    return err;
}

void report_send(struct report *r, size_t payments, size_t deliveries)
{
    int64_t now_us = clock_mono_us();

    if (now_us < r->next_us)
        return;
    r->metrics[CM_UNDER_WAY_PAYMENTS].count = payments;
    r->metrics[CM_UNDER_WAY_DELIVERIES].count = deliveries;
    r->metrics[CM_CPU].sum_us = process_cpu_us();
    r->metrics[CM_RESIDENT].count = process_resident_bytes();
    r->metrics[CM_SPANS_EXPORTED].count = tracer_counted(TRACER_EXPORTED);
    r->metrics[CM_SPANS_FULL].count = tracer_counted(TRACER_DROPPED_FULL);
    r->metrics[CM_SPANS_COLLECTOR].count = tracer_counted(TRACER_DROPPED_COLLECTOR);
    bool failed = send(r) != ERR_NONE;
    if (failed && !r->is_failing)
        log_event(LOG_INFO, "not_reported", "why", redis_why(r->redis), NULL);
    r->is_failing = failed;
    r->next_us = clock_mono_us() + (failed ? AGAIN_MS : PROGRAM_REPORT_MS) * (int64_t)1000;
}
