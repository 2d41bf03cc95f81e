#include "http/response.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define REASONS(X)                                                                                 \
    X(101, "Switching Protocols")                                                                  \
    X(200, "OK")                                                                                   \
    X(201, "Created")                                                                              \
    X(202, "Accepted")                                                                             \
    X(204, "No Content")                                                                           \
    X(206, "Partial Content")                                                                      \
    X(301, "Moved Permanently")                                                                    \
    X(302, "Found")                                                                                \
    X(303, "See Other")                                                                            \
    X(304, "Not Modified")                                                                         \
    X(307, "Temporary Redirect")                                                                   \
    X(308, "Permanent Redirect")                                                                   \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(402, "Payment Required")                                                                     \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(406, "Not Acceptable")                                                                       \
    X(408, "Request Timeout")                                                                      \
    X(409, "Conflict")                                                                             \
    X(410, "Gone")                                                                                 \
    X(411, "Length Required")                                                                      \
    X(412, "Precondition Failed")                                                                  \
    X(413, "Content Too Large")                                                                    \
    X(414, "URI Too Long")                                                                         \
    X(415, "Unsupported Media Type")                                                               \
    X(416, "Range Not Satisfiable")                                                                \
    X(417, "Expectation Failed")                                                                   \
    X(421, "Misdirected Request")                                                                  \
    X(422, "Unprocessable Content")                                                                \
    X(425, "Too Early")                                                                            \
    X(426, "Upgrade Required")                                                                     \
    X(428, "Precondition Required")                                                                \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(500, "Internal Server Error")                                                                \
    X(501, "Not Implemented")                                                                      \
    X(502, "Bad Gateway")                                                                          \
    X(503, "Service Unavailable")                                                                  \
    X(504, "Gateway Timeout")                                                                      \
    X(505, "HTTP Version Not Supported")

void response_date_set(struct response_date *date, int64_t second)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (second == date->second && date->line[0] != '\0')
        return;
    time_t time = (time_t)second;
    struct tm tm;
    gmtime_r(&time, &tm);
    date->second = second;
    char line[128]; /* not strftime: days and months are English in every locale */
    int n = snprintf(line, sizeof line, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                     days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
                     tm.tm_min, tm.tm_sec);
    assert(n == RESPONSE_DATE_BYTES);
    memcpy(date->line, line, sizeof date->line);
}

bool response_may_have_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static struct span status_line(int status)
{
    switch (status) {
#define X(number, reason)                                                                          \
    case number:                                                                                   \
        return SPAN("HTTP/1.1 " #number " " reason "\r\n");
        REASONS(X)
#undef X
    default: /* any other number is as good, only without its words */
        return (struct span){NULL, 0};
    }
}

static void put_status_line(struct buf *out, int status)
{
    struct span line = status_line(status);
    if (line.len > 0)
        buf_put(out, line.bytes, line.len);
    else
        buf_putf(out, "HTTP/1.1 %03d \r\n", status);
}

static void put_literal(struct buf *out, struct span text)
{
    buf_put(out, text.bytes, text.len);
}

static void put_beginning(struct buf *out, const struct response *response,
                          const struct response_date *date)
{
    assert(response->status >= 100 && response->status <= 599);
    put_status_line(out, response->status);
    buf_put(out, date->line, RESPONSE_DATE_BYTES);
    if (response->content_type != NULL) {
        put_literal(out, SPAN("Content-Type: "));
        buf_puts(out, response->content_type);
        put_literal(out, SPAN("\r\n"));
    }
}

static void put_end(struct buf *out, struct span further, enum response_connection connection)
{
    assert(further.len == 0 ||
           (further.len > 2 && memcmp(further.bytes + further.len - 2, "\r\n", 2) == 0));
    switch (connection) {
    case RESPONSE_IMPLICIT:
        break;
    case RESPONSE_KEEP_ALIVE:
        put_literal(out, SPAN("Connection: keep-alive\r\n"));
        break;
    case RESPONSE_CLOSE:
        put_literal(out, SPAN("Connection: close\r\n"));
        break;
    }
    if (further.len > 0)
        put_literal(out, further);
    put_literal(out, SPAN("\r\n"));
}

void response_put_head(struct buf *out, const struct response *response,
                       const struct response_date *date, enum response_connection connection)
{
    put_beginning(out, response, date);
    if (response_may_have_body(response->status)) {
        put_literal(out, SPAN("Content-Length: "));
        buf_put_u64(out, response->body.len);
        put_literal(out, SPAN("\r\n"));
    }
    put_end(out, response->headers, connection);
}

void response_put_stream_head(struct buf *out, const struct response *response,
                              const struct response_date *date)
{
    put_beginning(out, response, date);
    put_end(out, response->headers, response->status == 101 ? RESPONSE_IMPLICIT : RESPONSE_CLOSE);
}
