/* A row of the outbox that a courier has taken, and what the provider said of it. */
#ifndef USHER_COURIER_JOB_H
#define USHER_COURIER_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/id.h"
#include "base/model.h"
#include "courier/carried.h"

#define JOBS_MAX 256

/* The order and the names are those of outbox_kind in sql/0005_payments.sql. */
#define JOB_KINDS(X)                                                                               \
    X(CHARGE, "charge") /* make the payment */                                                     \
    X(ASK, "ask")       /* what became of it? Never makes it */                                    \
    X(REFUND, "refund")

enum job_kind {
#define X(name, word) JOB_##name,
    JOB_KINDS(X)
#undef X
        JOB_KINDS_COUNT
};
const char *job_kind_word(enum job_kind kind);

struct job {
    bool is_taken; /* the slot is in use */
    int64_t row;   /* in the outbox */
    int64_t attempts;
    enum job_kind kind;
    struct id payment, booking;
    struct id refund; /* REFUND */
    int64_t amount;   /* minor units, of the payment or of the refund */
    char currency[4];
    char method[METHOD_BYTES_MAX + 1];
    char reference[REFERENCE_BYTES_MAX + 1]; /* the provider's name for the payment, or empty */
    char refund_reference[REFERENCE_BYTES_MAX + 1]; /* … for the refund: it is under way */
    char reply_to[GATEWAY_NAME_BYTES_MAX + 1];
    uint32_t partition;
    bool is_pending;   /* the payment was, when the row was taken */
    bool is_succeeded; /* … or its money had been taken */
    bool is_cancelled; /* … and its booking was */
    int64_t age_ms;    /* of the payment, then */
    int64_t began_us;  /* when the provider was asked */
    int64_t due_us;    /* the simulated provider's */
    struct carried carried;
};

enum verdict_kind {
    VERDICT_SUCCEEDED,
    VERDICT_FAILED,  /* and it never will succeed */
    VERDICT_WORKING, /* the provider is at it */
    VERDICT_ABSENT,  /* the provider has never heard of it */
    VERDICT_UNKNOWN, /* nobody answered, or not to the point: it may have happened */
};

struct verdict {
    enum verdict_kind kind;
    char reference[REFERENCE_BYTES_MAX + 1];
    char reason[REASON_BYTES_MAX + 1];
};

const char *verdict_word(enum verdict_kind kind); /* for the log */

#endif
