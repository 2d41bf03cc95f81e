#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bounds.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/connection.h"
#include "http/server_private.h"

#define LISTEN_TEXT_BYTES_MAX 256
#define RESPONSE_HEAD_BYTES_MAX 65536

static enum err listener_open(const char *address, int *fd, int *port);
static void on_connection(struct ev_loop *loop, ev_io *listener, int events);
static void on_pause_end(struct ev_loop *loop, ev_timer *timer, int events);
static void on_tick(struct ev_loop *loop, ev_timer *timer, int events);
static void on_turn_end(struct ev_loop *loop, ev_prepare *turn_end, int events);
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
    s->listener.data = s->accept_pause.data = s->tick.data = s->turn_end.data = s;
    ev_io_start(loop, &s->listener);
    *server = s;
    return ERR_NONE;
}

/* "host:port", "[v6]:port", ":port". The port is what follows the last colon. */
static enum err split_address(const char *address, char *host, const char **port)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || strlen(address) >= LISTEN_TEXT_BYTES_MAX)
        return ERR_INPUT;
    size_t len = (size_t)(colon - address);
    if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    }
    memcpy(host, address, len);
    host[len] = '\0';
    *port = colon + 1;
    size_t digits = strspn(*port, "0123456789");
    return digits > 0 && digits <= 5 && (*port)[digits] == '\0' && atoi(*port) <= 65535 ? ERR_NONE
                                                                                        : ERR_INPUT;
}

/* Errors stand in errno. Accepted sockets inherit TCP_NODELAY from the listener. */
static int listen_on(const struct addrinfo *info)
{
    int yes = 1, no = 0;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0 &&
        (info->ai_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) == 0) &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

static int bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

static enum err listener_open(const char *address, int *fd, int *port)
{
    char host[LISTEN_TEXT_BYTES_MAX];
    const char *service;
    if (split_address(address, host, &service) != ERR_NONE) {
        log_event(LOG_ERROR, "listen_failed", "address", address, "error", "not host:port", NULL);
        return ERR_INPUT;
    }
    /* All addresses: an IPv6 socket takes IPv4 too; where there is no IPv6, IPv4 comes next. */
    const char *name = host[0] != '\0' ? host : "::";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(name, service, &hints, &found);
    *fd = failure == 0 ? listen_on(found) : -1;
    if (*fd < 0 && host[0] == '\0' &&
        (failure != 0 || errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        if (found != NULL)
            freeaddrinfo(found);
        found = NULL;
        failure = getaddrinfo("0.0.0.0", service, &hints, &found);
        *fd = failure == 0 ? listen_on(found) : -1;
    }
    const char *error = failure != 0 ? gai_strerror(failure) : strerror(errno);
    if (*fd < 0)
        log_event(LOG_ERROR, "listen_failed", "address", address, "error", error, NULL);
    else
        *port = bound_port(*fd);
    if (found != NULL)
        freeaddrinfo(found);
    return *fd < 0 ? ERR_INPUT : ERR_NONE;
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
    if (server->is_draining && !server->has_begun_draining) {
        begin_draining(server);
        settle_due(server);
    }
    free_dead(server);
    if (server->counts.connections > 0)
        return;
    ev_timer_stop(loop, &server->tick);
    if (server->drained == NULL)
        return;
    void (*drained)(void *context) = server->drained;
    server->drained = NULL;
    drained(server->drained_context); /* which may close the server */
}

void http_server_drain(struct http_server *server, void (*drained)(void *context), void *context)
{
    assert(!server->is_draining);
    server->is_draining = true;
    server->drained = drained;
    server->drained_context = context;
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
