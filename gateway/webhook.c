/*
 * POST /webhooks/payments: the provider's word, when it comes later than its answer. Signed, or it
 * is nobody's. It becomes the same request that a courier would make of it, and the provider is
 * told that it was heard once that stands in the queue; else it sends it again. News of a refund
 * moves no booking: couriers are told that there is some, and ask the provider themselves.
 */
#include <string.h>

#include "base/clock.h"
#include "base/settlement.h"
#include "base/text.h"
#include "gateway/commands.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/json.h"
#include "gateway/postgres_link.h"
#include "gateway/reads.h"
#include "gateway/reply.h"
#include "gateway/shows.h"
#include "gateway/signature.h"

enum about { ABOUT_NOTHING, ABOUT_PAYMENT, ABOUT_REFUND };

struct event {
    enum about about; /* ABOUT_NOTHING: an event that says nothing to usher */
    enum result result;
    struct id payment, booking; /* ABOUT_PAYMENT */
    struct span reference, reason;
    struct id refund; /* ABOUT_REFUND */
};

static const struct {
    const char *type;
    enum about about;
    enum result result; /* of a payment */
} types[] = {
    {"payment_intent.succeeded", ABOUT_PAYMENT, RESULT_SUCCEEDED},
    {"payment_intent.payment_failed", ABOUT_PAYMENT, RESULT_FAILED},
    {"payment_intent.canceled", ABOUT_PAYMENT, RESULT_FAILED},
    {"refund.updated", ABOUT_REFUND, RESULT_SUCCEEDED},
    {"refund.failed", ABOUT_REFUND, RESULT_SUCCEEDED},
    {"charge.refund.updated", ABOUT_REFUND, RESULT_SUCCEEDED},
};

static const struct statement refund_news = {"refund_news",
                                             "SELECT pg_notify('" REFUND_NEWS "', $1)"};

/* The event does not say whose refund it is: all couriers are told. */
static const struct merge_order any_order = {0, {{0, MERGE_NUMBER, false}}};

static bool is_text(struct span text, size_t max)
{
    return text.len <= max && !text_has_control(text);
}

/* What it is about stands in the metadata that the courier gave along. */
static bool read_refund(struct json *json, struct json_object in, struct event *event)
{
    struct json_object metadata;
    struct span refund;

    return json_object_in(json, in, "metadata", true, &metadata) &&
           json_text(json, metadata, "refund", false, &refund) &&
           id_parse(refund, &event->refund) == ERR_NONE;
}

static bool read_payment(struct json *json, struct json_object in, struct event *event)
{
    struct json_object metadata, error;
    struct span payment, booking;

    json_text(json, in, "id", true, &event->reference);
    if (!json_object_in(json, in, "metadata", true, &metadata))
        return false;
    /* A payment that is not usher's: the provider may serve others too. */
    if (!json_text(json, metadata, "payment", false, &payment) ||
        !json_text(json, metadata, "booking", false, &booking) ||
        id_parse(payment, &event->payment) || id_parse(booking, &event->booking) ||
        id_show(event->payment) != id_show(event->booking) || id_show(event->booking) == 0 ||
        id_show(event->booking) > INT32_MAX)
        return false;
    event->reason = event->result == RESULT_FAILED ? SPAN("declined") : SPAN("");
    if (event->result == RESULT_FAILED &&
        json_object_in(json, in, "last_payment_error", false, &error))
        json_text(json, error, "code", false, &event->reason);
    if (!json->failed && (!is_text(event->reference, REFERENCE_BYTES_MAX) ||
                          !is_text(event->reason, REASON_BYTES_MAX)))
        json_fail(json, "The payment's id or its error's code is too long");
    return !json->failed;
}

static void read_event(struct json *json, struct event *event)
{
    struct json_object root = json_root(json), data, object;
    struct span type;

    memset(event, 0, sizeof *event);
    if (!json_text(json, root, "type", true, &type))
        return;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (span_is(type, types[i].type)) {
            event->about = types[i].about;
            event->result = types[i].result;
        }
    if (event->about != ABOUT_NOTHING &&
        (!json_object_in(json, root, "data", true, &data) ||
         !json_object_in(json, data, "object", true, &object) ||
         !(event->about == ABOUT_REFUND ? read_refund : read_payment)(json, object, event)))
        event->about = ABOUT_NOTHING;
}

static void tell_received(struct task *task)
{
    buf_puts(reply_open(task), "{\"received\":true}");
    reply_send(task, 200, REPLY_JSON);
}

static void on_decided(struct task *task, const struct answer *answer, bool repeated)
{
    (void)answer;
    (void)repeated;
    tell_received(task);
}

static const struct awaited awaited_entry = {on_decided, tell_received};

/* The provider's gateway is any: whoever waits for this looks for it under its key. */
static void send_settlement(struct task *task, const struct event *event)
{
    struct request request = {.booking = event->booking,
                              .payment = event->payment,
                              .result = event->result,
                              .reference = event->reference,
                              .reason = event->reason,
                              .reply_to = span_of(task->gateway->name),
                              .trace = span_of(task->trace)};

    settlement_name(&request, clock_wall_ms(), 0);
    task->awaited = &awaited_entry;
    command_queue(task, &request);
}

static void on_told(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;

    (void)rows;
    if (!task_resume(task))
        return;
    if (err)
        reads_fail(task, err);
    else
        tell_received(task);
}

static void tell_couriers(struct task *task, struct id refund)
{
    char id[ID_TEXT_BYTES];
    struct postgres_query query = {
        .statement = &refund_news, .values = 1, .value = {id}, .done = on_told};

    id_format(refund, id);
    reads_gather(task, &query, &any_order);
}

static bool is_signed(struct task *task)
{
    const char *secrets = task->gateway->options->payment_webhook_secret;

    return signature_is_right(exchange_header(task->exchange, "stripe-signature"),
                              exchange_body(task->exchange), span_of(secrets),
                              clock_wall_ms() / 1000);
}

void post_payment_webhook(struct task *task)
{
    struct event event;
    struct json json;

    if (task->gateway->options->payment_webhook_secret[0] == '\0') {
        reply_invalid(task, 400, "payment_webhook_secret is not set here: nobody can be believed");
        return;
    }
    if (!is_signed(task)) {
        reply_invalid(task, 400, "The Stripe-Signature is missing, wrong or too old");
        return;
    }
    json_read(&json, exchange_body(task->exchange));
    read_event(&json, &event);
    if (!command_is_right(task, &json))
        ;
    else if (event.about == ABOUT_NOTHING)
        tell_received(task);
    else if (event.about == ABOUT_REFUND)
        tell_couriers(task, event.refund);
    else if (shows_give_number(task, id_show(event.booking)))
        send_settlement(task, &event);
    json_free(&json);
}
