#include "courier/outbox.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PARAMETERS_MAX 6

static const char claim_sql[] =
    "SELECT id, kind, attempts, payment, coalesce(refund::text, ''), booking, amount,"
    " currency, method, reference, refund_reference, reply_to, partition, payment_status, "
    "booking_status, age_ms, trace_of_outbox(id)"
    " FROM claim_outbox($1, $2::integer, $3::bigint)";
enum {
    C_ROW,
    C_KIND,
    C_ATTEMPTS,
    C_PAYMENT,
    C_REFUND,
    C_BOOKING,
    C_AMOUNT,
    C_CURRENCY,
    C_METHOD,
    C_REFERENCE,
    C_REFUND_REFERENCE,
    C_REPLY_TO,
    C_PARTITION,
    C_PAYMENT_STATUS,
    C_BOOKING_STATUS,
    C_AGE,
    C_TRACE
};

/* Parameters as text. */
struct words {
    size_t count;
    char number[PARAMETERS_MAX][UUID_BYTES];
    struct postgres_parameter parameter[PARAMETERS_MAX];
};

static void put_word(struct words *w, const char *word)
{
    assert(w->count < PARAMETERS_MAX);
    w->parameter[w->count++] = (struct postgres_parameter){word, strlen(word), false};
}

static void put_number(struct words *w, int64_t n)
{
    char *text = w->number[w->count];

    snprintf(text, UUID_BYTES, "%" PRId64, n);
    put_word(w, text);
}

static void put_id(struct words *w, struct id id)
{
    char *text = w->number[w->count];

    id_format_uuid(id, text);
    put_word(w, text);
}

static enum err ask(struct postgres *p, const char *sql, const struct words *w,
                    struct postgres_result **result)
{
    return postgres_query(p, sql, w->count, w->parameter, false, result);
}

static enum err tell(struct postgres *p, const char *sql, const struct words *w)
{
    struct postgres_result *result = NULL;

    TRY(ask(p, sql, w, &result));
    postgres_result_free(result);
    return ERR_NONE;
}

static bool read_text(struct span text, char *into, size_t size)
{
    if (text.len >= size)
        return false;
    memcpy(into, text.bytes, text.len);
    into[text.len] = '\0';
    return true;
}

static bool read_kind(struct span word, enum job_kind *kind)
{
    for (int i = 0; i < JOB_KINDS_COUNT; i++) {
        if (!span_is(word, job_kind_word((enum job_kind)i)))
            continue;
        *kind = (enum job_kind)i;
        return true;
    }
    return false;
}

static bool read_job(const struct postgres_result *r, size_t row, struct job *job)
{
    struct span refund = postgres_cell(r, row, C_REFUND);

    *job = (struct job){.is_taken = true,
                        .row = postgres_cell_i64(r, row, C_ROW),
                        .attempts = postgres_cell_i64(r, row, C_ATTEMPTS),
                        .amount = postgres_cell_i64(r, row, C_AMOUNT),
                        .partition = (uint32_t)postgres_cell_i64(r, row, C_PARTITION),
                        .age_ms = postgres_cell_i64(r, row, C_AGE)};
    carried_begin(&job->carried, postgres_cell(r, row, C_TRACE));
    job->is_pending = span_is(postgres_cell(r, row, C_PAYMENT_STATUS), "PENDING");
    job->is_succeeded = span_is(postgres_cell(r, row, C_PAYMENT_STATUS), "SUCCEEDED");
    job->is_cancelled = span_is(postgres_cell(r, row, C_BOOKING_STATUS), "CANCELLED");
    return read_kind(postgres_cell(r, row, C_KIND), &job->kind) &&
           id_from_uuid(postgres_cell(r, row, C_PAYMENT), &job->payment) == ERR_NONE &&
           id_from_uuid(postgres_cell(r, row, C_BOOKING), &job->booking) == ERR_NONE &&
           (refund.len == 0 || id_from_uuid(refund, &job->refund) == ERR_NONE) &&
           read_text(postgres_cell(r, row, C_CURRENCY), job->currency, sizeof job->currency) &&
           read_text(postgres_cell(r, row, C_METHOD), job->method, sizeof job->method) &&
           read_text(postgres_cell(r, row, C_REFERENCE), job->reference, sizeof job->reference) &&
           read_text(postgres_cell(r, row, C_REFUND_REFERENCE), job->refund_reference,
                     sizeof job->refund_reference) &&
           read_text(postgres_cell(r, row, C_REPLY_TO), job->reply_to, sizeof job->reply_to);
}

enum err outbox_claim(struct postgres *p, const char *courier, size_t max, int64_t lease_ms,
                      struct job *job, size_t *count)
{
    struct postgres_result *result = NULL;
    struct words w = {0};
    enum err err = ERR_NONE;

    *count = 0;
    put_word(&w, courier);
    put_number(&w, (int64_t)max);
    put_number(&w, lease_ms);
    TRY(ask(p, claim_sql, &w, &result));
    for (size_t row = 0; !err && row < postgres_rows(result) && *count < max; row++) {
        if (read_job(result, row, &job[*count]))
            (*count)++;
        else
            err = ERR_INPUT;
    }
    postgres_result_free(result);
    return err;
}

enum err outbox_postpone(struct postgres *p, const struct job *job, enum job_kind kind,
                         const char *reference, int64_t pause_ms)
{
    struct words w = {0};

    put_number(&w, job->row);
    put_number(&w, job->attempts);
    put_word(&w, job_kind_word(kind));
    put_word(&w, reference);
    put_number(&w, pause_ms);
    return tell(
        p, "SELECT postpone_outbox($1::bigint, $2::integer, $3::outbox_kind, $4, $5::bigint)", &w);
}

enum err outbox_postpone_refund(struct postgres *p, const struct job *job, const char *reference,
                                int64_t pause_ms)
{
    struct words w = {0};

    put_number(&w, job->row);
    put_number(&w, job->attempts);
    put_word(&w, reference);
    put_number(&w, pause_ms);
    return tell(p, "SELECT postpone_refund($1::bigint, $2::integer, $3, $4::bigint)", &w);
}

enum err outbox_drop(struct postgres *p, const struct job *job)
{
    struct words w = {0};

    put_number(&w, job->row);
    put_number(&w, job->attempts);
    return tell(p, "SELECT drop_outbox($1::bigint, $2::integer)", &w);
}

enum err outbox_refunded(struct postgres *p, const struct job *job, bool succeeded,
                         const struct verdict *verdict)
{
    struct words w = {0};

    put_id(&w, job->refund);
    put_word(&w, succeeded ? "t" : "f");
    put_word(&w, verdict->reference);
    put_word(&w, verdict->reason);
    put_id(&w, job->payment);
    put_word(&w, job->carried.trace);
    return tell(p,
                "SELECT settle_refund($1::uuid, $2::boolean, $3, $4)"
                " FROM note_traces(ARRAY[$5::uuid], ARRAY[$6])",
                &w);
}

enum err outbox_hasten_refund(struct postgres *p, struct id refund)
{
    struct words w = {0};

    put_id(&w, refund);
    return tell(p, "SELECT hasten_refund($1::uuid)", &w);
}

enum err outbox_recover(struct postgres *p, int64_t stuck_ms, int64_t *count)
{
    struct postgres_result *result = NULL;
    struct words w = {0};

    put_number(&w, stuck_ms);
    TRY(ask(p, "SELECT recover_payments($1::bigint)", &w, &result));
    *count = postgres_cell_i64(result, 0, 0);
    postgres_result_free(result);
    return ERR_NONE;
}
