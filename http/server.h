/* The listener and its connections, on a libev loop. One server per process. */
#ifndef USHER_HTTP_SERVER_H
#define USHER_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "http/exchange.h"

struct ev_loop;
struct http_server;

struct http_server_options {
    const char *listen;      /* "127.0.0.1:8080", "[::1]:8080", ":8080" (all addresses) */
    bool begins_later;       /* nobody can connect before http_server_begin */
    size_t connections_max;  /* beyond: 503 with Retry-After and close */
    int64_t idle_ms;         /* a kept-alive connection with nothing under way */
    int64_t head_ms;         /* from a request's first byte to the end of its head: 408 */
    int64_t body_ms;         /* from the end of the head to the last byte of the body: 408 */
    int64_t write_ms;        /* without any progress while there is something to send: closed */
    size_t output_bytes_max; /* unsent bytes of one connection, beyond: closed */
};

struct http_counts { /* for metrics; monotonic except connections */
    uint64_t connections, accepted, refused, requests, timeouts, malformed, bytes_in, bytes_out;
};

/* Opens the listening socket with SO_REUSEPORT; ERR_INPUT (logged) for an address that cannot be
 * used. The application outlives the server. */
enum err http_server_open(struct ev_loop *loop, const struct http_server_options *options,
                          const struct http_application *application, struct http_server **server);
/* Whether somebody listens there already: another process that is shared the clients with. */
bool http_address_is_shared(const char *listen);
/* Let clients in; false, logged: the address cannot be had after all. */
bool http_server_begin(struct http_server *server);
/*
 * Graceful end. For notice_ms clients are still taken in and answered, each answer with Connection:
 * close, so that whoever stands in front has time to hear of it and nobody is cut off. Then: stop
 * accepting, finish the exchanges under way, close idle connections; `drained` is called once when
 * no connection is left. With no notice, what happens in between is up to luck: a client that comes
 * in the very moment in which the listener is closed is reset.
 */
void http_server_drain(struct http_server *server, int64_t notice_ms,
                       void (*drained)(void *context), void *context);
const struct http_counts *http_server_counts(const struct http_server *server);
int http_server_port(const struct http_server *server); /* as bound, when ":0" was asked for */
/* At once: connections are cut, `gone` is called for what was under way, all is freed. Not from
 * within `handle` or `gone`; from within `drained` it is fine. */
void http_server_close(struct http_server *server);

#endif
