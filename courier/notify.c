#include "courier/notify.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/random.h"
#include "courier/delivery.h"
#include "courier/mail.h"
#include "courier/web.h"

#define BODY_BYTES_MAX 65536
#define FIELD_BYTES_MAX 512
#define PRUNE_MS 3600000 /* look for what is to be forgotten this often … */
#define PRUNE_ON_MS 1000 /* … and this often while there is more of it */
#define GONE 410

struct notify {
    const struct options *options;
    struct postgres *postgres;
    struct report *report;
    struct web *web;
    struct delivery delivery[DELIVERIES_MAX], claimed[DELIVERIES_MAX];
    size_t under_way;
    int64_t look_us, prune_us;
};

static void say(const struct delivery *d, const struct attempt *attempt)
{
    char event[80];

    snprintf(event, sizeof event, "%.*s", (int)d->event.len, d->event.bytes);
    log_event(attempt->is_done        ? LOG_DEBUG
              : attempt->pause_ms < 0 ? LOG_ERROR
                                      : LOG_INFO,
              attempt->is_done ? "delivered" : "not_delivered", "webhook_id", event, "attempt",
              log_i64(d->attempts), "status", log_i64(attempt->status), "why", attempt->why,
              "trace", d->carried.trace, NULL);
}

/* Not where to: an address may hold what only its owner is to know. */
static void trace(const struct delivery *d, const struct attempt *attempt)
{
    struct trace_record span = {.name = "deliver", .is_error = !attempt->is_done};

    trace_put_text(&span, "usher.event", d->type);
    trace_put_text(&span, "usher.webhook_id", d->event);
    trace_put_number(&span, "usher.attempt", d->attempts);
    trace_put_number(&span,
                     d->kind == DELIVERY_MAIL ? "usher.smtp_status" : "http.response.status_code",
                     attempt->status);
    carried_end(&d->carried, &span);
}

/* If that cannot be written, the row comes back when its lease is over, under the same id. */
static void finish(struct notify *n, struct delivery *d, const struct attempt *attempt)
{
    say(d, attempt);
    trace(d, attempt);
    if (deliveries_tell(n->postgres, d, attempt))
        log_event(LOG_WARN, "delivery_not_noted", "why", postgres_why(n->postgres), NULL);
    delivery_free(d);
    n->under_way--;
    n->look_us = 0;
}

static int64_t next_pause(const struct notify *n, const struct delivery *d)
{
    return delivery_pause(d->attempts, n->options->webhook_first_ms, random_u64());
}

/* A refusal of the letter or of whom it is for: nobody has this address. All others (a password
 * that is wrong, a sender who may not send) are ours, and end when somebody mends them. */
static bool is_refused_for_ever(int status, const char *why)
{
    return status >= 550 && status <= 556 && strncmp(why, "MAIL failed", 11) != 0;
}

static void on_done(void *context, void *about, int status, struct span body, const char *why)
{
    struct notify *n = context;
    struct delivery *d = about;
    bool is_done = status >= 200 && status < 300;
    struct attempt attempt = {.status = status,
                              .why = is_done || status != 0 ? "" : why,
                              .is_done = is_done,
                              .is_gone = d->kind == DELIVERY_WEBHOOK && status == GONE,
                              .pause_ms = next_pause(n, d)};

    (void)body;
    if (attempt.is_gone || (d->kind == DELIVERY_MAIL && is_refused_for_ever(status, why)))
        attempt.pause_ms = -1;
    report_delivery(n->report, d->kind, &attempt, clock_mono_us() - d->began_us);
    finish(n, d, &attempt);
}

static void begin_webhook(struct notify *n, struct delivery *d)
{
    static const char agent[] = "User-Agent: usher/" USHER_VERSION;
    char id[128], at[64], signature[FIELD_BYTES_MAX + 32], trace_field[CARRIED_FIELD_BYTES];
    int64_t now_s = clock_wall_ms() / 1000;
    struct buf body, field;

    buf_init(&body, BODY_BYTES_MAX);
    buf_init(&field, FIELD_BYTES_MAX);
    delivery_body(&body, d);
    bool right = delivery_sign(&field, d, buf_span(&body), now_s);
    snprintf(id, sizeof id, "webhook-id: %.*s", (int)d->event.len, d->event.bytes);
    snprintf(at, sizeof at, "webhook-timestamp: %" PRId64, now_s);
    snprintf(signature, sizeof signature, "webhook-signature: %s", right ? buf_text(&field) : "");
    struct web_question question = {.url = d->url.bytes,
                                    .headers = {"Content-Type: application/json", id, at, signature,
                                                agent, carried_field(&d->carried, trace_field)},
                                    .form = buf_text(&body),
                                    .outside = &n->options->outside,
                                    .about = d};
    if (right && !body.failed)
        web_ask(n->web, &question);
    else
        finish(n, d,
               &(struct attempt){.why = "it cannot be signed: its secret is none", .pause_ms = -1});
    buf_free(&field);
    buf_free(&body);
}

static void begin_mail(struct notify *n, struct delivery *d)
{
    struct mail mail;

    mail_init(&mail);
    if (!mail_write(&mail, d, n->options->smtp_from)) {
        /* Not every user's name is an address, and not every event is worth a letter. */
        mail_free(&mail);
        finish(n, d, &(struct attempt){.why = mail.why, .is_done = true, .pause_ms = -1});
        return;
    }
    struct web_mail letter = {n->options->smtp_from, mail.to, buf_span(&mail.message),
                              options_needs_tls(n->options)};
    web_ask(n->web,
            &(struct web_question){.url = n->options->smtp_url, .mail = &letter, .about = d});
    mail_free(&mail);
}

static void begin(struct notify *n, const struct delivery *claimed)
{
    size_t at = 0;

    while (n->delivery[at].is_taken)
        at++;
    assert(at < DELIVERIES_MAX);
    n->delivery[at] = *claimed;
    n->under_way++;
    if (claimed->kind == DELIVERY_MAIL)
        begin_mail(n, &n->delivery[at]);
    else
        begin_webhook(n, &n->delivery[at]);
}

enum err notify_look(struct notify *n)
{
    size_t room = (size_t)n->options->deliveries_max - n->under_way, count = 0;
    /* Nobody else may take a row while its first courier still waits for an answer. */
    int64_t lease_ms = n->options->lease_ms > 2 * n->options->webhook_ms
                           ? n->options->lease_ms
                           : 2 * n->options->webhook_ms;
    int64_t now_us = clock_mono_us();

    if (now_us >= n->prune_us) {
        bool is_all;
        TRY(deliveries_prune(n->postgres, n->options->deliveries_keep_ms, &is_all));
        n->prune_us = now_us + (is_all ? PRUNE_MS : PRUNE_ON_MS) * (int64_t)1000;
    }
    if (room == 0 || now_us < n->look_us)
        return ERR_NONE;
    TRY(deliveries_claim(n->postgres, n->options->name, n->options->smtp_url[0] != '\0', room,
                         lease_ms, n->claimed, &count));
    n->look_us = count == 0 ? now_us + n->options->poll_ms * 1000 : 0;
    for (size_t i = 0; i < count; i++)
        begin(n, &n->claimed[i]);
    return ERR_NONE;
}

size_t notify_under_way(const struct notify *n)
{
    return n->under_way;
}

void notify_wait(struct notify *n, int64_t ms)
{
    if (n->under_way > 0)
        web_wait(n->web, ms);
}

struct notify *notify_new(const struct options *options, struct postgres *postgres,
                          struct report *report)
{
    struct notify *n = calloc(1, sizeof *n);

    assert(n != NULL);
    n->options = options;
    n->postgres = postgres;
    n->report = report;
    n->web = web_new(options->webhook_ms, on_done, n);
    return n;
}

void notify_free(struct notify *n)
{
    web_free(n->web);
    for (size_t i = 0; i < DELIVERIES_MAX; i++)
        if (n->delivery[i].is_taken)
            delivery_free(&n->delivery[i]);
    free(n);
}
