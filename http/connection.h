/*
 * One client's connection. Its state follows from what is under way and is set in one place,
 * connection_settle, at the end of every event:
 *
 *   IDLE       nothing under way                                    reads    idle_ms, closed
 * silently HEAD       a head has begun                                     reads    head_ms, 408
 *   BODY       a head was taken, its body is coming                 reads    body_ms, 408
 *   AWAITING   the application owes answers                         reads    (the application's
 * time) WRITING    the client does not take what we send                writes   write_ms, closed
 *   LINGERING  all is sent and our side is shut; what still comes   reads    LINGER_MS, closed
 *              is dropped, lest a reset overtake the last answer
 *   CLOSED     waits for the end of the turn to be freed
 *
 * A connection that waits costs its struct and its exchanges; buffers are borrowed from the server
 * and are kept only while they hold something.
 *
 * connection.c is its life, intake.c what comes in, output.c what goes out, stream.c answers that
 * have no end.
 */
#ifndef USHER_HTTP_CONNECTION_H
#define USHER_HTTP_CONNECTION_H

#include <netinet/in.h>

#include <ev.h>

#include "http/chunked.h"
#include "http/exchange_private.h"
#include "http/server_private.h"

#define DROPPED_BYTES_MAX 1048576 /* that a client may send behind its last request */

enum connection_state {
    CONNECTION_IDLE,
    CONNECTION_HEAD,
    CONNECTION_BODY,
    CONNECTION_AWAITING,
    CONNECTION_WRITING,
    CONNECTION_LINGERING,
    CONNECTION_CLOSED,
};

struct connection {
    struct http_server *server;
    ev_io io;
    struct timeout_link timeout;
    enum connection_state state; /* written by connection_settle's helpers alone */
    bool is_fresh;               /* something was accomplished: the state's time begins anew */
    bool is_due;                 /* stands in server->due */
    bool is_busy;                /* its event is being worked on and ends in connection_settle */
    bool is_doomed;              /* broken or out of bounds: to be closed at once */
    bool is_closing;             /* no further request is taken */
    bool is_ended;               /* the last answer is in the output */
    bool is_stalled;             /* input holds requests that have to wait for those under way */
    bool has_eof;                /* the client sends no more, but may still read */
    bool owes_continue;          /* the incoming body is waiting for our 100 */

    char *input; /* owned: what was read and not understood yet */
    size_t input_len;
    int64_t read_us; /* when the last bytes came */

    struct exchange *incoming; /* its body is being read */
    size_t body_max;
    uint64_t body_left;
    bool is_chunked;
    struct chunked chunked;

    struct exchange *first, *last; /* under way, in the order of their requests */
    size_t under_way;

    struct buf output;
    size_t output_sent; /* of the output's bytes */
    size_t kept_bytes;  /* in answers whose turn has not come */
    uint64_t dropped;   /* while lingering */

    struct connection *next, *previous; /* all of the server's */
    struct connection *next_due;        /* or the next dead */
    char peer[INET6_ADDRSTRLEN];
};

/* Takes the descriptor. NULL: no memory, and the descriptor is closed. */
struct connection *connection_open(struct http_server *server, int fd,
                                   const struct sockaddr_storage *peer);
/* After anything has happened to it: send, go on, change state, or close. */
void connection_settle(struct connection *c);
/* The same at the end of the turn; for answers, which may come from anywhere. */
void connection_make_due(struct connection *c);
void connection_timed_out(struct connection *c);
/* The server is ending: finish what is under way, take no more. */
void connection_drain(struct connection *c);
/* At once. Tells the application of every exchange that it still owed; freed by connection_free. */
void connection_close(struct connection *c);
void connection_free(struct connection *c);

/* intake.c: what comes in. */
void intake_read(struct connection *c);
void intake_resume(struct connection *c); /* with what was kept, once there is room again */
void intake_drop(struct connection *c);   /* forget what was kept */
bool intake_may_go_on(const struct connection *c);
/* Our own refusal of the incoming request, or of what never became one; the last answer. */
void intake_refuse(struct connection *c, enum http_method method, int status, const char *why);

/* output.c: what goes out. */
void connection_answer(struct connection *c, struct exchange *x, const struct response *response);
void output_continue(struct connection *c);
void output_flush(struct connection *c);
void output_free(struct connection *c);
size_t output_unsent(const struct connection *c);
/* Its first exchange's answer is out of its hands. */
void output_finish_first(struct connection *c);
/* Behind what is unsent, within the bound; else the connection is doomed. */
void output_put(struct connection *c, struct span a, struct span b);
/* To the socket, past an empty output, as far as it goes: what is left of them. */
void output_send_through(struct connection *c, struct span *a, struct span *b);

/* stream.c: answers that have no end. */
bool stream_is_first(const struct connection *c); /* and so it is what the connection is for */
void stream_begin(struct connection *c);          /* its turn has come: what was kept of it */
void stream_go_on(struct connection *c);          /* all is sent: it may write */
bool stream_take(struct connection *c, struct span input); /* false: nobody wants it */

#endif
