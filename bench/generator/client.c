#include "bench/generator/client.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 4096

static void on_io(struct ev_loop *loop, ev_io *watcher, int events);
static void on_pause(struct ev_loop *loop, ev_timer *watcher, int events);
static void client_connect(struct client *c);

void client_open(struct client *c, struct ev_loop *loop, const struct target *target,
                 const struct client_owner *owner)
{
    c->loop = loop;
    c->owner = owner;
    c->target = target;
    c->fd = -1;
    buf_init(&c->in, CLIENT_IN_BYTES_MAX);
    buf_init(&c->out, CLIENT_OUT_BYTES_MAX);
    ev_init(&c->io, on_io);
    c->io.data = c;
    ev_timer_init(&c->pause, on_pause, RECONNECT_SECONDS, 0);
    c->pause.data = c;
    client_connect(c);
}

static void drop_socket(struct client *c)
{
    ev_io_stop(c->loop, &c->io);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_reset(&c->in);
}

void client_close(struct client *c)
{
    ev_timer_stop(c->loop, &c->pause);
    drop_socket(c);
    buf_free(&c->in);
    buf_free(&c->out);
}

static void watch(struct client *c, int events)
{
    ev_io_stop(c->loop, &c->io);
    ev_io_set(&c->io, c->fd, events);
    ev_io_start(c->loop, &c->io);
}

static void client_lose(struct client *c)
{
    bool asking = c->state == CLIENT_ASKING;

    drop_socket(c);
    c->state = CLIENT_PAUSED;
    ev_timer_set(&c->pause, RECONNECT_SECONDS, 0);
    ev_timer_start(c->loop, &c->pause);
    c->owner->lost(c->owner->context, c, asking);
}

static void on_pause(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    client_connect(watcher->data);
}

static void client_connect(struct client *c)
{
    int on = 1;

    c->state = CLIENT_CONNECTING;
    c->fd = socket(c->target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        client_lose(c);
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int rc = connect(c->fd, (const struct sockaddr *)&c->target->address, c->target->address_len);
    if (rc != 0 && errno != EINPROGRESS)
        client_lose(c);
    else
        watch(c, EV_WRITE);
}

static void finish_connect(struct client *c)
{
    int error = 0;
    socklen_t n = sizeof(error);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0) {
        client_lose(c);
        return;
    }
    watch(c, EV_READ);
    c->state = CLIENT_IDLE;
    c->owner->idle(c->owner->context, c);
}

/* The socket nearly always takes a request whole; only else is it watched for writing. */
static void push(struct client *c)
{
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.bytes + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            watch(c, EV_READ | EV_WRITE);
            return;
        }
        if (n < 0) {
            client_lose(c);
            return;
        }
        c->sent += (size_t)n;
    }
    if ((c->io.events & EV_WRITE) != 0)
        watch(c, EV_READ);
}

void client_ask(struct client *c)
{
    assert(c->state == CLIENT_IDLE && !c->out.failed);
    c->state = CLIENT_ASKING;
    c->sent = 0;
    push(c);
}

/* Bytes that nobody asked for, or that are no answer: the connection is of no more use. */
static void take_answer(struct client *c)
{
    struct response_seen r;
    size_t used = 0;

    if (c->state != CLIENT_ASKING) {
        client_lose(c);
        return;
    }
    switch (response_read(buf_span(&c->in), &r, &used)) {
    case RESPONSE_PART:
        return;
    case RESPONSE_BAD:
        client_lose(c);
        return;
    case RESPONSE_WHOLE:
        break;
    }
    c->state = CLIENT_IDLE;
    c->owner->answered(c->owner->context, c, &r);
    buf_drop(&c->in, used);
    if (r.close)
        client_lose(c);
    else
        c->owner->idle(c->owner->context, c);
}

static void pull(struct client *c)
{
    char *room = buf_room(&c->in, READ_BYTES);
    ssize_t n = room != NULL ? recv(c->fd, room, READ_BYTES, 0) : 0;

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        client_lose(c);
        return;
    }
    buf_grew(&c->in, (size_t)n);
    take_answer(c);
}

static void on_io(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct client *c = watcher->data;

    (void)loop;
    if (c->state == CLIENT_CONNECTING) {
        finish_connect(c);
        return;
    }
    if ((events & EV_WRITE) != 0)
        push(c);
    if ((events & EV_READ) != 0 && c->fd >= 0)
        pull(c);
}
