/* GET /v1/shows/{show}/events, and the seeds' GET /events, as server-sent events. */
#include "gateway/live_routes.h"

#include <stdio.h>
#include <string.h>

#include "gateway/fields.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/live_private.h"
#include "gateway/reads.h"
#include "gateway/reply.h"

static bool beat(struct live_client *client, struct buf *out)
{
    (void)client; /* one that is gone does not acknowledge it, and the socket tells */
    buf_puts(out, ":\n\n");
    return true;
}

static void put_retry(struct buf *out, int64_t retry_ms)
{
    buf_putf(out, "retry: %lld\n\n", (long long)retry_ms);
}

static const struct http_stream stream = {.gone = live_client_gone,
                                          .writable = live_client_writable};

const struct live_transport live_sse = {.way = &live_as_sse,
                                        .gauge = G_STREAMS_SSE,
                                        .stream = &stream,
                                        .beat = beat,
                                        .greet = put_retry,
                                        .part = put_retry};

const struct live_transport live_seeds_sse = {.way = &live_as_seeds_sse,
                                              .gauge = G_STREAMS_SSE,
                                              .stream = &stream,
                                              .beat = beat,
                                              .greet = put_retry,
                                              .part = put_retry};

bool live_read_last_id(struct task *task, char bytes[LIVE_ID_BYTES], struct span *last)
{
    const char *text;

    *last = exchange_header(task->exchange, "last-event-id");
    if (last->len > 0)
        return true;
    if (!reads_text(task, "last_event_id", bytes, LIVE_ID_BYTES - 1, &text))
        return false;
    *last = span_of(text);
    return true;
}

static void open_answer(struct task *task)
{
    reply_open(task);
    reply_field(task, "Cache-Control", "no-cache");
    reply_field(task, "X-Accel-Buffering", "no"); /* nginx hands on what comes, when it comes */
}

/* A stream that is over at once. After a refusal a browser's EventSource would not come again. */
static void send_away(struct task *task)
{
    task->ends_connection = true;
    open_answer(task);
    put_retry(&task->gateway->body, live_retry_ms(task->gateway->live));
    reply_send(task, 200, LIVE_SSE_TYPE);
}

/* A client that cannot set header fields may name the last event in the query. */
static void answer_stream(struct task *task, struct span show,
                          const struct live_transport *transport)
{
    bool is_head = exchange_method(task->exchange) == METHOD_HEAD;
    struct live_topic *topic;
    char bytes[LIVE_ID_BYTES];
    struct span last;

    if (!live_read_last_id(task, bytes, &last))
        return;
    if (live_is_draining(task->gateway->live)) {
        send_away(task);
        return;
    }
    topic = live_give(task, show);
    if (topic == NULL)
        return;
    open_answer(task);
    if (is_head)
        reply_send(task, 200, LIVE_SSE_TYPE);
    else
        live_open(task, topic, transport, 200, LIVE_SSE_TYPE, last);
}

void get_show_events(struct task *task)
{
    answer_stream(task, task->parameter[0], &live_sse);
}

void live_answer_seeds(struct task *task)
{
    char bytes[SLUG_BYTES_MAX + 1];
    const char *show;

    if (!reads_text(task, "show", bytes, SLUG_BYTES_MAX, &show))
        return;
    answer_stream(task, span_of(show != NULL ? show : task->gateway->options->book_show),
                  &live_seeds_sse);
}
