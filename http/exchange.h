/*
 * One HTTP request and its answer-to-be: all that an application sees of HTTP.
 *
 * The server reads, checks and bounds the request, then calls the application's `handle` once with
 * the exchange. The application answers exactly once with exchange_answer, now or later; answers
 * of pipelined exchanges go out in the order of their requests. If the client goes away first,
 * `gone` is called once instead, and the exchange must not be touched after it returns; it is not
 * called for an exchange that was answered. A client goes away by breaking its connection, by not
 * reading, or when an answer before this one closed the connection. One that has only shut its
 * sending side is still there: a mere FIN does not tell whether it reads on.
 *
 * The server, not the application, answers what is wrong with HTTP itself (400, 408, 413, 414, 417,
 * 431, 501, 505 and connection bounds 503), through the application's `render_error`, so that
 * errors look alike.
 *
 * Instead of answering, the application may open a stream: an answer that has no end of its own
 * (exchange_stream, below).
 */
#ifndef USHER_HTTP_EXCHANGE_H
#define USHER_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum http_method {
    HTTP_OTHER_ = 0,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_UNKNOWN
};

struct exchange;

/* What was asked. Spans are borrowed and live as long as the exchange. */
enum http_method exchange_method(const struct exchange *x);
struct span exchange_path(const struct exchange *x);  /* before '?', still percent-encoded */
struct span exchange_query(const struct exchange *x); /* after '?', or empty */
struct span exchange_body(const struct exchange *x);
/* The first header field of that name (any case), or an empty span with bytes == NULL. */
struct span exchange_header(const struct exchange *x, const char *name);
/* All fields of that name: call with *at = 0 until it returns false. */
bool exchange_header_next(const struct exchange *x, const char *name, size_t *at,
                          struct span *value);
/* Monotonic microseconds at which the request's last byte was read. */
int64_t exchange_began_us(const struct exchange *x);
/* The peer's address as text, NUL-terminated. */
const char *exchange_peer(const struct exchange *x);
/* Such a client knows neither Upgrade nor anything else of HTTP/1.1. */
bool exchange_is_http_1_0(const struct exchange *x);
/* A place for the application's own pointer, NULL at first. */
void exchange_set_data(struct exchange *x, void *data);
void *exchange_data(const struct exchange *x);

struct response {
    int status;
    const char *content_type; /* NULL with an empty body: none */
    struct span headers;      /* further fields, each "Name: value\r\n"; copied */
    struct span body;         /* copied; not sent for HEAD, though its length is */
    bool close;               /* close the connection after it */
};

/*
 * Date, Content-Length and Connection are added by the server; nothing else is. It never calls
 * back: what follows from it happens at the end of the loop's turn, and the exchange lives until
 * then. A body longer than output_bytes_max is sent only as far as the socket takes it at once.
 */
void exchange_answer(struct exchange *x, const struct response *response);

/*
 * A stream: the head and the first bytes go out, then whatever is written, until the application
 * ends it or its client goes away. 200 is answered without a length, so that the body ends with the
 * connection: no framing is wanted in HTTP/1.0 or 1.1, and the same bytes go to everybody. 101 is a
 * change of protocol, for which the application gives the fields; what the client sends from then
 * on is handed to `received`.
 *
 * A stream is bounded by not being a queue: while something of it is still unsent, nothing more is
 * taken, and the application keeps what it would say, or better, says the newest when it can. A
 * client that does not read for write_ms is closed like any other; no other timeout concerns it.
 */
struct http_stream {
    /* Once, unless the application ended it; the exchange must not be touched after it returns. The
     * client has broken its connection, has shut its sending side (who waits for something without
     * an end keeps it open), or does not read. */
    void (*gone)(void *context);
    /* After exchange_write took nothing: now it would. It may write. */
    void (*writable)(void *context);
    /* Borrowed bytes of the client's, behind its request. It may write, and end the stream. NULL:
     * they are dropped. */
    void (*received)(void *context, struct span bytes);
};

/* `first`, its status, type, headers and body, is copied. Never calls back. */
void exchange_stream(struct exchange *x, const struct response *first,
                     const struct http_stream *stream, void *context);
/* All of the bytes are taken, sent at once as far as the socket takes them; or false: none, because
 * earlier ones are unsent, and `writable` is called when they are not any more. Never calls back.
 */
bool exchange_write(struct exchange *x, struct span bytes);
/* What was taken is sent, then the connection ends. The exchange must not be touched again. */
void exchange_end(struct exchange *x);

struct http_application {
    void *context;
    void (*handle)(void *context, struct exchange *x);
    void (*gone)(void *context, struct exchange *x);
    /* How many body bytes this request may bring (0: none is fine, but more is 413). Called once
     * the head of each request is read. The body may never come, and `gone` is not called before
     * `handle` was: keep nothing that has to be freed. */
    size_t (*body_bytes_max)(void *context, struct exchange *x);
    /* The server's own refusal: write further header fields and a body; the content type is
     * returned. A 503 has its Retry-After already. */
    const char *(*render_error)(void *context, int status, const char *detail, struct buf *headers,
                                struct buf *body);
};

#endif
