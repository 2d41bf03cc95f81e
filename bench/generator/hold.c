/*
 * Tens of thousands of connections cost as little as they can here: a watcher, and a buffer only
 * while an answer is in pieces. An awaiting connection asks again while the answer is 202; one that
 * listens asks once.
 */
#include "bench/generator/hold.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ev.h>

#include "base/clock.h"
#include "bench/generator/drive.h"
#include "bench/generator/listener.h"

#define CONNECTING_MAX 256 /* so that no listener's queue overflows */
#define CONNECT_SECONDS 60.0
#define LOOK_SECONDS 0.1
#define ASK_US 5000000 /* over which the connections begin to ask */
#define AGAIN_US 1000000
#define IN_BYTES_MAX 16384

enum held_state { HELD_CONNECTING, HELD_OPEN, HELD_LOST };

struct held {
    ev_io io;
    struct hold *hold;
    enum held_state state;
    int64_t again_us; /* when to ask once more after a 429 or 503; 0: not to */
    struct buf in;
    struct listener listener;
};

struct hold {
    const struct plan *plan;
    struct board *board;
    struct tally *tally;
    struct ev_loop *loop;
    struct held *held; /* owned array */
    size_t count, begun, connecting, failed;
    ev_timer limit, look;
    struct buf request[TARGETS_MAX];
};

static void on_held(struct ev_loop *loop, ev_io *watcher, int events);

static const struct target *target_of(const struct hold *h, const struct held *c, size_t *index)
{
    *index = (size_t)(c - h->held) % h->plan->targets;
    return &h->plan->target[*index];
}

static void lose(struct held *c)
{
    struct hold *h = c->hold;

    if (c->state == HELD_OPEN) {
        h->tally->open--;
        h->tally->open_lost++;
    } else {
        h->connecting--;
        h->failed++;
    }
    ev_io_stop(h->loop, &c->io);
    close(c->io.fd);
    buf_free(&c->in);
    c->state = HELD_LOST;
}

static void connect_one(struct hold *h, struct held *c)
{
    size_t index;
    const struct target *target = target_of(h, c, &index);
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    c->hold = h;
    c->state = HELD_CONNECTING;
    buf_init(&c->in, IN_BYTES_MAX);
    ev_io_init(&c->io, on_held, fd, EV_WRITE);
    c->io.data = c;
    h->connecting++;
    if (fd < 0 ||
        (connect(fd, (const struct sockaddr *)&target->address, target->address_len) != 0 &&
         errno != EINPROGRESS)) {
        lose(c);
        return;
    }
    ev_io_start(h->loop, &c->io);
}

/* The start is over when every connection stands, or cannot. */
static void connect_more(struct hold *h)
{
    while (h->begun < h->count && h->connecting < CONNECTING_MAX)
        connect_one(h, &h->held[h->begun++]);
    if (h->begun == h->count && h->connecting == 0)
        ev_break(h->loop, EVBREAK_ALL);
}

/* The request is a hundred bytes on an empty socket: it goes whole or the connection is gone. */
static void ask(struct held *c)
{
    size_t index;

    (void)target_of(c->hold, c, &index);
    const struct buf *request = &c->hold->request[index];
    if (send(c->io.fd, request->bytes, request->len, MSG_NOSIGNAL) != (ssize_t)request->len)
        lose(c);
}

static void finish_connect(struct held *c)
{
    struct hold *h = c->hold;
    int error = 0;
    socklen_t n = sizeof(error);

    if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0) {
        lose(c);
    } else {
        ev_io_stop(h->loop, &c->io);
        ev_io_set(&c->io, c->io.fd, EV_READ);
        ev_io_start(h->loop, &c->io);
        c->state = HELD_OPEN;
        h->connecting--;
        h->tally->open++;
    }
    connect_more(h);
}

static void note_answer(struct tally *t)
{
    int64_t now_us = clock_wall_ms() * 1000;

    t->open_answers++;
    if (t->open_first_wall_us == 0)
        t->open_first_wall_us = now_us;
    t->open_last_wall_us = now_us;
}

/* Undecided: ask again, at once or, if the server is busy, after a pause. */
static void take_status(struct held *c, const struct response_seen *r)
{
    struct tally *t = c->hold->tally;

    if (r->status == 202) {
        ask(c);
    } else if (r->status == 429 || r->status == 503) {
        t->open_busy++;
        c->again_us = clock_mono_us() + AGAIN_US;
    } else {
        note_answer(t);
        if (r->status >= 300)
            tally_sample(t, STEP_READ, r);
    }
}

static void on_told(void *context, int64_t behind_us)
{
    struct tally *t = context;

    note_answer(t);
    if (behind_us >= 0)
        histogram_add(&t->behind_us, behind_us);
}

static void take_events(struct held *c)
{
    struct hold *h = c->hold;
    struct response_seen r = {.status = 0, .body = buf_span(&c->in)};

    if (!listener_read(&c->listener, &c->in, h->board->moments, clock_mono_us(), on_told,
                       h->tally)) {
        tally_sample(h->tally, STEP_READ, &r);
        lose(c);
    } else if (c->in.len == 0) {
        buf_free(&c->in);
    }
}

static void take_answer(struct held *c)
{
    struct response_seen r;
    size_t used = 0;

    switch (response_read(buf_span(&c->in), &r, &used)) {
    case RESPONSE_PART:
        return;
    case RESPONSE_BAD:
        lose(c);
        return;
    case RESPONSE_WHOLE:
        break;
    }
    take_status(c, &r);
    buf_free(&c->in);
}

static void on_held(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct held *c = watcher->data;
    char bytes[4096];

    (void)loop;
    (void)events;
    if (c->state == HELD_CONNECTING) {
        finish_connect(c);
        return;
    }
    ssize_t n = recv(watcher->fd, bytes, sizeof(bytes), 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    buf_put(&c->in, bytes, n > 0 ? (size_t)n : 0);
    if (n <= 0 || c->in.failed)
        lose(c);
    else if (c->hold->plan->open_kind == OPEN_LISTEN)
        take_events(c);
    else
        take_answer(c);
}

static void on_limit(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)watcher;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static void ask_again(struct hold *h)
{
    int64_t now_us = clock_mono_us();

    for (size_t i = 0; i < h->begun; i++) {
        struct held *c = &h->held[i];
        if (c->again_us == 0 || c->again_us > now_us)
            continue;
        c->again_us = 0;
        if (c->state == HELD_OPEN)
            ask(c);
    }
}

static void on_look(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct hold *h = watcher->data;

    (void)events;
    if (atomic_load(&h->board->stop) != 0)
        ev_break(loop, EVBREAK_ALL);
    ask_again(h);
}

static void hold_init(struct hold *h, const struct plan *plan, struct board *board,
                      uint32_t process)
{
    *h = (struct hold){.plan = plan, .board = board, .tally = &board->tally[process]};
    h->loop = ev_loop_new(EVFLAG_AUTO);
    h->count = (size_t)plan_share(plan, plan->open, process);
    h->held = calloc(h->count > 0 ? h->count : 1, sizeof(*h->held));
    assert(h->loop != NULL && h->held != NULL);
    for (size_t i = 0; i < plan->targets; i++)
        buf_init(&h->request[i], 4096);
    ev_timer_init(&h->look, on_look, LOOK_SECONDS, LOOK_SECONDS);
    h->look.data = h;
    ev_timer_start(h->loop, &h->look);
}

static void begin_asking(struct hold *h)
{
    for (size_t i = 0; i < h->plan->targets; i++)
        buf_putf(&h->request[i], "GET %s HTTP/1.1\r\nHost: %s\r\nPrefer: wait=30\r\n\r\n",
                 h->board->path, h->plan->target[i].host);
    /* Not all in the same instant: a crowd comes within seconds, and is then there. */
    int64_t now_us = clock_mono_us();
    for (size_t i = 0; i < h->count; i++)
        h->held[i].again_us = now_us + (int64_t)(i * ASK_US / h->count);
}

static void run_for(struct hold *h, double seconds)
{
    ev_now_update(h->loop);
    ev_timer_init(&h->limit, on_limit, seconds, 0);
    ev_timer_start(h->loop, &h->limit);
    ev_run(h->loop, 0);
    ev_timer_stop(h->loop, &h->limit);
}

/* What the listeners know when all is said. */
static void count_listeners(struct hold *h)
{
    struct tally *t = h->tally;

    for (size_t i = 0; i < h->count; i++) {
        const struct listener *l = &h->held[i].listener;
        if (h->held[i].state != HELD_OPEN || l->version == 0)
            continue;
        if (t->listening == 0 || l->version < t->version_min)
            t->version_min = l->version;
        if (l->version > t->version_max)
            t->version_max = l->version;
        if (l->available > t->available_max)
            t->available_max = l->available;
        t->listening++;
        t->told_end += l->is_over;
    }
}

static void hold_free(struct hold *h)
{
    for (size_t i = 0; i < h->begun; i++) {
        if (h->held[i].state != HELD_LOST)
            close(h->held[i].io.fd);
        buf_free(&h->held[i].in);
    }
    for (size_t i = 0; i < h->plan->targets; i++)
        buf_free(&h->request[i]);
    free(h->held);
    ev_loop_destroy(h->loop);
}

int hold_run(const struct plan *plan, struct board *board, uint32_t process)
{
    struct hold h;

    hold_init(&h, plan, board, process);
    connect_more(&h);
    run_for(&h, CONNECT_SECONDS);
    bool right = h.tally->open + h.tally->open_lost == h.count && drive_wait_for_start(board);
    if (right && plan->open_kind != OPEN_IDLE)
        begin_asking(&h);
    if (right)
        run_for(&h, plan->seconds);
    if (right && plan->open_kind == OPEN_LISTEN)
        count_listeners(&h);
    else
        fprintf(stderr, "storm: process %u: %zu of %zu connections could not be made\n", process,
                h.failed + h.connecting, h.count);
    if (!right)
        atomic_store(&board->stop, 1);
    hold_free(&h);
    return right ? 0 : 1;
}
