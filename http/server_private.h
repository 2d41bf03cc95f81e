/* What a server is made of, for connections and their parts alone. */
#ifndef USHER_HTTP_SERVER_PRIVATE_H
#define USHER_HTTP_SERVER_PRIVATE_H

#include <ev.h>

#include "http/exchange_private.h"
#include "http/response.h"
#include "http/server.h"
#include "http/timeouts.h"

#define INPUT_BYTES_MAX 16384    /* one read; also the most that a connection keeps unparsed */
#define OUTPUT_SPARE_BYTES 65536 /* output buffers up to this size are kept for the next ... */
#define OUTPUTS_SPARE 32         /* ... and this many of them */
#define ERROR_BYTES_MAX 16384    /* fields and body of a refusal */
#define ACCEPTS_PER_TURN 64
#define ACCEPT_PAUSE_SECONDS 0.1  /* when there is no descriptor left */
#define LINGER_MS 1000            /* how long a closed connection may still drop what it is sent */
#define DEAF_MS 500               /* the end of a notice: handshakes are finished, none begun */
#define REFUSED_LINGERING_MAX 256 /* beyond connections_max, to hear their 503 */

struct connection;

struct http_server {
    struct ev_loop *loop;
    struct http_server_options options;
    const struct http_application *application;
    struct http_counts counts;
    int64_t now_us; /* monotonic; of the event that is being worked on */

    ev_io listener;
    ev_timer accept_pause;
    bool is_short_of_descriptors; /* said once, until an accept succeeds */
    int port;

    struct timeouts timeouts;
    ev_timer tick;

    /* Fed, never started: runs once at the end of a turn of the loop in which somebody woke it, so
     * that all answers of a turn leave with one write, and freeing happens outside of callbacks. */
    ev_prepare turn_end;
    bool is_woken;
    struct connection *due;    /* to be settled at the end of the turn */
    struct connection *dead;   /* to be freed then */
    struct exchange *finished; /* to be given back */

    struct connection *connections;
    struct exchange_pool exchanges;
    struct buf spare_outputs[OUTPUTS_SPARE];
    size_t spare_outputs_count;
    struct response_date date;
    struct buf response_head, error_headers, error_body;

    bool has_begun;          /* clients can connect */
    bool is_draining;        /* each answer is its connection's last */
    ev_timer notice;         /* … and clients are still taken in, until it is over */
    bool is_deaf;            /* … of those only who has begun to connect */
    bool has_begun_draining; /* the listener is closed, the idle connections too */
    void (*drained)(void *context);
    void *drained_context;

    struct parser_result parsed;
    char input[INPUT_BYTES_MAX];
};

void server_wake(struct http_server *server);
/* Read the clock; at the beginning of whatever the loop calls. */
void server_look_at_clock(struct http_server *server);
const struct response_date *server_date(struct http_server *server);
void server_give_finished(struct http_server *server);

#endif
