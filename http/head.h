/*
 * The strict scan of a raw request head, before any other parser sees it. Pure: no allocation, no
 * clock, no I/O. It decides what is a request at all and where the request ends, so that whatever
 * reads the bytes afterwards cannot disagree with us about either.
 *
 * RFC 9112 with every leniency left out: lines end in CRLF; one space between the parts of the
 * request line; a token directly before each colon; no folding; no control bytes; one Host; one
 * Content-Length of digits; Transfer-Encoding exactly `chunked`, never beside Content-Length and
 * never in HTTP/1.0. One empty line before the request line is skipped, as the RFC asks.
 */
#ifndef USHER_HTTP_HEAD_H
#define USHER_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "http/exchange.h"

enum head_verdict {
    HEAD_INCOMPLETE, /* every byte so far is fine, more are needed */
    HEAD_COMPLETE,
    HEAD_BAD, /* status and why are set; nothing behind these bytes can be trusted */
};

struct head {
    size_t len;              /* of the head with its last empty line; the body begins here */
    size_t skipped;          /* 2 if an empty line stood before the request line, else 0 */
    enum http_method method; /* also set in a bad head, once it was read; else HTTP_OTHER_ */
    size_t method_len;
    int minor; /* HTTP/1.minor: 0 or 1 */
    size_t fields;
    bool chunked;
    bool has_length;
    uint64_t content_length;
    bool expects_continue; /* never in HTTP/1.0 */

    int status;      /* bad: the HTTP status of the refusal */
    const char *why; /* bad: a static sentence for the client */
};

enum head_verdict head_scan(struct span input, struct head *head);

/* What may stand in a field line; shared with the trailers of a chunked body. */
bool head_byte_in_token(unsigned char byte);
bool head_byte_in_value(unsigned char byte);

#endif
