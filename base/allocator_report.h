/*
 * What an allocator reports of itself, in the hash key_status of its partition, about once a
 * second and at every change of state; the key expires ALLOCATOR_REPORT_SECONDS after the last.
 * Gateways read it for backpressure, readiness and /metrics, usherctl for status.
 *
 *   fields: allocator, state, epoch, version, at_ms, rate, per_entry_milli, oldest_ms, hot_show,
 *           hot_permille, metrics
 *
 * `rate` is what turns of the present size decide a second: how fast a queue goes down. What the
 * allocator could decide at most is the metric usher_partition_capacity. `hot_show` is the show
 * that most requests were for lately, with so many of a thousand; 0: there were hardly any.
 *
 * Fields and states that a reader does not know are passed over (the partition is not serving
 * then); metrics of another version, which has other rows, are left out until both have the same.
 */
#ifndef USHER_BASE_ALLOCATOR_REPORT_H
#define USHER_BASE_ALLOCATOR_REPORT_H

#include "metrics.h"
#include "model.h"

#define ALLOCATOR_REPORT_SECONDS 10

/* The states that the field `state` may name. */
#define ALLOCATOR_STATES(X)                                                                        \
    X(SERVING, "serving")                                                                          \
    X(REBUILDING, "rebuilding")                                                                    \
    X(WAITING_POSTGRES, "waiting_postgres")                                                        \
    X(WAITING_REDIS, "waiting_redis")

/*
 * The field `metrics`: metrics_write of allocator_metric_rows, in this order: one row of
 * usher_decisions_total per code of model.h, then the others. Readers add the label `partition`.
 */
enum allocator_metric {
    AM_DECISIONS = 0, /* + enum code */
    AM_REPEATED = CODES_END,
    AM_EXPIRED,
    AM_UNCOUNTED,
    AM_BATCHES,
    AM_REBUILDS,
    AM_TAKEOVERS,
    AM_REDIS_RECONNECTS,
    AM_POSTGRES_RECONNECTS,
    AM_EPOCH,             /* gauge */
    AM_VERSION,           /* gauge */
    AM_BACKLOG_ENTRIES,   /* gauge */
    AM_BATCH_REQUESTS,    /* gauge: size of the last batch; the sum over time is decisions */
    AM_CAPACITY,          /* gauge; 0: turns were too few or too small to tell */
    AM_CPU,               /* seconds */
    AM_RESIDENT,          /* gauge */
    AM_PAYMENT_SUCCEEDED, /* histogram: PAY's decision to its settlement's, likewise the others */
    AM_PAYMENT_FAILED,
    AM_PAYMENT_GIVEN_UP,
    AM_SPANS_EXPORTED,
    AM_SPANS_FULL,
    AM_SPANS_COLLECTOR,
    AM_STAGE_WAIT,    /* histogram: enqueued to read */
    AM_STAGE_DECIDE,  /* histogram: the script */
    AM_STAGE_COMMIT,  /* histogram: the transaction */
    AM_STAGE_PUBLISH, /* histogram: answers sent */
    ALLOCATOR_METRICS_COUNT
};

extern const struct metric_row allocator_metric_rows[ALLOCATOR_METRICS_COUNT];

#endif
