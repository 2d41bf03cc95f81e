/*
 * The http provider, shaped after Stripe: payment intents that are confirmed as they are made,
 * refunds, and the payment's id as the Idempotency-Key and in the metadata, by which it is found
 * again. No card data passes here: `method` is the provider's own token.
 *
 * What counts as final: 2xx by the object's status; 400, 402 and 404 as a refusal, with the error's
 * code. Everything else (no answer, 401, 403, 409, 429, 5xx, an error about the key) says nothing
 * of the money: it is asked again.
 */
#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "courier/json.h"
#include "courier/provider.h"
#include "courier/web.h"

#define URL_BYTES_MAX 2048
#define FORM_BYTES_MAX 2048
#define WORD_BYTES 64

struct stripe {
    const struct options *options;
    provider_done *done;
    void *context;
    struct web *web;
};

static void put_encoded(struct buf *b, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 128 && isalnum(c)) || c == '-' || c == '_' || c == '.' || c == '~')
            buf_putc(b, (char)c);
        else
            buf_putf(b, "%%%02X", c);
    }
}

static void put_pair(struct buf *b, const char *name, const char *value)
{
    if (b->len > 0)
        buf_putc(b, '&');
    put_encoded(b, name);
    buf_putc(b, '=');
    put_encoded(b, value);
}

static void put_id_pair(struct buf *b, const char *name, struct id id)
{
    char text[ID_TEXT_BYTES];

    id_format(id, text);
    put_pair(b, name, text);
}

static void put_amount(struct buf *b, const struct job *job)
{
    char amount[24];

    snprintf(amount, sizeof amount, "%" PRId64, job->amount);
    put_pair(b, "amount", amount);
}

static void put_charge(struct buf *form, const struct job *job)
{
    char currency[sizeof job->currency];

    for (size_t i = 0; i < sizeof currency; i++)
        currency[i] = (char)tolower((unsigned char)job->currency[i]);
    put_amount(form, job);
    put_pair(form, "currency", currency);
    put_pair(form, "confirm", "true");
    put_pair(form, "error_on_requires_action", "true"); /* nobody is there to act */
    put_pair(form, "automatic_payment_methods[enabled]", "true");
    put_pair(form, "automatic_payment_methods[allow_redirects]", "never");
    if (job->method[0] != '\0')
        put_pair(form, "payment_method", job->method);
    put_id_pair(form, "metadata[payment]", job->payment);
    put_id_pair(form, "metadata[booking]", job->booking);
}

static void put_refund(struct buf *form, const struct job *job)
{
    put_pair(form, "payment_intent", job->reference);
    put_amount(form, job);
    put_pair(form, "reason", "requested_by_customer");
    put_id_pair(form, "metadata[refund]", job->refund);
    put_id_pair(form, "metadata[payment]", job->payment);
}

/* Nothing is made: a payment is asked for, or a refund that the provider works on. */
static bool is_question(const struct job *job)
{
    return job->kind == JOB_ASK || (job->kind == JOB_REFUND && job->refund_reference[0] != '\0');
}

/* By its name if that is known, else by what the metadata says. */
static void put_question(struct buf *url, const struct job *job)
{
    char payment[ID_TEXT_BYTES], query[ID_TEXT_BYTES + 32];

    if (job->kind == JOB_REFUND) {
        buf_puts(url, "/v1/refunds/");
        put_encoded(url, job->refund_reference);
        return;
    }
    if (job->reference[0] != '\0') {
        buf_puts(url, "/v1/payment_intents/");
        put_encoded(url, job->reference);
        return;
    }
    id_format(job->payment, payment);
    snprintf(query, sizeof query, "metadata['payment']:'%s'", payment);
    buf_puts(url, "/v1/payment_intents/search?query=");
    put_encoded(url, query);
}

static void begin(void *self, struct job *job)
{
    struct stripe *s = self;
    char secret[URL_BYTES_MAX], key[ID_TEXT_BYTES], key_field[ID_TEXT_BYTES + 32];
    char trace_field[CARRIED_FIELD_BYTES];
    const char *trace = carried_field(&job->carried, trace_field);
    struct web_question question = {.about = job, .headers = {secret, trace}};
    struct buf url, form;

    buf_init(&url, URL_BYTES_MAX);
    buf_init(&form, FORM_BYTES_MAX);
    buf_puts(&url, s->options->provider_url);
    if (is_question(job)) {
        put_question(&url, job);
    } else {
        bool is_charge = job->kind == JOB_CHARGE;
        buf_puts(&url, is_charge ? "/v1/payment_intents" : "/v1/refunds");
        (is_charge ? put_charge : put_refund)(&form, job);
        id_format(is_charge ? job->payment : job->refund, key);
        snprintf(key_field, sizeof key_field, "Idempotency-Key: %s", key);
        question.headers[trace != NULL ? 2 : 1] = key_field;
        question.form = buf_text(&form);
    }
    snprintf(secret, sizeof secret, "Authorization: Bearer %s", s->options->provider_secret);
    question.url = buf_text(&url);
    assert(question.url != NULL && !form.failed);
    web_ask(s->web, &question);
    buf_free(&url);
    buf_free(&form);
}

/* A word of the provider's that fits and is text; else what usher calls it. */
static void keep_word(char *into, size_t size, const char *word, const char *otherwise)
{
    struct span s = span_of(word);
    bool is_word = s.len > 0 && s.len < size && text_is_utf8(s) && !text_has_control(s);

    snprintf(into, size, "%s", is_word ? word : otherwise);
}

static void read_reference(const struct json *json, const char *path, struct verdict *verdict)
{
    char text[REFERENCE_BYTES_MAX + 1];

    json_text(json, path, text, sizeof text);
    keep_word(verdict->reference, sizeof verdict->reference, text, "");
}

static void fail(const struct json *json, const char *path, struct verdict *verdict)
{
    char text[REASON_BYTES_MAX + 1];

    verdict->kind = VERDICT_FAILED;
    json_text(json, path, text, sizeof text);
    keep_word(verdict->reason, sizeof verdict->reason, text, "declined");
}

/* A payment intent at a place in the answer ("" or "data.0."). */
static void read_intent(const struct json *json, const char *at, struct verdict *verdict)
{
    char path[WORD_BYTES], status[WORD_BYTES];

    snprintf(path, sizeof path, "%sstatus", at);
    json_text(json, path, status, sizeof status);
    snprintf(path, sizeof path, "%slast_payment_error.code", at);
    if (strcmp(status, "succeeded") == 0)
        verdict->kind = VERDICT_SUCCEEDED;
    else if (strcmp(status, "requires_payment_method") == 0 || strcmp(status, "canceled") == 0)
        fail(json, path, verdict);
    else if (status[0] != '\0')
        verdict->kind = VERDICT_WORKING;
    snprintf(path, sizeof path, "%sid", at);
    read_reference(json, path, verdict);
}

/* What a search found: one that succeeded counts before any other. */
static void read_found(const struct json *json, struct verdict *verdict)
{
    size_t count = json_length(json, "data");
    char at[WORD_BYTES];

    verdict->kind = VERDICT_ABSENT;
    for (size_t i = 0; i < count && verdict->kind != VERDICT_SUCCEEDED; i++) {
        struct verdict one = {.kind = VERDICT_UNKNOWN};
        snprintf(at, sizeof at, "data.%zu.", i);
        read_intent(json, at, &one);
        *verdict = one;
    }
}

/* One that is "pending" has its end before it: it is asked for by its name from then on, since its
 * key would only bring this first answer again. */
static void read_refund(const struct json *json, struct verdict *verdict)
{
    char status[WORD_BYTES];

    json_text(json, "status", status, sizeof status);
    if (strcmp(status, "succeeded") == 0)
        verdict->kind = VERDICT_SUCCEEDED;
    else if (strcmp(status, "failed") == 0 || strcmp(status, "canceled") == 0)
        fail(json, "failure_reason", verdict);
    else if (status[0] != '\0')
        verdict->kind = VERDICT_WORKING;
    read_reference(json, "id", verdict);
}

static void read_error(const struct json *json, struct verdict *verdict)
{
    char type[WORD_BYTES];

    json_text(json, "error.type", type, sizeof type);
    if (type[0] == '\0' || strcmp(type, "idempotency_error") == 0)
        return;
    fail(json, "error.code", verdict);
    read_reference(json, "error.payment_intent.id", verdict);
}

static struct verdict judge(const struct job *job, int status, struct span body)
{
    struct verdict verdict = {.kind = VERDICT_UNKNOWN};
    struct json json = json_read(body);

    if (status == 200 && job->kind == JOB_REFUND)
        read_refund(&json, &verdict);
    else if (status == 200 && json_length(&json, "data") > 0)
        read_found(&json, &verdict);
    else if (job->kind == JOB_ASK &&
             (status == 404 || (status == 200 && job->reference[0] == '\0')))
        verdict.kind = VERDICT_ABSENT;
    else if (status == 200)
        read_intent(&json, "", &verdict);
    else if ((status == 400 || status == 402 || status == 404) && !is_question(job))
        read_error(&json, &verdict);
    json_free(&json);
    return verdict;
}

static void on_answer(void *context, void *about, int status, struct span body, const char *why)
{
    struct stripe *s = context;
    struct job *job = about;
    struct verdict verdict = judge(job, status, body);
    char id[ID_TEXT_BYTES];

    id_format(job->payment, id);
    if (verdict.kind == VERDICT_UNKNOWN)
        log_event(status == 401 || status == 403 ? LOG_ERROR : LOG_WARN, "provider_unclear",
                  "status", log_i64(status), "why", status == 0 ? why : "-", "payment", id, "trace",
                  job->carried.trace, NULL);
    s->done(s->context, job, &verdict);
}

static void wait_for(void *self, int64_t ms)
{
    struct stripe *s = self;

    web_wait(s->web, ms);
}

static void stripe_free(void *self)
{
    struct stripe *s = self;

    web_free(s->web);
    free(s);
}

struct provider stripe_new(const struct options *options, provider_done *done, void *context)
{
    struct stripe *s = calloc(1, sizeof *s);

    assert(s != NULL);
    s->options = options;
    s->done = done;
    s->context = context;
    s->web = web_new(options->provider_ms, on_answer, s);
    return (struct provider){begin, wait_for, stripe_free, s};
}
