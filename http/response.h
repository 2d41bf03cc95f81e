/* How an answer looks on the wire. Pure, but for the Date, which the caller keeps up to date. */
#ifndef USHER_HTTP_RESPONSE_H
#define USHER_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "http/exchange.h"

/* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", made anew when the second changes. */
#define RESPONSE_DATE_BYTES 37
struct response_date {
    int64_t second;
    char line[RESPONSE_DATE_BYTES + 1];
};
void response_date_set(struct response_date *date, int64_t second);

enum response_connection {
    RESPONSE_IMPLICIT,   /* HTTP/1.1 that goes on: nothing needs saying */
    RESPONSE_KEEP_ALIVE, /* HTTP/1.0 that goes on */
    RESPONSE_CLOSE,
};

/* The status line and all fields, with the empty line; never the body. That of a stream has no
 * length, and keeps to itself what follows for the connection if it changes the protocol. */
void response_put_head(struct buf *out, const struct response *response,
                       const struct response_date *date, enum response_connection connection);
void response_put_stream_head(struct buf *out, const struct response *response,
                              const struct response_date *date);
/* 204, 304 and 1xx have neither a body nor a length. */
bool response_may_have_body(int status);

#endif
