/*
 * What a courier reports of itself (program_report.h): metrics_write of courier_metric_rows, in
 * this order. Readers add the label `courier`, its name; those of one name are added up.
 */
#ifndef USHER_BASE_COURIER_REPORT_H
#define USHER_BASE_COURIER_REPORT_H

#include "metrics.h"

/* What the provider is asked, in the order of enum job_kind (courier/job.h). */
#define COURIER_CALLS(X)                                                                           \
    X(CHARGE, "charge")                                                                            \
    X(ASK, "ask")                                                                                  \
    X(REFUND, "refund")

/* What became of it, in the order of enum verdict_kind. */
#define COURIER_VERDICTS(X)                                                                        \
    X(SUCCEEDED, "succeeded")                                                                      \
    X(FAILED, "failed")                                                                            \
    X(WORKING, "working")                                                                          \
    X(ABSENT, "absent")                                                                            \
    X(UNKNOWN, "unknown")

enum courier_call {
#define X(name, word) COURIER_CALL_##name,
    COURIER_CALLS(X)
#undef X
        COURIER_CALLS_COUNT
};

enum courier_verdict {
#define X(name, word) COURIER_VERDICT_##name,
    COURIER_VERDICTS(X)
#undef X
        COURIER_VERDICTS_COUNT
};

/* To whom something is delivered, in the order of enum delivery_kind (courier/delivery.h). */
enum courier_delivery { COURIER_WEBHOOK, COURIER_MAIL, COURIER_DELIVERIES_COUNT };

enum delivery_result {
    DELIVERY_DELIVERED,
    DELIVERY_FAILED,   /* there will be another attempt */
    DELIVERY_GIVEN_UP, /* there will be none */
    DELIVERY_RESULTS_COUNT
};

enum courier_metric {
    CM_PROVIDER = 0,                                /* histograms, + enum courier_call */
    CM_ANSWERS = CM_PROVIDER + COURIER_CALLS_COUNT, /* + call * VERDICTS_COUNT + verdict */
    CM_DELIVERY =                                   /* histograms, + enum courier_delivery */
    CM_ANSWERS + (int)COURIER_CALLS_COUNT * COURIER_VERDICTS_COUNT,
    CM_DELIVERED = /* + delivery * RESULTS_COUNT + result */
    CM_DELIVERY + (int)COURIER_DELIVERIES_COUNT,
    CM_UNDER_WAY_PAYMENTS = /* gauge */
    CM_DELIVERED + (int)COURIER_DELIVERIES_COUNT * DELIVERY_RESULTS_COUNT,
    CM_UNDER_WAY_DELIVERIES, /* gauge */
    CM_CPU,
    CM_RESIDENT, /* gauge */
    CM_SPANS_EXPORTED,
    CM_SPANS_FULL,
    CM_SPANS_COLLECTOR,
    COURIER_METRICS_COUNT
};

extern const struct metric_row courier_metric_rows[COURIER_METRICS_COUNT];

/* For who counts: the row of an answer of the provider's, and of a delivery. */
size_t courier_answer_row(enum courier_call call, enum courier_verdict verdict);
size_t courier_delivery_row(enum courier_delivery delivery, enum delivery_result result);

#endif
