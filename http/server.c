#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bounds.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/connection.h"
#include "http/listener.h"
#include "http/server_private.h"

#define RESPONSE_HEAD_BYTES_MAX 65536

static void on_connection(struct ev_loop *loop, ev_io *listener, int events);
static void on_pause_end(struct ev_loop *loop, ev_timer *timer, int events);
static void on_tick(struct ev_loop *loop, ev_timer *timer, int events);
static void on_turn_end(struct ev_loop *loop, ev_prepare *turn_end, int events);
static void on_notice(struct ev_loop *loop, ev_timer *timer, int events);
static bool accept_some(struct http_server *server, int count);

static void set_durations(struct timeouts *t, const struct http_server_options *options)
{
    timeouts_init(t);
    timeouts_set_duration(t, TIMEOUT_IDLE, options->idle_ms);
    timeouts_set_duration(t, TIMEOUT_HEAD, options->head_ms);
    timeouts_set_duration(t, TIMEOUT_BODY, options->body_ms);
    timeouts_set_duration(t, TIMEOUT_WRITE, options->write_ms);
    timeouts_set_duration(t, TIMEOUT_LINGER, LINGER_MS);
}

enum err http_server_open(struct ev_loop *loop, const struct http_server_options *options,
                          const struct http_application *application, struct http_server **server)
{
    assert(options->connections_max > 0 && options->output_bytes_max > 0);
    struct http_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_MEMORY;
    int fd;
    enum err err = listener_open(options->listen, &fd, &s->port);
    if (err) {
        free(s);
        return err;
    }
    s->loop = loop;
    s->options = *options;
    s->options.listen = NULL; /* not ours */
    s->application = application;
    set_durations(&s->timeouts, options);
    buf_init(&s->response_head, RESPONSE_HEAD_BYTES_MAX);
    buf_init(&s->error_headers, ERROR_BYTES_MAX);
    buf_init(&s->error_body, ERROR_BYTES_MAX);
    server_look_at_clock(s);

    ev_io_init(&s->listener, on_connection, fd, EV_READ);
    ev_timer_init(&s->accept_pause, on_pause_end, ACCEPT_PAUSE_SECONDS, 0.);
    double tick = (double)timeouts_tick_ms(&s->timeouts) / 1000;
    ev_timer_init(&s->tick, on_tick, tick, tick);
    ev_prepare_init(&s->turn_end, on_turn_end);
    ev_set_priority(&s->turn_end, EV_MINPRI);
    ev_timer_init(&s->notice, on_notice, 0., 0.);
    s->listener.data = s->accept_pause.data = s->tick.data = s->turn_end.data = s->notice.data = s;
    if (!options->begins_later && !http_server_begin(s)) {
        http_server_close(s);
        return ERR_INPUT;
    }
    *server = s;
    return ERR_NONE;
}

bool http_address_is_shared(const char *listen)
{
    return listener_is_shared(listen);
}

bool http_server_begin(struct http_server *server)
{
    if (server->has_begun)
        return true;
    server->has_begun = listener_begin(server->listener.fd);
    if (server->has_begun)
        ev_io_start(server->loop, &server->listener);
    else
        log_event(LOG_ERROR, "listen_failed", "port", log_u64((unsigned)server->port), "error",
                  strerror(errno), NULL);
    return server->has_begun;
}

void server_look_at_clock(struct http_server *server)
{
    server->now_us = clock_mono_us();
}

const struct response_date *server_date(struct http_server *server)
{
    response_date_set(&server->date, (int64_t)ev_now(server->loop));
    return &server->date;
}

void server_wake(struct http_server *server)
{
    if (server->is_woken)
        return;
    server->is_woken = true;
    ev_feed_event(server->loop, &server->turn_end, EV_CUSTOM);
}

static void on_connection(struct ev_loop *loop, ev_io *listener, int events)
{
    (void)loop;
    (void)events;
    struct http_server *server = listener->data;
    server_look_at_clock(server);
    accept_some(server, ACCEPTS_PER_TURN);
}

/* The listener stays readable while there is no descriptor to accept with: look away for a while
 * instead of spinning, and say so once. */
static void pause_accepting(struct http_server *server, int cause)
{
    if (!server->is_short_of_descriptors)
        log_event(LOG_WARN, "accept_paused", "error", strerror(cause), "connections",
                  log_u64(server->counts.connections), NULL);
    server->is_short_of_descriptors = true;
    ev_io_stop(server->loop, &server->listener);
    ev_timer_set(&server->accept_pause, ACCEPT_PAUSE_SECONDS, 0.);
    ev_timer_start(server->loop, &server->accept_pause);
}

static void on_pause_end(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct http_server *server = timer->data;
    ev_io_start(loop, &server->listener);
}

static void begin_connection(struct http_server *server, int fd,
                             const struct sockaddr_storage *peer)
{
    server->counts.accepted++;
    struct connection *c = connection_open(server, fd, peer);
    if (c == NULL)
        return;
    if (!ev_is_active(&server->tick))
        ev_timer_again(server->loop, &server->tick);
    uint64_t max = server->options.connections_max;
    if (server->counts.connections <= max)
        return;
    intake_refuse(c, METHOD_UNKNOWN, 503, "There are too many connections.");
    connection_settle(c);
    if (server->counts.connections > max + REFUSED_LINGERING_MAX && c->state != CONNECTION_CLOSED)
        connection_close(c);
}

/* False when there is nobody left to accept, or no means. */
static bool accept_some(struct http_server *server, int count)
{
    for (int i = 0; i < count; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        int fd = accept4(server->listener.fd, (struct sockaddr *)&peer, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            server->is_short_of_descriptors = false;
            begin_connection(server, fd, &peer);
        } else if (errno == EAGAIN) {
            return false;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(server, errno);
            return false;
        } /* else that one client is gone again */
    }
    return true;
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct http_server *server = timer->data;
    server_look_at_clock(server);
    struct timeout_link *link;
    while ((link = timeouts_take_due(&server->timeouts, server->now_us)) != NULL) {
        char *at = (char *)link - offsetof(struct connection, timeout);
        connection_timed_out((struct connection *)(void *)at);
    }
}

void server_give_finished(struct http_server *server)
{
    while (server->finished != NULL) {
        struct exchange *x = server->finished;
        server->finished = x->next;
        exchange_give(&server->exchanges, x);
    }
}

static void settle_due(struct http_server *server)
{
    while (server->due != NULL) {
        struct connection *c = server->due;
        server->due = c->next_due;
        c->is_due = false;
        connection_settle(c);
    }
}

static void free_dead(struct http_server *server)
{
    server_give_finished(server);
    while (server->dead != NULL) {
        struct connection *c = server->dead;
        server->dead = c->next;
        connection_free(c);
    }
}

/* Whoever stands in the listener's queue has been told that we are open: take them in first. */
static void begin_draining(struct http_server *server)
{
    server->has_begun_draining = true;
    if (server->has_begun)
        accept_some(server, LISTEN_BACKLOG);
    ev_timer_stop(server->loop, &server->accept_pause);
    ev_io_stop(server->loop, &server->listener);
    close(server->listener.fd);
    for (struct connection *c = server->connections, *next; c != NULL; c = next) {
        next = c->next;
        connection_drain(c);
    }
}

static void on_turn_end(struct ev_loop *loop, ev_prepare *turn_end, int events)
{
    (void)events;
    struct http_server *server = turn_end->data;
    server->is_woken = false;
    server_look_at_clock(server);
    settle_due(server);
    if (server->is_draining && !server->has_begun_draining && !ev_is_active(&server->notice)) {
        begin_draining(server);
        settle_due(server);
    }
    free_dead(server);
    if (server->counts.connections > 0)
        return;
    ev_timer_stop(loop, &server->tick);
    if (server->drained == NULL || !server->has_begun_draining)
        return;
    void (*drained)(void *context) = server->drained;
    server->drained = NULL;
    drained(server->drained_context); /* which may close the server */
}

static void set_notice(struct http_server *server, int64_t ms)
{
    ev_timer_set(&server->notice, (double)ms / 1000, 0.);
    ev_timer_start(server->loop, &server->notice);
}

/*
 * Who is connecting when a listener is closed has its handshake thrown away, and is reset. So
 * shortly before, the listener hears of nobody new, while handshakes that have begun come to their
 * end. Who is not heard knocks again a second later, and finds another listener of the port if
 * there is one.
 */
static void on_notice(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct http_server *server = timer->data;
    if (server->is_deaf || !listener_deafen(server->listener.fd)) {
        server_wake(server);
        return;
    }
    server->is_deaf = true;
    set_notice(server, DEAF_MS);
}

void http_server_drain(struct http_server *server, int64_t notice_ms,
                       void (*drained)(void *context), void *context)
{
    assert(!server->is_draining);
    server->is_draining = true;
    server->drained = drained;
    server->drained_context = context;
    if (notice_ms > 0)
        set_notice(server, notice_ms > DEAF_MS ? notice_ms - DEAF_MS : 0);
    else
        server_wake(server);
}

const struct http_counts *http_server_counts(const struct http_server *server)
{
    return &server->counts;
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_close(struct http_server *server)
{
    while (server->connections != NULL)
        connection_close(server->connections);
    free_dead(server);
    ev_timer_stop(server->loop, &server->accept_pause);
    ev_timer_stop(server->loop, &server->tick);
    ev_timer_stop(server->loop, &server->notice);
    ev_io_stop(server->loop, &server->listener);
    ev_clear_pending(server->loop, &server->turn_end);
    if (!server->has_begun_draining)
        close(server->listener.fd);
    exchange_pool_free(&server->exchanges);
    for (size_t i = 0; i < server->spare_outputs_count; i++)
        buf_free(&server->spare_outputs[i]);
    buf_free(&server->response_head);
    buf_free(&server->error_headers);
    buf_free(&server->error_body);
    free(server);
}
