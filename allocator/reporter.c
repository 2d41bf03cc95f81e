#include "allocator/reporter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
}

void reporter_count(struct reporter *r, const struct batch *batch, int64_t turn_us)
{
    for (int code = 0; code < CODES_END; code++)
        r->metrics[AM_DECISIONS + code].count += batch->outcomes[code];
    r->metrics[AM_REPEATED].count += batch->repeated;
    r->metrics[AM_EXPIRED].count += batch->expired;
    r->metrics[AM_BATCHES].count++;
    r->metrics[AM_BATCH_REQUESTS].count = batch->count;
    r->metrics[AM_VERSION].count = batch->version;
    r->oldest_ms = batch->oldest_ms > 0 ? batch->now_ms - batch->oldest_ms : 0;
    /* A turn with few requests says little about how many it could have had. */
    if (batch->count >= FULL_TURN_REQUESTS && turn_us > 0)
        r->rate = 0.8 * r->rate + 0.2 * (double)batch->count * 1e6 / (double)turn_us;
}

enum err reporter_send(struct reporter *r, const struct tenure *t, enum allocator_state state,
                       int64_t now_ms)
{
    char epoch[24], version[24], at[24], rate[24], per_entry[24], oldest[24];
    struct buf metrics;

    buf_init(&metrics, METRICS_BYTES_MAX);
    r->metrics[AM_EPOCH].count = t->epoch;
    metrics_write(&metrics, r->metrics, ALLOCATOR_METRICS_COUNT);
    snprintf(epoch, sizeof epoch, "%" PRIu64, t->epoch);
    snprintf(version, sizeof version, "%" PRIu64, t->version);
    snprintf(at, sizeof at, "%" PRId64, now_ms);
    snprintf(rate, sizeof rate, "%.0f", r->rate);
    snprintf(per_entry, sizeof per_entry, "%" PRIu64, r->per_entry_milli);
    snprintf(oldest, sizeof oldest, "%" PRId64, r->oldest_ms);
    struct span fields[] = {
        SPAN("allocator"),       span_of(r->name),   SPAN("state"),     span_of(state_names[state]),
        SPAN("epoch"),           span_of(epoch),     SPAN("version"),   span_of(version),
        SPAN("at_ms"),           span_of(at),        SPAN("rate"),      span_of(rate),
        SPAN("per_entry_milli"), span_of(per_entry), SPAN("oldest_ms"), span_of(oldest),
        SPAN("metrics"),         buf_span(&metrics),
    };

    enum err err = decider_report_send(r->decider, t, sizeof fields / sizeof *fields, fields);
    buf_free(&metrics);
    TRY(err);
    return redis_flush(r->decider->redis);
}
