/*
 * The seeds' way from a seat to a ticket: hold, booking, payment, each under the id of the one
 * before. Here they are one booking and have one id. A hold is HELD; their "booking" is that hold
 * while it waits to be paid, so asking for it decides nothing and its time goes on; the payment
 * makes it CONFIRMED.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/seats.h"
#include "gateway/commands.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/identity.h"
#include "gateway/payments.h"
#include "gateway/reads.h"
#include "gateway/reply.h"
#include "gateway/seed_seat.h"
#include "gateway/seeds.h"
#include "gateway/shows.h"

static const struct statement seed_hold_by_id = {
    "seed_hold_by_id", "SELECT id, status, expires_ms, user_id FROM bookings WHERE id = $1::uuid"};
enum hold_column { COLUMN_ID, COLUMN_STATUS, COLUMN_EXPIRES, COLUMN_USER };

/* ---- POST /holds ---- */

static void tell_id(struct task *task, const char *name, struct id id)
{
    char text[ID_TEXT_BYTES];

    command_put_location(task, "/v1/bookings/", id);
    id_format(id, text);
    buf_putf(&task->gateway->body, "{\"%s\":\"%s\"}", name, text);
    reply_send(task, 201, REPLY_JSON);
}

static void grant_hold(struct task *task, const struct answer *answer)
{
    tell_id(task, "hold_id", answer->booking.id);
}

static const char *words_seat(enum code code)
{
    return code == CODE_SOLD_OUT || code == CODE_NOT_ENOUGH ? code_error(CODE_SEAT_TAKEN)
                                                            : seed_words(code);
}

static void tell_no_seat(struct task *task)
{
    reply_problem(task, 404, CODE_NOT_FOUND, "Seat not found", NULL, 0);
}

/* The seat of that number, and the task has its show. NULL: the task was answered, or waits. */
static const struct seat *find_seat(struct task *task, struct span number)
{
    struct seed_seat named;
    const struct seat *seat;

    if (task->show_is_absent || !seed_seat_read(number, &named)) {
        tell_no_seat(task);
        return NULL;
    }
    if (named.show == 0 ? !shows_give(task, span_of(task->gateway->options->seats_show))
                        : !shows_give_number(task, named.show))
        return NULL;
    seat = seed_seat_find(task->show->seatmap, named.place);
    if (seat == NULL)
        tell_no_seat(task);
    return seat;
}

static void hold_seat(struct task *task, struct json *json)
{
    struct request request = {.op = OP_HOLD, .lines = 1};
    char digits[JSON_DIGITS], position[SEAT_POSITION_BYTES];
    struct span number = {NULL, 0};

    json_word(json, json_root(json), "seat_id", true, digits, &number);
    command_read_user(task, json, json_root(json), "user_email", true, &request.user);
    if (!command_is_right(task, json))
        return;
    const struct seat *seat = find_seat(task, number);
    if (seat == NULL)
        return;
    uint32_t wire = htonl(seat->position);
    memcpy(position, &wire, sizeof wire);
    request.line[0] = (struct line){seat->tier, 1};
    request.seats = (struct span){position, sizeof position};
    command_send(task, &(struct command){.request = &request,
                                         .scope = SPAN("/holds"),
                                         .grant = grant_hold,
                                         .words = words_seat});
}

void seed_post_holds(struct task *task)
{
    struct json json;

    if (!command_begin(task, &json))
        return;
    hold_seat(task, &json);
    json_free(&json);
}

/* ---- POST /bookings ---- */

static void tell_no_hold(struct task *task, const char *why)
{
    reply_problem(task, 400, CODE_HOLD_EXPIRED, NULL, why, 0);
}

static void tell_not_held(struct task *task, struct span status)
{
    char why[64];

    snprintf(why, sizeof why, "The booking is %.*s", (int)status.len, status.bytes);
    reply_problem(task, 409, CODE_ILLEGAL_STATE, "Seat not held", why, 0);
}

static void on_hold(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    struct id id;

    if (!task_resume(task))
        return;
    if (!err && rows_count(rows) > 0 && id_from_uuid(rows_text(rows, 0, COLUMN_ID), &id))
        err = ERR_INPUT;
    if (err) {
        reads_fail(task, err);
        return;
    }
    if (rows_count(rows) == 0 || identity_hides(task, rows_text(rows, 0, COLUMN_USER))) {
        tell_no_hold(task, "There is no such hold");
        return;
    }
    struct span status = rows_text(rows, 0, COLUMN_STATUS);
    bool is_held = span_is(status, "HELD");
    if (span_is(status, "EXPIRED") ||
        (is_held && rows_i64(rows, 0, COLUMN_EXPIRES) <= clock_wall_ms())) {
        tell_no_hold(task, "The hold's time is over");
    } else if (!is_held) {
        tell_not_held(task, status);
    } else {
        reply_open(task);
        tell_id(task, "booking_id", id);
    }
}

/* An id may be of any kind in these clients' bodies; what is none of ours is not known. */
static bool read_id(struct json *json, const char *name, struct id *id)
{
    char digits[JSON_DIGITS];
    struct span text;

    return json_word(json, json_root(json), name, true, digits, &text) &&
           id_parse(text, id) == ERR_NONE;
}

void seed_post_bookings(struct task *task)
{
    char uuid[UUID_BYTES];
    struct postgres_query query = {
        .statement = &seed_hold_by_id, .values = 1, .value = {uuid}, .done = on_hold};
    struct json json;
    struct id id;

    if (!command_begin(task, &json))
        return;
    task->varies_by_prefer = false; /* there is nothing to wait for */
    bool is_id = read_id(&json, "hold_id", &id);
    if (command_is_right(task, &json)) {
        if (is_id) {
            id_format_uuid(id, uuid);
            reads_find(task, &query);
        } else {
            tell_no_hold(task, "There is no such hold");
        }
    }
    json_free(&json);
}

/* ---- POST /payments ---- */

static const char *words_payment(enum code code)
{
    return code == CODE_NOT_FOUND ? "Booking not found" : seed_words(code);
}

static void tell_pending(struct task *task)
{
    reply_field(task, "Retry-After", "1");
    buf_puts(&task->gateway->body, "{\"status\":\"pending\"}");
    reply_send(task, 202, REPLY_JSON);
}

/* The provider's word, or that what it took goes back because the booking did not live so long. */
static void tell_failure(struct task *task, const struct paid *paid)
{
    char why[96];

    if (span_is(paid->status, "FAILED"))
        snprintf(why, sizeof why, "The payment failed: %.*s", (int)paid->reason.len,
                 paid->reason.bytes);
    else
        snprintf(why, sizeof why, "The booking is %.*s: what was paid is given back",
                 (int)paid->booking_status.len, paid->booking_status.bytes);
    reply_problem(task, code_status(CODE_PAYMENT_FAILED), CODE_PAYMENT_FAILED, NULL, why, 0);
}

static void tell_paid(struct task *task, const struct paid *paid)
{
    bool is_pending = span_is(paid->status, "PENDING");

    if (!is_pending &&
        !(span_is(paid->status, "SUCCEEDED") && span_is(paid->booking_status, "CONFIRMED"))) {
        tell_failure(task, paid);
        return;
    }
    reply_open(task);
    command_put_location(task, "/v1/bookings/", paid->booking);
    if (is_pending) {
        tell_pending(task);
        return;
    }
    buf_puts(&task->gateway->body, "{\"status\":\"success\"}");
    reply_send(task, 200, REPLY_JSON);
}

static void grant_payment(struct task *task, const struct answer *answer)
{
    payments_await(task, answer, tell_paid);
}

static void pay(struct task *task, struct json *json)
{
    struct request request = {.op = OP_PAY, .method = {"", 0}};
    bool is_id = read_id(json, "booking_id", &request.booking);
    uint32_t show = is_id ? id_show(request.booking) : 0;

    if (!command_is_right(task, json))
        return;
    if (show == 0 || show > INT32_MAX || task->show_is_absent) {
        reply_problem(task, 404, CODE_NOT_FOUND, words_payment(CODE_NOT_FOUND), NULL, 0);
        return;
    }
    if (!shows_give_number(task, show))
        return;
    command_send(task, &(struct command){.request = &request,
                                         .scope = SPAN("/payments"),
                                         .grant = grant_payment,
                                         .words = words_payment});
}

void seed_post_payments(struct task *task)
{
    struct json json;

    if (exchange_header(task->exchange, "idempotency-key").len == 0) {
        reply_problem(task, 400, CODE_INVALID, "Missing idempotency key", NULL, 0);
        return;
    }
    if (!command_begin(task, &json))
        return;
    pay(task, &json);
    json_free(&json);
}
