#include "gateway/reply.h"

#include <assert.h>
#include <stdio.h>

#include <ev.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "gateway/gateway.h"
#include "gateway/problem.h"
#include "gateway/tracing.h"

#define EXPOSED                                                                                    \
    "Age, ETag, Idempotent-Replayed, Link, Location, Preference-Applied, RateLimit, "              \
    "RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id, traceparent"

static void put_field(struct buf *headers, const char *name, struct span value)
{
    buf_puts(headers, name);
    buf_put(headers, ": ", 2);
    buf_put(headers, value.bytes, value.len);
    buf_put(headers, "\r\n", 2);
}

static void put_cors(struct gateway *g, const struct exchange *exchange, struct buf *headers)
{
    struct span allowed = span_of(g->options->cors_origins);
    struct span origin;

    if (allowed.len == 0)
        return;
    buf_puts(headers, "Vary: Origin\r\n");
    if (exchange == NULL)
        return;
    origin = exchange_header(exchange, "origin");
    if (origin.len == 0 || !origin_is_allowed(allowed, origin))
        return;
    put_field(headers, "Access-Control-Allow-Origin", origin);
    buf_puts(headers, "Access-Control-Expose-Headers: " EXPOSED "\r\n");
}

void reply_put_common(struct gateway *g, const struct exchange *exchange, const char *request_id,
                      struct buf *headers)
{
    char fresh[ID_TEXT_BYTES];

    if (request_id == NULL) {
        id_format(id_fresh(0, (int64_t)(ev_now(g->loop) * 1000), 0, random_u64()), fresh);
        request_id = fresh;
    }
    put_field(headers, "X-Request-Id", (struct span){request_id, ID_TEXT_BYTES - 1});
    put_cors(g, exchange, headers);
}

static void put_preference(struct task *task)
{
    char applied[PREFERENCE_BYTES];

    preference_format(&task->preference, applied);
    buf_puts(&task->gateway->headers, "Vary: Prefer\r\n");
    if (applied[0] != '\0')
        reply_field(task, "Preference-Applied", applied);
}

/* A page's cookies are heeded by streams alone, and shown to named origins alone. */
static void put_credentials(struct task *task)
{
    struct span origin = exchange_header(task->exchange, "origin");

    if (task->route != NULL && task->route->who == WHO_WATCHER && origin.len > 0 &&
        origin_is_named(span_of(task->gateway->options->cors_origins), origin))
        reply_field(task, "Access-Control-Allow-Credentials", "true");
}

struct buf *reply_open(struct task *task)
{
    struct gateway *g = task->gateway;
    char id[ID_TEXT_BYTES];

    assert(task->exchange != NULL);
    buf_reset(&g->headers);
    buf_reset(&g->body);
    if (task->has_id)
        id_format(task->id, id);
    reply_put_common(g, task->exchange, task->has_id ? id : NULL, &g->headers);
    put_credentials(task);
    if (task->trace[0] != '\0')
        reply_field(task, "traceparent", task->trace);
    if (task->varies_by_prefer)
        put_preference(task);
    if (task->is_replayed)
        reply_field(task, "Idempotent-Replayed", "true");
    if (task->age_s > 0)
        buf_putf(&g->headers, "Age: %lld\r\n", (long long)task->age_s);
    return &g->body;
}

struct buf *reply_open_private(struct task *task)
{
    struct buf *body = reply_open(task);

    reply_field(task, "Cache-Control", "no-store");
    return body;
}

struct buf *reply_open_public(struct task *task)
{
    struct buf *body = reply_open(task);

    /* Its age counts as time that it was kept. */
    buf_putf(&task->gateway->headers, "Cache-Control: public, max-age=%lld\r\n",
             (long long)task->age_s + 1);
    return body;
}

void reply_field(struct task *task, const char *name, const char *value)
{
    put_field(&task->gateway->headers, name, span_of(value));
}

static void say_too_long(const struct task *task)
{
    char id[ID_TEXT_BYTES] = "-";

    if (task->has_id)
        id_format(task->id, id);
    log_event(LOG_ERROR, "answer_too_long", "route", task->route ? task->route->pattern : "",
              "request", id, "trace", task->trace, NULL);
}

void reply_send(struct task *task, int status, const char *content_type)
{
    struct buf *body = &task->gateway->body;

    if (body->failed) {
        say_too_long(task);
        buf_reset(body);
        status = 500;
        content_type = NULL;
    }
    reply_send_body(task, status, content_type, buf_span(body));
}

static void say(const struct task *task, int status, int64_t us)
{
    char id[ID_TEXT_BYTES] = "-";

    if (task->has_id)
        id_format(task->id, id);
    log_event(LOG_DEBUG, "answered", "route", task->route != NULL ? task->route->pattern : "-",
              "status", log_i64(status), "us", log_i64(us), "request", id, "trace",
              task->trace[0] != '\0' ? task->trace : "-", NULL);
}

static enum gauge stage_of(const struct task *task)
{
    if (task->counted != NULL)
        return G_STAGE_AVAILABILITY;
    return exchange_method(task->exchange) == METHOD_POST ? G_STAGE_COMMAND : G_STAGE_READ;
}

static void count(struct task *task, int status)
{
    struct metric_value *own = task->gateway->own;
    int64_t us = clock_mono_us() - exchange_began_us(task->exchange);
    enum gauge stage = stage_of(task);

    gauges_count_status(own, status);
    metric_observe_us(&own[stage], us > 0 ? (uint64_t)us : 0);
    if (task->tracing != NULL)
        tracing_answered(task, status);
    if (log_wants(LOG_DEBUG))
        say(task, status, us);
}

void reply_send_body(struct task *task, int status, const char *content_type, struct span body)
{
    struct exchange *exchange = task->exchange;
    struct buf *headers = &task->gateway->headers;
    struct response response = {.status = status,
                                .content_type = content_type,
                                .headers =
                                    headers->failed ? (struct span){"", 0} : buf_span(headers),
                                .body = body,
                                .close = task->ends_connection};

    count(task, status);
    /* The task ends first: answering may bring the connection's next request. */
    exchange_set_data(exchange, NULL);
    task->exchange = NULL;
    exchange_answer(exchange, &response);
    task_give(task);
}

void reply_stream(struct task *task, int status, const char *content_type,
                  const struct http_stream *stream, void *context)
{
    struct gateway *g = task->gateway;
    struct exchange *exchange = task->exchange;
    struct response first = {.status = status,
                             .content_type = content_type,
                             .headers = buf_span(&g->headers),
                             .body = buf_span(&g->body)};

    assert(!g->headers.failed && !g->body.failed);
    count(task, status);
    task->exchange = NULL;
    exchange_stream(exchange, &first, stream, context);
    task_give(task);
}

const char *reply_request_path(const struct task *task)
{
    bool is_admins = task->route != NULL && task->route->who == WHO_ADMIN;

    return is_admins ? "/v1/admin/requests/" : "/v1/requests/";
}

void reply_problem(struct task *task, int status, enum code code, const char *error,
                   const char *detail, unsigned retry_after_s)
{
    reply_problem_more(task, status, code, error, detail, retry_after_s, (struct span){"", 0});
}

void reply_problem_more(struct task *task, int status, enum code code, const char *error,
                        const char *detail, unsigned retry_after_s, struct span more)
{
    struct buf *body = reply_open(task);
    char instance[sizeof "/v1/admin/requests/" + ID_TEXT_BYTES];
    char id[ID_TEXT_BYTES];
    struct problem problem = {.status = status,
                              .code = code,
                              .error = error,
                              .detail = detail,
                              .instance = exchange_path(task->exchange),
                              .more = more};

    if (task->has_id) {
        id_format(task->id, id);
        snprintf(instance, sizeof instance, "%s%s", reply_request_path(task), id);
        problem.instance = span_of(instance);
    }
    if ((status == 429 || status == 503) && retry_after_s == 0)
        retry_after_s = 1;
    if (retry_after_s > 0) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%u", retry_after_s);
        reply_field(task, "Retry-After", seconds);
    }
    problem_render(body, &problem);
    reply_send(task, status, PROBLEM_TYPE);
}

void reply_not_found(struct task *task, const char *what)
{
    reply_problem(task, 404, CODE_NOT_FOUND, NULL, what, 0);
}

void reply_invalid(struct task *task, int status, const char *detail)
{
    reply_problem(task, status, CODE_INVALID, NULL, detail, 0);
}

void reply_overloaded(struct task *task, const char *why, unsigned retry_after_s)
{
    reply_problem(task, 503, CODE_OVERLOADED, NULL, why, retry_after_s);
}
