/* What comes in: bytes become requests, requests are handed to the application. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "http/connection.h"

/* Answers to pipelined requests are collected up to this before they are sent. */
#define OUTPUT_BATCH_BYTES 65536

static void take(struct connection *c, struct span input);
static bool take_head(struct connection *c, struct span *input);
static void take_body(struct connection *c, struct span *input);
static void hand_over(struct connection *c);
static void keep(struct connection *c, struct span input);

/* One read a turn: the loop asks again if there is more, and meanwhile others have theirs. */
void intake_read(struct connection *c)
{
    struct http_server *server = c->server;
    assert(c->input_len < INPUT_BYTES_MAX);
    ssize_t n = recv(c->io.fd, server->input + c->input_len, INPUT_BYTES_MAX - c->input_len, 0);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            c->is_doomed = true;
        return;
    }
    if (n == 0) {
        c->has_eof = true;
        return;
    }
    if (c->input_len > 0)
        memcpy(server->input, c->input, c->input_len);
    server->counts.bytes_in += (uint64_t)n;
    c->read_us = server->now_us;
    take(c, (struct span){server->input, c->input_len + (size_t)n});
}

void intake_resume(struct connection *c)
{
    char *kept = c->input;
    struct span input = {kept, c->input_len};
    c->input = NULL;
    c->input_len = 0;
    take(c, input);
    free(kept);
}

bool intake_may_go_on(const struct connection *c)
{
    return !c->is_doomed && c->under_way < PIPELINE_MAX && output_unsent(c) == 0;
}

void intake_drop(struct connection *c)
{
    free(c->input);
    c->input = NULL;
    c->input_len = 0;
    c->is_stalled = false;
}

static bool has_room_for_request(struct connection *c)
{
    if (output_unsent(c) >= OUTPUT_BATCH_BYTES)
        output_flush(c);
    return c->under_way < PIPELINE_MAX && output_unsent(c) < OUTPUT_BATCH_BYTES;
}

static void take(struct connection *c, struct span input)
{
    c->is_busy = true;
    c->is_stalled = false;
    while (input.len > 0 && !c->is_doomed) {
        if (c->incoming == NULL) {
            if (c->is_closing) {
                if (!stream_take(c, input))
                    c->dropped += input.len;
                break;
            }
            c->is_stalled = !has_room_for_request(c);
            if (c->is_stalled || !take_head(c, &input))
                break;
        }
        if (c->incoming != NULL)
            take_body(c, &input);
    }
    keep(c, input);
    c->is_busy = false;
}

static void keep(struct connection *c, struct span input)
{
    bool is_wanted = input.len > 0 && !c->is_doomed && !c->is_closing;
    char *kept = NULL;
    if (is_wanted) {
        kept = malloc(input.len);
        if (kept == NULL)
            c->is_doomed = true;
        else
            memcpy(kept, input.bytes, input.len);
    }
    free(c->input);
    c->input = kept;
    c->input_len = kept != NULL ? input.len : 0;
    if (kept == NULL)
        c->is_stalled = false;
}

/* Decide by the head alone whether the body may come, and ask for it where that is expected. */
static void admit_body(struct connection *c, const struct head *head, bool has_begun)
{
    const struct http_application *application = c->server->application;
    c->body_max = application->body_bytes_max(application->context, c->incoming);
    c->body_left = head->content_length;
    c->is_chunked = head->chunked;
    c->chunked = (struct chunked){0};
    if (head->content_length > c->body_max) {
        intake_refuse(c, head->method, 413, "The request's body is too large.");
        return;
    }
    bool has_body = head->chunked || head->content_length > 0;
    c->owes_continue = head->expects_continue && has_body && !has_begun;
}

/* False: nothing more can be taken now. */
static bool take_head(struct connection *c, struct span *input)
{
    struct http_server *server = c->server;
    struct head head;
    switch (head_scan(*input, &head)) {
    case HEAD_INCOMPLETE:
        return false;
    case HEAD_BAD:
        intake_refuse(c, head.method, head.status, head.why);
        return false;
    case HEAD_COMPLETE:
        break;
    }
    struct span bytes = {input->bytes + head.skipped, head.len - head.skipped};
    if (!parser_read(bytes, head.method_len, &server->parsed)) {
        intake_refuse(c, head.method, 400, "The request's head is malformed.");
        return false;
    }
    c->incoming = exchange_take(&server->exchanges, c, &head, bytes, &server->parsed);
    if (c->incoming == NULL) {
        c->is_doomed = true;
        return false;
    }
    input->bytes += head.len;
    input->len -= head.len;
    c->is_fresh = true;
    admit_body(c, &head, input->len > 0);
    if (c->incoming != NULL && !c->is_chunked && c->body_left == 0)
        hand_over(c);
    return true;
}

static bool put_body(struct connection *c, struct span bytes)
{
    enum err err = exchange_body_put(c->incoming, bytes, c->body_max);
    if (err == ERR_BOUND)
        intake_refuse(c, METHOD_UNKNOWN, 413, "The request's body is too large.");
    else if (err)
        intake_refuse(c, METHOD_UNKNOWN, 503, "There is no memory for the request's body.");
    return err == ERR_NONE;
}

static void take_chunks(struct connection *c, struct span *input)
{
    struct span data;
    for (;;) {
        switch (chunked_read(&c->chunked, input, &data)) {
        case CHUNKED_HAS_DATA:
            if (!put_body(c, data))
                return;
            continue;
        case CHUNKED_WANTS_MORE:
            return;
        case CHUNKED_IS_DONE:
            hand_over(c);
            return;
        case CHUNKED_IS_BAD:
            intake_refuse(c, METHOD_UNKNOWN, 400, "The request's chunked body is malformed.");
            return;
        }
    }
}

static void take_body(struct connection *c, struct span *input)
{
    if (input->len == 0)
        return;
    c->owes_continue = false; /* it did not wait for it */
    if (c->is_chunked) {
        take_chunks(c, input);
        return;
    }
    struct span bytes = *input;
    if (bytes.len > c->body_left)
        bytes.len = (size_t)c->body_left;
    input->bytes += bytes.len;
    input->len -= bytes.len;
    c->body_left -= bytes.len;
    if (put_body(c, bytes) && c->body_left == 0)
        hand_over(c);
}

static void append(struct connection *c, struct exchange *x)
{
    x->next = NULL;
    if (c->last != NULL)
        c->last->next = x;
    else
        c->first = x;
    c->last = x;
    c->under_way++;
}

static void hand_over(struct connection *c)
{
    struct http_server *server = c->server;
    struct exchange *x = c->incoming;
    c->incoming = NULL;
    c->owes_continue = false;
    c->is_fresh = true;
    c->is_closing = c->is_closing || !x->keep_alive || server->is_draining;
    append(c, x);
    server->counts.requests++;
    x->began_us = c->read_us;
    exchange_set_state(x, EXCHANGE_HANDED);
    server->application->handle(server->application->context, x);
    server_give_finished(server);
}

static void count_refusal(struct connection *c, int status, const char *why)
{
    struct http_counts *counts = &c->server->counts;
    if (status == 408)
        counts->timeouts++;
    else if (status == 503)
        counts->refused++;
    else
        counts->malformed++;
    if (log_wants(LOG_DEBUG))
        log_event(LOG_DEBUG, "request_refused", "peer", c->peer, "status",
                  log_u64((unsigned long long)status), "why", why, NULL);
}

void intake_refuse(struct connection *c, enum http_method method, int status, const char *why)
{
    struct http_server *server = c->server;
    const struct http_application *application = server->application;
    struct exchange *x = c->incoming;
    if (x == NULL)
        x = exchange_take_bare(&server->exchanges, c, method);
    c->incoming = NULL;
    c->owes_continue = false;
    c->is_closing = true;
    intake_drop(c);
    if (x == NULL) {
        c->is_doomed = true;
        return;
    }
    count_refusal(c, status, why);
    append(c, x);

    buf_reset(&server->error_headers);
    buf_reset(&server->error_body);
    if (status == 503)
        buf_puts(&server->error_headers, "Retry-After: 1\r\n");
    const char *type = application->render_error(application->context, status, why,
                                                 &server->error_headers, &server->error_body);
    assert(!server->error_headers.failed && !server->error_body.failed);
    exchange_answer(x, &(struct response){.status = status,
                                          .content_type = type,
                                          .headers = buf_span(&server->error_headers),
                                          .body = buf_span(&server->error_body),
                                          .close = true});
}
