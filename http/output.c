/* What goes out: answers in the order of their requests, as few writes as possible. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/log.h"
#include "http/connection.h"

static void put_answer(struct connection *c, struct exchange *x, const struct response *response);
static void keep_answer(struct connection *c, struct exchange *x, const struct response *response);
static void put_kept_answers(struct connection *c);

size_t output_unsent(const struct connection *c)
{
    return c->output.len - c->output_sent;
}

/* The application may answer from anywhere, so nothing is closed or freed here. */
void connection_answer(struct connection *c, struct exchange *x, const struct response *response)
{
    if (c->is_doomed || c->is_ended)
        return; /* nobody will read it; the exchange goes with its connection */
    bool is_last = c->is_closing && x == c->last && c->incoming == NULL;
    x->ends_connection = response->close || is_last;
    if (response->close)
        c->is_closing = true;
    if (x == c->first) {
        put_answer(c, x, response);
        put_kept_answers(c);
    } else {
        keep_answer(c, x, response);
    }
    connection_make_due(c);
}

static enum response_connection connection_field(const struct exchange *x)
{
    if (x->ends_connection)
        return RESPONSE_CLOSE;
    return x->is_http_1_0 ? RESPONSE_KEEP_ALIVE : RESPONSE_IMPLICIT;
}

static struct span render_head(struct http_server *server, const struct exchange *x,
                               const struct response *response)
{
    struct buf *head = &server->response_head;
    buf_reset(head);
    response_put_head(head, response, server_date(server), connection_field(x));
    assert(!head->failed);
    return buf_span(head);
}

static struct span body_to_send(const struct exchange *x, const struct response *response)
{
    bool has_body = x->method != METHOD_HEAD && response_may_have_body(response->status);
    return has_body ? response->body : (struct span){NULL, 0};
}

static void doom_for_bound(struct connection *c)
{
    log_event(LOG_WARN, "output_bound_reached", "peer", c->peer, "unsent",
              log_u64(output_unsent(c) + c->kept_bytes), NULL);
    c->is_doomed = true;
}

static size_t output_room(const struct connection *c)
{
    size_t used = output_unsent(c) + c->kept_bytes;
    size_t max = c->server->options.output_bytes_max;
    return used < max ? max - used : 0;
}

/* Bytes went out, or the descriptor is broken. */
static size_t note_sent(struct connection *c, ssize_t n)
{
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            c->is_doomed = true;
        return 0;
    }
    c->server->counts.bytes_out += (uint64_t)n;
    c->is_fresh = c->is_fresh || n > 0;
    return (size_t)n;
}

/* What is too much for the buffer may still fit into the socket. */
static void skip(struct span *s, size_t n)
{
    if (n > 0) /* one that is empty may be nowhere */
        *s = (struct span){s->bytes + n, s->len - n};
}

void output_send_through(struct connection *c, struct span *a, struct span *b)
{
    struct iovec parts[] = {{.iov_base = (void *)(uintptr_t)a->bytes, .iov_len = a->len},
                            {.iov_base = (void *)(uintptr_t)b->bytes, .iov_len = b->len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    size_t sent = note_sent(c, sendmsg(c->io.fd, &message, MSG_NOSIGNAL));
    size_t of_a = sent < a->len ? sent : a->len;
    skip(a, of_a);
    skip(b, sent - of_a);
}

void output_put(struct connection *c, struct span a, struct span b)
{
    struct http_server *server = c->server;
    if (a.len + b.len > output_room(c))
        output_flush(c);
    if (a.len + b.len > output_room(c) && output_unsent(c) == 0 && !c->is_doomed)
        output_send_through(c, &a, &b);
    if (c->is_doomed || a.len + b.len == 0)
        return;
    if (a.len + b.len > output_room(c)) {
        doom_for_bound(c);
        return;
    }
    if (c->output.bytes == NULL && server->spare_outputs_count > 0)
        c->output = server->spare_outputs[--server->spare_outputs_count];
    if (c->output_sent > 0) {
        buf_drop(&c->output, c->output_sent);
        c->output_sent = 0;
    }
    buf_put(&c->output, a.bytes, a.len);
    buf_put(&c->output, b.bytes, b.len);
    c->is_doomed = c->output.failed;
}

void output_finish_first(struct connection *c)
{
    struct http_server *server = c->server;
    struct exchange *x = c->first;
    c->first = x->next;
    if (c->first == NULL)
        c->last = NULL;
    c->under_way--;
    c->is_ended = x->ends_connection;
    x->next = server->finished;
    server->finished = x;
}

static void put_answer(struct connection *c, struct exchange *x, const struct response *response)
{
    output_put(c, render_head(c->server, x, response), body_to_send(x, response));
    output_finish_first(c);
}

static void put_kept_answers(struct connection *c)
{
    while (c->first != NULL && c->first->state == EXCHANGE_ANSWERED && !c->is_ended) {
        struct span answer = buf_span(&c->first->answer);
        c->kept_bytes -= answer.len;
        output_put(c, answer, (struct span){NULL, 0});
        output_finish_first(c);
    }
    if (stream_is_first(c) && !c->is_ended)
        stream_begin(c);
}

static void keep_answer(struct connection *c, struct exchange *x, const struct response *response)
{
    struct span head = render_head(c->server, x, response);
    struct span body = body_to_send(x, response);
    if (head.len + body.len > output_room(c)) {
        doom_for_bound(c);
        return;
    }
    buf_init(&x->answer, head.len + body.len);
    buf_put(&x->answer, head.bytes, head.len);
    buf_put(&x->answer, body.bytes, body.len);
    c->kept_bytes += x->answer.len;
    c->is_doomed = x->answer.failed;
}

void output_continue(struct connection *c)
{
    c->owes_continue = false;
    output_put(c, SPAN("HTTP/1.1 100 Continue\r\n\r\n"), (struct span){NULL, 0});
}

/* The memory of an empty output is the next connection's. */
void output_free(struct connection *c)
{
    struct http_server *server = c->server;
    c->output_sent = 0;
    buf_reset(&c->output);
    if (c->output.bytes != NULL && c->output.cap <= OUTPUT_SPARE_BYTES &&
        server->spare_outputs_count < OUTPUTS_SPARE) {
        server->spare_outputs[server->spare_outputs_count++] = c->output;
        buf_init(&c->output, server->options.output_bytes_max);
    } else {
        buf_free(&c->output);
    }
}

void output_flush(struct connection *c)
{
    if (c->is_doomed || output_unsent(c) == 0)
        return;
    const char *from = c->output.bytes + c->output_sent;
    c->output_sent += note_sent(c, send(c->io.fd, from, output_unsent(c), MSG_NOSIGNAL));
    if (output_unsent(c) == 0)
        output_free(c);
}
