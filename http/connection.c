#include "http/connection.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

static void on_io(struct ev_loop *loop, ev_io *io, int events);
static enum connection_state connection_next_state(const struct connection *c);
static void connection_set_state(struct connection *c, enum connection_state next);
static void connection_end(struct connection *c);
static void format_peer(char *text, const struct sockaddr_storage *peer);

struct connection *connection_open(struct http_server *server, int fd,
                                   const struct sockaddr_storage *peer)
{
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) {
        close(fd);
        return NULL;
    }
    c->server = server;
    c->next = server->connections;
    if (c->next != NULL)
        c->next->previous = c;
    server->connections = c;
    server->counts.connections++;
    buf_init(&c->output, server->options.output_bytes_max);
    format_peer(c->peer, peer);
    ev_io_init(&c->io, on_io, fd, EV_READ);
    c->io.data = c;
    ev_io_start(server->loop, &c->io);
    c->is_fresh = true;
    connection_set_state(c, CONNECTION_IDLE);
    return c;
}

static void format_peer(char *text, const struct sockaddr_storage *peer)
{
    const void *address;
    int family = peer->ss_family;
    if (family == AF_INET) {
        address = &((const struct sockaddr_in *)peer)->sin_addr;
    } else {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)peer)->sin6_addr;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(six);
        address = is_mapped ? &six->s6_addr[12] : &six->s6_addr[0];
        family = is_mapped ? AF_INET : AF_INET6;
    }
    if (inet_ntop(family, address, text, INET6_ADDRSTRLEN) == NULL)
        text[0] = '\0';
}

/* Our side is shut; whatever still comes is only read so that closing does not become a reset. */
static void drop_input(struct connection *c)
{
    ssize_t n = recv(c->io.fd, c->server->input, INPUT_BYTES_MAX, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        c->dropped += (uint64_t)n;
    c->is_doomed = n <= 0 || c->dropped > DROPPED_BYTES_MAX;
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    struct connection *c = io->data;
    server_look_at_clock(c->server);
    if (c->state == CONNECTION_LINGERING)
        drop_input(c);
    else if (events & EV_READ)
        intake_read(c);
    connection_settle(c); /* which writes what there is to write */
}

void connection_make_due(struct connection *c)
{
    if (c->is_due || c->is_busy || c->state == CONNECTION_CLOSED)
        return;
    c->is_due = true;
    c->next_due = c->server->due;
    c->server->due = c;
    server_wake(c->server);
}

/* Whether all has been said that will be said. */
static bool connection_is_over(const struct connection *c)
{
    if (output_unsent(c) > 0)
        return false;
    if (c->is_ended)
        return true;
    return (c->is_closing || c->has_eof) && c->first == NULL && c->incoming == NULL;
}

static void send_out(struct connection *c)
{
    if (c->owes_continue && c->first == NULL)
        output_continue(c);
    output_flush(c);
}

/* Send what there is, and take on what had to wait for that. */
static void go_on(struct connection *c)
{
    c->is_busy = true;
    send_out(c);
    while (c->is_stalled && intake_may_go_on(c)) { /* each time takes a request, or stalls not */
        intake_resume(c);
        send_out(c);
    }
    if (stream_is_first(c))
        stream_go_on(c);
    bool is_in_request = c->incoming != NULL || (c->input_len > 0 && !c->is_stalled);
    if (c->has_eof && is_in_request && !c->is_ended) {
        intake_refuse(c, METHOD_UNKNOWN, 400, "The request was cut short.");
        send_out(c);
    }
    c->is_busy = false;
}

void connection_settle(struct connection *c)
{
    if (c->state == CONNECTION_CLOSED)
        return;
    if (c->state != CONNECTION_LINGERING && !c->is_doomed)
        go_on(c);
    if (c->is_doomed)
        connection_close(c);
    else if (c->state == CONNECTION_LINGERING)
        return;
    else if (connection_is_over(c))
        connection_end(c);
    else
        connection_set_state(c, connection_next_state(c));
}

static enum connection_state connection_next_state(const struct connection *c)
{
    if (output_unsent(c) > 0)
        return CONNECTION_WRITING;
    if (c->incoming != NULL && !c->owes_continue)
        return CONNECTION_BODY;
    if (c->input_len > 0 && !c->is_stalled)
        return CONNECTION_HEAD;
    return c->first != NULL || c->incoming != NULL ? CONNECTION_AWAITING : CONNECTION_IDLE;
}

static void set_events(struct connection *c, int events)
{
    int now = ev_is_active(&c->io) ? c->io.events & (EV_READ | EV_WRITE) : 0;
    if (now == events)
        return;
    ev_io_stop(c->server->loop, &c->io);
    if (events == 0)
        return;
    ev_io_set(&c->io, c->io.fd, events);
    ev_io_start(c->server->loop, &c->io);
}

/* Even where no further request is taken, reading tells of a client that goes away. */
static bool connection_wants_input(const struct connection *c)
{
    return !c->has_eof && !c->is_stalled && c->dropped <= DROPPED_BYTES_MAX;
}

#define TO(state) (1u << CONNECTION_##state)
#define TO_ANY_OPEN (TO(IDLE) | TO(HEAD) | TO(BODY) | TO(AWAITING) | TO(WRITING))

/* The only writer of c->state, and so of what the loop and the clock watch for it. */
static void connection_set_state(struct connection *c, enum connection_state next)
{
    static const unsigned legal_moves[] = {
        [CONNECTION_IDLE] = TO_ANY_OPEN | TO(LINGERING) | TO(CLOSED),
        [CONNECTION_HEAD] = TO_ANY_OPEN | TO(LINGERING) | TO(CLOSED),
        [CONNECTION_BODY] = TO_ANY_OPEN | TO(LINGERING) | TO(CLOSED),
        [CONNECTION_AWAITING] = TO_ANY_OPEN | TO(LINGERING) | TO(CLOSED),
        [CONNECTION_WRITING] = TO_ANY_OPEN | TO(LINGERING) | TO(CLOSED),
        [CONNECTION_LINGERING] = TO(CLOSED),
        [CONNECTION_CLOSED] = 0,
    };
    static const enum timeout_kind timeout[] = {
        [CONNECTION_IDLE] = TIMEOUT_IDLE,     [CONNECTION_HEAD] = TIMEOUT_HEAD,
        [CONNECTION_BODY] = TIMEOUT_BODY,     [CONNECTION_AWAITING] = TIMEOUT_NONE,
        [CONNECTION_WRITING] = TIMEOUT_WRITE, [CONNECTION_LINGERING] = TIMEOUT_LINGER,
        [CONNECTION_CLOSED] = TIMEOUT_NONE,
    };
    assert(legal_moves[c->state] & 1u << next);
    if (next != c->state || c->is_fresh)
        timeouts_arm(&c->server->timeouts, &c->timeout, timeout[next], c->server->now_us);
    c->state = next;
    c->is_fresh = false;
    if (next == CONNECTION_CLOSED)
        set_events(c, 0);
    else if (next == CONNECTION_WRITING)
        set_events(c, EV_WRITE);
    else
        set_events(c, next == CONNECTION_LINGERING || connection_wants_input(c) ? EV_READ : 0);
}

/* The client broke off, or was told that no more answers come: nobody waits for these. */
static void abandon_exchanges(struct connection *c)
{
    struct http_server *server = c->server;
    while (c->first != NULL || c->incoming != NULL) {
        struct exchange *x = c->first != NULL ? c->first : c->incoming;
        if (x == c->first)
            c->first = x->next;
        else
            c->incoming = NULL;
        bool was_handed = x->state == EXCHANGE_HANDED;
        bool was_stream = x->state == EXCHANGE_STREAMING;
        if (x->state != EXCHANGE_ANSWERED)
            exchange_set_state(x, EXCHANGE_ABANDONED);
        x->next = server->finished;
        server->finished = x;
        if (was_handed)
            server->application->gone(server->application->context, x);
        else if (was_stream)
            x->stream->gone(x->data);
    }
    c->last = NULL;
    c->under_way = 0;
    server_wake(server);
}

/* All is said. The end is ours to begin, unless the client has already done so. */
static void connection_end(struct connection *c)
{
    abandon_exchanges(c);
    intake_drop(c);
    if (c->has_eof || shutdown(c->io.fd, SHUT_WR) != 0)
        connection_close(c);
    else
        connection_set_state(c, CONNECTION_LINGERING);
}

void connection_close(struct connection *c)
{
    struct http_server *server = c->server;
    connection_set_state(c, CONNECTION_CLOSED);
    close(c->io.fd);
    server->counts.connections--;
    if (c->next != NULL)
        c->next->previous = c->previous;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        server->connections = c->next;
    c->next = server->dead; /* next_due may still be in use */
    server->dead = c;
    abandon_exchanges(c);
    intake_drop(c);
    output_free(c);
}

void connection_free(struct connection *c)
{
    assert(c->state == CONNECTION_CLOSED);
    free(c);
}

void connection_timed_out(struct connection *c)
{
    switch (c->state) {
    case CONNECTION_HEAD:
        intake_refuse(c, METHOD_UNKNOWN, 408, "The request's head took too long to arrive.");
        break;
    case CONNECTION_BODY:
        intake_refuse(c, METHOD_UNKNOWN, 408, "The request's body took too long to arrive.");
        break;
    case CONNECTION_WRITING:
        c->server->counts.timeouts++;
        c->is_doomed = true;
        break;
    case CONNECTION_IDLE:
    case CONNECTION_LINGERING:
        c->is_doomed = true;
        break;
    case CONNECTION_AWAITING:
    case CONNECTION_CLOSED:
        assert(!"this state has no timeout");
    }
    connection_settle(c);
}

void connection_drain(struct connection *c)
{
    /* What has arrived meanwhile was sent to a server that was open: it gets its answer. */
    if (c->state != CONNECTION_LINGERING && c->state != CONNECTION_WRITING &&
        connection_wants_input(c))
        intake_read(c);
    bool is_in_request = c->incoming != NULL || (c->input_len > 0 && !c->is_stalled);
    if (!is_in_request) {
        c->is_closing = true;
        intake_drop(c);
    }
    if (!is_in_request && c->first == NULL && output_unsent(c) == 0 &&
        c->state != CONNECTION_LINGERING)
        c->is_doomed = true; /* nothing is under way, nothing unread: a plain close is enough */
    connection_settle(c);
}
