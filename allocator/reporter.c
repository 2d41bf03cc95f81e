#include "allocator/reporter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/process.h"
#include "trace/tracer.h"

/* Until full turns have been seen: a careful guess. */
#define RATE_AT_FIRST 5000.0
#define FULL_TURN_REQUESTS 64
#define METRICS_BYTES_MAX 16384

static const char *const state_names[] = {
#define X(name, text) [ALLOCATOR_##name] = text,
    ALLOCATOR_STATES(X)
#undef X
};

void reporter_init(struct reporter *r, struct decider *decider, const char *name)
{
    memset(r, 0, sizeof *r);
    r->decider = decider;
    r->name = name;
    r->rate = RATE_AT_FIRST;
    r->faded_us = clock_mono_us();
}

static void count_payments(struct reporter *r, const struct batch *batch)
{
    static const enum allocator_metric rows[] = {[RESULT_SUCCEEDED] = AM_PAYMENT_SUCCEEDED,
                                                 [RESULT_FAILED] = AM_PAYMENT_FAILED,
                                                 [RESULT_GIVEN_UP] = AM_PAYMENT_GIVEN_UP};
    int64_t took_ms;

    for (size_t i = 0; i < batch->payments; i++) {
        const struct paid *paid = &batch->payment[i];
        if (paid->result == 0)
            payment_clock_begin(&r->payments, paid->payment, batch->now_ms);
        else if (payment_clock_end(&r->payments, paid->payment, batch->now_ms, &took_ms))
            metric_observe_us(&r->metrics[rows[paid->result]], (uint64_t)took_ms * 1000);
    }
}

/* Requests for one show mostly come one after another. */
static void count_shows(struct reporter *r, const struct batch *batch)
{
    uint32_t run = 0;

    for (size_t i = 0; i < batch->count; i++) {
        run++;
        if (i + 1 < batch->count && batch->request[i + 1].show == batch->request[i].show)
            continue;
        hot_shows_count(&r->hot, batch->request[i].show, run);
        run = 0;
    }
}

void reporter_count(struct reporter *r, const struct batch *batch, int64_t turn_us, bool overlapped)
{
    for (int code = 0; code < CODES_END; code++)
        r->metrics[AM_DECISIONS + code].count += batch->outcomes[code];
    r->metrics[AM_REPEATED].count += batch->repeated;
    r->metrics[AM_EXPIRED].count += batch->expired;
    r->metrics[AM_BATCHES].count++;
    r->metrics[AM_BATCH_REQUESTS].count = batch->count;
    r->metrics[AM_VERSION].count = batch->version;
    r->oldest_ms = batch->oldest_ms > 0 ? batch->now_ms - batch->oldest_ms : 0;
    count_payments(r, batch);
    count_shows(r, batch);
    if (overlapped)
        capacity_turn(&r->capacity, (uint32_t)batch->count, turn_us);
    /* A turn with few requests says little about how many it could have had. */
    if (batch->count >= FULL_TURN_REQUESTS && turn_us > 0)
        r->rate = 0.8 * r->rate + 0.2 * (double)batch->count * 1e6 / (double)turn_us;
}

/* What is only looked at when it is told. */
static void measure(struct reporter *r)
{
    int64_t now_us = clock_mono_us();

    hot_shows_fade(&r->hot, (now_us - r->faded_us) / 1000);
    r->faded_us = now_us;
    r->metrics[AM_CAPACITY].count = (uint64_t)capacity_estimate(&r->capacity);
    r->metrics[AM_CPU].sum_us = process_cpu_us();
    r->metrics[AM_RESIDENT].count = process_resident_bytes();
}

enum err reporter_send(struct reporter *r, const struct tenure *t, enum allocator_state state,
                       int64_t now_ms)
{
    char epoch[24], version[24], at[24], rate[24], per_entry[24], oldest[24];
    char hot_show[24], hot_permille[24];
    unsigned permille = 0;
    uint32_t hot = hot_shows_first(&r->hot, &permille);
    struct buf metrics;

    measure(r);
    buf_init(&metrics, METRICS_BYTES_MAX);
    r->metrics[AM_EPOCH].count = t->epoch;
    r->metrics[AM_SPANS_EXPORTED].count = tracer_counted(TRACER_EXPORTED);
    r->metrics[AM_SPANS_FULL].count = tracer_counted(TRACER_DROPPED_FULL);
    r->metrics[AM_SPANS_COLLECTOR].count = tracer_counted(TRACER_DROPPED_COLLECTOR);
    metrics_write(&metrics, r->metrics, ALLOCATOR_METRICS_COUNT);
    snprintf(epoch, sizeof epoch, "%" PRIu64, t->epoch);
    snprintf(version, sizeof version, "%" PRIu64, t->version);
    snprintf(at, sizeof at, "%" PRId64, now_ms);
    snprintf(rate, sizeof rate, "%.0f", r->rate);
    snprintf(per_entry, sizeof per_entry, "%" PRIu64, r->per_entry_milli);
    snprintf(oldest, sizeof oldest, "%" PRId64, r->oldest_ms);
    snprintf(hot_show, sizeof hot_show, "%" PRIu32, hot);
    snprintf(hot_permille, sizeof hot_permille, "%u", permille);
    struct span fields[] = {
        SPAN("allocator"),
        span_of(r->name),
        SPAN("state"),
        span_of(state_names[state]),
        SPAN("epoch"),
        span_of(epoch),
        SPAN("version"),
        span_of(version),
        SPAN("at_ms"),
        span_of(at),
        SPAN("rate"),
        span_of(rate),
        SPAN("per_entry_milli"),
        span_of(per_entry),
        SPAN("oldest_ms"),
        span_of(oldest),
        SPAN("hot_show"),
        span_of(hot_show),
        SPAN("hot_permille"),
        span_of(hot_permille),
        SPAN("metrics"),
        buf_span(&metrics),
    };

    enum err err = decider_report_send(r->decider, t, sizeof fields / sizeof *fields, fields);
    buf_free(&metrics);
    TRY(err);
    return redis_flush(r->decider->redis);
}
