#include "courier_report.h"

#define ANSWER(call, verdict)                                                                      \
    (CM_ANSWERS + (int)(call) * (int)COURIER_VERDICTS_COUNT + (int)(verdict))
#define DELIVERED(delivery, result)                                                                \
    (CM_DELIVERED + (int)(delivery) * (int)DELIVERY_RESULTS_COUNT + (int)(result))

const struct metric_row courier_metric_rows[COURIER_METRICS_COUNT] = {
#define X(name, word)                                                                              \
    [CM_PROVIDER + (int)COURIER_CALL_##                                                            \
        name] = {METRIC_HISTOGRAM, "usher_courier_provider_seconds", "call=\"" word "\"",          \
                 "Time that the payment provider takes to answer a courier's call."},
    COURIER_CALLS(X)
#undef X
#define VERDICT(call, call_word, name, word)                                                       \
    [ANSWER(COURIER_CALL_##call, COURIER_VERDICT_##name)] = {                                      \
        METRIC_COUNTER, "usher_courier_provider_answers_total",                                    \
        "call=\"" call_word "\",result=\"" word "\"",                                              \
        "What the provider's answers said; unknown: none came, or not to the point."},
#define X(name, word) VERDICT(CHARGE, "charge", name, word)
        COURIER_VERDICTS(X)
#undef X
#define X(name, word) VERDICT(ASK, "ask", name, word)
            COURIER_VERDICTS(X)
#undef X
#define X(name, word) VERDICT(REFUND, "refund", name, word)
                COURIER_VERDICTS(X)
#undef X
#undef VERDICT
#define DELIVERY(which, word)                                                                      \
    [CM_DELIVERY + (int)(which)] = {METRIC_HISTOGRAM, "usher_courier_delivery_seconds",            \
                                    "kind=\"" word "\"",                                           \
                                    "Time that an attempt to deliver a webhook or a mail takes."}
                    DELIVERY(COURIER_WEBHOOK, "webhook"),
    DELIVERY(COURIER_MAIL, "mail"),
#undef DELIVERY
#define RESULT(which, word, result, result_word)                                                   \
    [DELIVERED(which, result)] = {METRIC_COUNTER, "usher_courier_deliveries_total",                \
                                  "kind=\"" word "\",result=\"" result_word "\"",                  \
                                  "Attempts to deliver, by what came of them; failed: there "      \
                                  "will be another."}
    RESULT(COURIER_WEBHOOK, "webhook", DELIVERY_DELIVERED, "delivered"),
    RESULT(COURIER_WEBHOOK, "webhook", DELIVERY_FAILED, "failed"),
    RESULT(COURIER_WEBHOOK, "webhook", DELIVERY_GIVEN_UP, "given_up"),
    RESULT(COURIER_MAIL, "mail", DELIVERY_DELIVERED, "delivered"),
    RESULT(COURIER_MAIL, "mail", DELIVERY_FAILED, "failed"),
    RESULT(COURIER_MAIL, "mail", DELIVERY_GIVEN_UP, "given_up"),
#undef RESULT
    [CM_UNDER_WAY_PAYMENTS] = {METRIC_GAUGE, "usher_courier_under_way", "what=\"payments\"",
                               "What a courier has taken and not done yet."},
    [CM_UNDER_WAY_DELIVERIES] = {METRIC_GAUGE, "usher_courier_under_way", "what=\"deliveries\"",
                                 ""},
    [CM_CPU] = {METRIC_SECONDS, "usher_courier_cpu_seconds_total", "",
                "Processor time of the couriers."},
    [CM_RESIDENT] = {METRIC_GAUGE, "usher_courier_resident_bytes", "", "Memory of the couriers."},
#define SPANS(which, result)                                                                       \
    [which] = {METRIC_COUNTER, "usher_courier_trace_spans_total", "result=\"" result "\"",         \
               "Spans, by what became of them."}
    SPANS(CM_SPANS_EXPORTED, "exported"),
    SPANS(CM_SPANS_FULL, "dropped_full"),
    SPANS(CM_SPANS_COLLECTOR, "dropped_collector"),
#undef SPANS
};

size_t courier_answer_row(enum courier_call call, enum courier_verdict verdict)
{
    return (size_t)ANSWER(call, verdict);
}

size_t courier_delivery_row(enum courier_delivery delivery, enum delivery_result result)
{
    return (size_t)DELIVERED(delivery, result);
}
