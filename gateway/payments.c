/*
 * POST /v1/bookings/{id}/payments. Two decisions make its answer: PAY, which is this request's and
 * is kept under its key like any other, and the provider's word, which comes later as another
 * request (SETTLE). What is told is always read from the payment's row: so a repetition under the
 * key tells how the payment stands now, and whoever waits is told when it changes.
 */
#include "gateway/payments.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/settlement.h"
#include "base/text.h"
#include "gateway/bookings.h"
#include "gateway/commands.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/reads.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/waiters.h"

#define LOOK_FIRST_MS 250 /* a message tells most, unless one was lost */

static const struct statement payment_by_id = {
    "payment_by_id", "SELECT p.booking, b.status, " PAYMENT_COLUMNS
                     " FROM payments p JOIN bookings b ON b.id = p.booking WHERE p.id = $1::uuid"};
enum column {
    COLUMN_BOOKING,
    COLUMN_BOOKING_STATUS,
    COLUMN_PAYMENT,
    COLUMN_PAYMENT_STATUS,
    COLUMN_PAYMENT_REASON = COLUMN_PAYMENT + 4 /* of PAYMENT_COLUMNS */
};

static void on_settled(struct task *task, const struct answer *answer, bool repeated);
static void on_wait_over(struct task *task);
static void on_payment(void *context, enum err err, const struct postgres_rows *rows);

static const struct awaited awaited_settlement = {on_settled, on_wait_over};

static void put_id(struct buf *b, struct id id)
{
    char text[ID_TEXT_BYTES];

    id_format(id, text);
    buf_putc(b, '"');
    buf_put(b, text, ID_TEXT_BYTES - 1);
    buf_putc(b, '"');
}

/* "status:amount:reason,…" */
static enum err put_refunds(struct buf *b, struct span text)
{
    uint64_t amount, sum = 0;
    const char *comma = "";

    buf_puts(b, ",\"refunds\":[");
    while (text.len > 0) {
        struct span row = text_cut(&text, ',');
        struct span status = text_cut(&row, ':');
        if (!text_u64(text_cut(&row, ':'), INT64_MAX, &amount))
            return ERR_INPUT;
        buf_puts(b, comma);
        buf_puts(b, "{\"status\":");
        render_text(b, status);
        buf_puts(b, ",\"amount\":");
        buf_put_u64(b, amount);
        buf_puts(b, ",\"reason\":");
        render_text(b, row);
        buf_putc(b, '}');
        comma = ",";
        if (!span_is(status, "FAILED"))
            sum += amount;
    }
    buf_puts(b, "],\"refunded\":");
    buf_put_u64(b, sum);
    return ERR_NONE;
}

enum err payments_render(struct buf *b, const struct postgres_rows *rows, size_t row,
                         size_t first_column)
{
    size_t at = first_column;
    struct span reason = rows_text(rows, row, at + 4);
    struct id id;

    TRY(id_from_uuid(rows_text(rows, row, at), &id));
    buf_puts(b, "\"id\":");
    put_id(b, id);
    buf_puts(b, ",\"status\":");
    render_text(b, rows_text(rows, row, at + 1));
    buf_puts(b, ",\"amount\":");
    render_i64(b, rows_i64(rows, row, at + 2));
    buf_puts(b, ",\"currency\":");
    render_text(b, rows_text(rows, row, at + 3));
    buf_puts(b, ",\"reason\":");
    if (reason.len > 0)
        render_text(b, reason);
    else
        buf_puts(b, "null");
    TRY(put_refunds(b, rows_text(rows, row, at + 7)));
    buf_puts(b, ",\"created_at\":");
    render_time(b, rows_i64(rows, row, at + 5));
    buf_puts(b, ",\"settled_at\":");
    render_time(b, rows_i64(rows, row, at + 6));
    return ERR_NONE;
}

/* The payment has the id of the request that asked for it: the answer is the payment's. */
static void ask_payment(struct task *task)
{
    char uuid[UUID_BYTES];
    struct postgres_query query = {
        .statement = &payment_by_id, .values = 1, .value = {uuid}, .done = on_payment};

    task_set_id(task, task->payment);
    id_format_uuid(task->payment, uuid);
    reads_ask(task, &query);
}

/* False if the client's wait is over, or too many wait. */
static bool await_settlement(struct task *task, struct id booking)
{
    struct waiters *waiters = task->gateway->waiters;

    if (task->wait_until_us <= clock_mono_us() || waiters_are_full(waiters))
        return false;
    task_set_id(task, settlement_told_as(booking));
    task->checks_fingerprint = false;
    task->awaited = &awaited_settlement;
    task->phase = WAIT_DECIDED;
    task->look_ms = LOOK_FIRST_MS;
    waiters_add(waiters, task);
    return true;
}

void payments_await(struct task *task, const struct answer *answer,
                    void (*tell)(struct task *task, const struct paid *paid))
{
    bool is_first = task->checks_fingerprint && !task->is_replayed;

    task->payment = task->id;
    task->paid = tell;
    if (answer->booking.state != STATE_PENDING || !is_first ||
        !await_settlement(task, answer->booking.id))
        ask_payment(task);
}

static void on_settled(struct task *task, const struct answer *answer, bool repeated)
{
    (void)answer;
    (void)repeated;
    ask_payment(task);
}

static void on_wait_over(struct task *task)
{
    task->wait_until_us = 0;
    ask_payment(task);
}

static void tell_payment(struct task *task, const struct paid *paid)
{
    struct buf *body = reply_open(task);

    command_put_location(task, "/v1/bookings/", paid->booking);
    buf_putc(body, '{');
    if (payments_render(body, paid->rows, 0, COLUMN_PAYMENT)) {
        reads_fail(task, ERR_INPUT);
        return;
    }
    buf_puts(body, ",\"booking\":");
    put_id(body, paid->booking);
    buf_puts(body, ",\"booking_status\":");
    render_text(body, paid->booking_status);
    buf_putc(body, '}');
    reply_send(task, 200, REPLY_JSON);
}

void payments_grant(struct task *task, const struct answer *answer)
{
    payments_await(task, answer, tell_payment);
}

static void on_payment(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    struct paid paid = {.rows = rows};

    if (!task_resume(task))
        return;
    if (!err && (rows_count(rows) == 0 ||
                 id_from_uuid(rows_text(rows, 0, COLUMN_BOOKING), &paid.booking) != ERR_NONE))
        err = ERR_INPUT;
    if (err) {
        reads_fail(task, err);
        return;
    }
    paid.booking_status = rows_text(rows, 0, COLUMN_BOOKING_STATUS);
    paid.status = rows_text(rows, 0, COLUMN_PAYMENT_STATUS);
    paid.reason = rows_text(rows, 0, COLUMN_PAYMENT_REASON);
    if (!span_is(paid.status, "PENDING") || !await_settlement(task, paid.booking))
        task->paid(task, &paid);
}

void post_payments(struct task *task)
{
    struct json json;
    struct id id;

    if (!bookings_find(task, task->parameter[0], &id))
        return;
    if (exchange_header(task->exchange, "idempotency-key").bytes == NULL) {
        reply_invalid(task, 400,
                      "Paying needs an Idempotency-Key: a payment must not be made twice");
        return;
    }
    if (!command_begin(task, &json))
        return;
    bookings_change(task, &json, OP_PAY, id, payments_grant);
    json_free(&json);
}
