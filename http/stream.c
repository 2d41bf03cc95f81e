/* Answers that have no end of their own: what they write goes past the output as long as the socket
 * takes it, so that a stream that waits owns no buffer. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "http/connection.h"

/* What the kernel keeps for a client that does not read is old news; it need not be much. */
#define SEND_BUFFER_BYTES 16384

/* A client whose machine is gone says nothing: bytes that are not acknowledged tell. */
static void set_socket(const struct connection *c)
{
    int bytes = SEND_BUFFER_BYTES;
    unsigned ms = (unsigned)c->server->options.write_ms;

    /* Both are improvements only: a descriptor that is no TCP socket goes without them. */
    (void)setsockopt(c->io.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    (void)setsockopt(c->io.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

static void keep_first(struct connection *c, struct exchange *x, struct span head, struct span body)
{
    buf_init(&x->answer, head.len + body.len);
    buf_put(&x->answer, head.bytes, head.len);
    buf_put(&x->answer, body.bytes, body.len);
    c->kept_bytes += x->answer.len;
    c->is_doomed = c->is_doomed || x->answer.failed;
}

void exchange_stream(struct exchange *x, const struct response *first,
                     const struct http_stream *stream, void *context)
{
    struct connection *c = x->connection;
    struct buf *head = &c->server->response_head;

    exchange_set_state(x, EXCHANGE_STREAMING);
    x->stream = stream;
    x->data = context;
    if (c->is_doomed || c->is_ended)
        return; /* `gone` comes with the end of the connection */
    x->ends_connection = true;
    c->is_closing = true;
    set_socket(c);
    buf_reset(head);
    response_put_stream_head(head, first, server_date(c->server));
    if (x == c->first)
        output_put(c, buf_span(head), first->body);
    else
        keep_first(c, x, buf_span(head), first->body);
    connection_make_due(c);
}

bool stream_is_first(const struct connection *c)
{
    return c->first != NULL && c->first->state == EXCHANGE_STREAMING;
}

void stream_begin(struct connection *c)
{
    struct span kept = buf_span(&c->first->answer);

    c->kept_bytes -= kept.len;
    output_put(c, kept, (struct span){NULL, 0});
    buf_free(&c->first->answer);
}

void stream_go_on(struct connection *c)
{
    struct exchange *x = c->first;

    if (c->has_eof)
        c->is_doomed = true;
    if (c->is_doomed || !x->owes_writable || output_unsent(c) > 0)
        return;
    x->owes_writable = false;
    x->stream->writable(x->data);
}

bool stream_take(struct connection *c, struct span input)
{
    if (!stream_is_first(c) || c->first->stream->received == NULL)
        return false;
    c->first->stream->received(c->first->data, input);
    return true;
}

bool exchange_write(struct exchange *x, struct span bytes)
{
    struct connection *c = x->connection;
    struct span nothing = {NULL, 0};

    if (c->is_doomed)
        return true; /* nobody will read it, and `gone` is on its way */
    if (x != c->first || output_unsent(c) > 0) {
        x->owes_writable = true;
        return false;
    }
    output_send_through(c, &bytes, &nothing);
    if (bytes.len > 0 && !c->is_doomed)
        output_put(c, bytes, nothing);
    if (c->is_doomed || bytes.len > 0)
        connection_make_due(c);
    return true;
}

void exchange_end(struct exchange *x)
{
    struct connection *c = x->connection;

    exchange_set_state(x, EXCHANGE_ANSWERED);
    if (x == c->first && !c->is_doomed && !c->is_ended)
        output_finish_first(c);
    connection_make_due(c);
}
