#include "allocator_report.h"

const struct metric_row allocator_metric_rows[ALLOCATOR_METRICS_COUNT] = {
#define X(number, name, status, title, error)                                                      \
    [AM_DECISIONS + (number)] = {METRIC_COUNTER, "usher_decisions_total", "outcome=\"" #name "\"", \
                                 "Requests decided, by outcome."},
    CODES(X)
#undef X
        [AM_REPEATED] = {METRIC_COUNTER, "usher_repeated_requests_total", "",
                         "Requests that got the answer that their id had got before."},
    [AM_EXPIRED] = {METRIC_COUNTER, "usher_expired_holds_total", "",
                    "Holds released because their time had passed."},
    [AM_UNCOUNTED] = {METRIC_COUNTER, "usher_uncounted_requests_total", "",
                      "Requests decided that are in no figure of analytics, for want of room."},
    [AM_BATCHES] = {METRIC_COUNTER, "usher_batches_total", "", "Batches committed."},
    [AM_REBUILDS] = {METRIC_COUNTER, "usher_rebuilds_total", "",
                     "Times the state in Redis was written anew from Postgres."},
    [AM_TAKEOVERS] = {METRIC_COUNTER, "usher_takeovers_total", "",
                      "Times this allocator took the partition."},
    [AM_REDIS_RECONNECTS] = {METRIC_COUNTER, "usher_allocator_reconnects_total", "to=\"redis\"",
                             "Connections made anew after a loss."},
    [AM_POSTGRES_RECONNECTS] = {METRIC_COUNTER, "usher_allocator_reconnects_total",
                                "to=\"postgres\"", "Connections made anew after a loss."},
    [AM_EPOCH] = {METRIC_GAUGE, "usher_partition_epoch", "", "Owners of the partition so far."},
    [AM_VERSION] = {METRIC_GAUGE, "usher_partition_version", "",
                    "Batches of the partition committed so far."},
    [AM_BACKLOG_ENTRIES] = {METRIC_GAUGE, "usher_backlog_entries", "",
                            "Stream entries after the cursor that wait for a decision."},
    [AM_BATCH_REQUESTS] = {METRIC_GAUGE, "usher_batch_requests", "", "Requests in the last batch."},
    [AM_CAPACITY] = {METRIC_GAUGE, "usher_partition_capacity", "",
                     "Requests a second that the allocator could decide; 0: not known yet."},
    [AM_CPU] = {METRIC_SECONDS, "usher_allocator_cpu_seconds_total", "",
                "Processor time of the allocators."},
    [AM_RESIDENT] = {METRIC_GAUGE, "usher_allocator_resident_bytes", "",
                     "Memory of the allocators."},
#define PAYMENT(which, name)                                                                       \
    [which] = {METRIC_HISTOGRAM, "usher_payment_seconds", "result=\"" name "\"",                   \
               "Time from the decision that a booking is to be paid to its settlement."}
    PAYMENT(AM_PAYMENT_SUCCEEDED, "succeeded"),
    PAYMENT(AM_PAYMENT_FAILED, "failed"),
    PAYMENT(AM_PAYMENT_GIVEN_UP, "given_up"),
#undef PAYMENT
#define SPANS(which, result)                                                                       \
    [which] = {METRIC_COUNTER, "usher_allocator_trace_spans_total", "result=\"" result "\"",       \
               "Spans, by what became of them."}
    SPANS(AM_SPANS_EXPORTED, "exported"),
    SPANS(AM_SPANS_FULL, "dropped_full"),
    SPANS(AM_SPANS_COLLECTOR, "dropped_collector"),
#undef SPANS
#define STAGE(which, name)                                                                         \
    [which] = {METRIC_HISTOGRAM, "usher_stage_seconds", "stage=\"" name "\"",                      \
               "Time that batches spend in each stage."}
    STAGE(AM_STAGE_WAIT, "wait"),
    STAGE(AM_STAGE_DECIDE, "decide"),
    STAGE(AM_STAGE_COMMIT, "commit"),
    STAGE(AM_STAGE_PUBLISH, "publish"),
#undef STAGE
};
