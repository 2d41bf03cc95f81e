/*
 * GET /v1/shows/{show}/ws: the stream of events as a WebSocket. Each event is a text message, the
 * event's JSON with its id as a member. What the client says is read for the protocol's sake:
 * pings, pongs, its end; messages are passed over. One that answers no ping is let go.
 */
#include <string.h>

#include "gateway/fields.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/live_private.h"
#include "gateway/live_routes.h"
#include "gateway/problem.h"
#include "gateway/reply.h"
#include "gateway/websocket.h"

static void put_message(struct buf *out, const char *id, struct span text)
{
    static struct buf message;

    if (message.max == 0)
        buf_init(&message, LIVE_BURST_BYTES_MAX);
    buf_reset(&message);
    buf_puts(&message, "{\"id\":\"");
    buf_puts(&message, id);
    buf_puts(&message, "\",");
    buf_put(&message, text.bytes, text.len);
    buf_putc(&message, '}');
    out->failed = out->failed || message.failed;
    websocket_put_text(out, buf_span(&message));
}

static const struct live_way as_messages = {
    .parts = 1u << LIVE_COUNTS | 1u << LIVE_SALE | 1u << LIVE_QUEUE,
    .seats = true,
    .put = put_message,
};

static bool beat(struct live_client *client, struct buf *out)
{
    bool was_heard = client->was_heard;

    client->was_heard = false;
    if (was_heard)
        websocket_put_ping(out);
    return was_heard;
}

static void greet(struct buf *out, int64_t retry_ms)
{
    (void)out;
    (void)retry_ms;
}

static void part(struct buf *out, int64_t retry_ms)
{
    (void)retry_ms; /* there is no word for it */
    websocket_put_close(out, WEBSOCKET_GOING_AWAY, SPAN("come again"));
}

static void gone(void *context)
{
    struct live_client *client = context;

    websocket_free(client->socket);
    live_client_free(client);
}

/* A pong that a slow client has no room for is left out: the next one says the same. */
static void received(void *context, struct span bytes)
{
    struct live_client *client = context;
    struct buf *out = &client->topic->live->scratch;

    client->was_heard = true;
    buf_reset(out);
    if (!websocket_take(&client->socket, bytes, out))
        live_client_end(client, buf_span(out));
    else if (out->len > 0)
        exchange_write(client->exchange, buf_span(out));
}

static const struct http_stream stream = {
    .gone = gone, .writable = live_client_writable, .received = received};

const struct live_transport live_websocket = {.way = &as_messages,
                                              .gauge = G_STREAMS_WEBSOCKET,
                                              .stream = &stream,
                                              .beat = beat,
                                              .greet = greet,
                                              .part = part};

static bool asks_for_websocket(const struct exchange *x)
{
    return exchange_method(x) == METHOD_GET && !exchange_is_http_1_0(x) &&
           list_has_token(exchange_header(x, "upgrade"), "websocket") &&
           list_has_token(exchange_header(x, "connection"), "upgrade");
}

/* A browser names the page's origin. What is told here is nobody's secret; but who may read it from
 * a script is the operator's word, as for every other route. */
static bool is_from_allowed_page(const struct task *task)
{
    struct span origin = exchange_header(task->exchange, "origin");
    struct span host = exchange_header(task->exchange, "host");

    return origin.bytes == NULL || origin_is_of_host(origin, host) ||
           origin_is_allowed(span_of(task->gateway->options->cors_origins), origin);
}

static void refuse_upgrade(struct task *task, const char *why)
{
    struct problem problem = {.status = 426,
                              .code = CODE_INVALID,
                              .detail = why,
                              .instance = exchange_path(task->exchange)};
    struct buf *body = reply_open(task);

    reply_field(task, "Upgrade", "websocket");
    reply_field(task, "Connection", "Upgrade");
    reply_field(task, "Sec-WebSocket-Version", "13");
    problem_render(body, &problem);
    reply_send(task, problem.status, PROBLEM_TYPE);
}

/* False: the task was answered. */
static bool check_handshake(struct task *task, char accept[WEBSOCKET_ACCEPT_BYTES])
{
    const struct exchange *x = task->exchange;

    if (!asks_for_websocket(x))
        refuse_upgrade(task, "This is a WebSocket; the same as server-sent events is at …/events");
    else if (!span_is(exchange_header(x, "sec-websocket-version"), "13"))
        refuse_upgrade(task, "Only version 13 of the WebSocket protocol is known here");
    else if (!websocket_accept(exchange_header(x, "sec-websocket-key"), accept))
        reply_invalid(task, 400, "Sec-WebSocket-Key must be 16 bytes in base64");
    else if (!is_from_allowed_page(task))
        reply_invalid(task, 403, "Pages of this origin may not read here (cors_origins)");
    else
        return true;
    return false;
}

void get_show_socket(struct task *task)
{
    char accept[WEBSOCKET_ACCEPT_BYTES], bytes[LIVE_ID_BYTES];
    struct live_topic *topic;
    struct span last;

    if (!check_handshake(task, accept) || !live_read_last_id(task, bytes, &last))
        return;
    topic = live_give(task, task->parameter[0]);
    if (topic == NULL)
        return;
    reply_open(task);
    reply_field(task, "Upgrade", "websocket");
    reply_field(task, "Connection", "Upgrade");
    reply_field(task, "Sec-WebSocket-Accept", accept);
    live_open(task, topic, &live_websocket, 101, NULL, last);
}
