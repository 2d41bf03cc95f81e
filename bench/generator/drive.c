/*
 * Closed loop: every client sends as soon as its last answer is there. Open loop: operations are
 * due at fixed times whatever the server does; one that finds no idle client waits, and its
 * latency counts from when it was due, so that a server that stalls cannot hide it.
 */
#include "bench/generator/drive.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <ev.h>

#include "base/clock.h"
#include "bench/generator/client.h"

#define CONNECT_SECONDS 5.0 /* all clients are connected within, or the run is called off */
#define GRACE_SECONDS 10.0  /* for answers under way when the time is over */
#define START_WAIT_MS 30000
#define TICK_NS 200000 /* how finely the open loop cuts time */
#define STOP_LOOK_SECONDS 0.1

struct drive {
    const struct plan *plan;
    struct board *board;
    struct tally *tally;
    uint32_t process;
    struct ev_loop *loop;
    struct client_owner owner;
    struct client *client; /* owned array */
    size_t clients;
    struct client **queue; /* owned ring of idle clients, `clients` places */
    size_t queue_first, queue_count;
    ev_timer connect_limit, end, grace, look;
    ev_io tick;
    int tick_fd;
    bool started, ended;
    int64_t start_us;  /* monotonic */
    int64_t window_us; /* answers to what was due before this are not counted */
    int64_t end_us;
    uint64_t due_begun; /* open loop: operations begun so far */
    uint64_t quota;     /* operations this process may begin */
    uint64_t random;
    double rate; /* of this process */
    size_t connected;
};

static void begin_due(struct drive *d, int64_t now_us);
static void end_if_quiet(struct drive *d);

/* xorshift64: cheap, and a run's mix is the same every time. */
static uint64_t drive_random(struct drive *d)
{
    d->random ^= d->random << 13;
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return d->random;
}

static enum errand_kind choose_kind(struct drive *d)
{
    unsigned at = (unsigned)(drive_random(d) % d->plan->weight_sum);
    unsigned kind = 0;

    while (at >= d->plan->weight[kind])
        at -= d->plan->weight[kind++];
    return (enum errand_kind)kind;
}

static bool may_begin(const struct drive *d)
{
    return d->started && !d->ended && d->tally->begun < d->quota;
}

static void ask_step(struct drive *d, struct client *c, int64_t intended_us)
{
    c->intended_us = intended_us;
    buf_reset(&c->out);
    errand_write(&c->errand, &d->plan->world, c->target->host, &c->out);
    client_ask(c);
}

static void begin_errand(struct drive *d, struct client *c, int64_t intended_us)
{
    uint32_t show = 1 + (uint32_t)(drive_random(d) % d->plan->world.shows);

    errand_begin(&c->errand, choose_kind(d), &d->plan->world, show, d->process, d->tally->begun);
    d->tally->begun++;
    ask_step(d, c, intended_us);
}

static void queue_put(struct drive *d, struct client *c)
{
    if (c->waiting)
        return;
    assert(d->queue_count < d->clients);
    d->queue[(d->queue_first + d->queue_count++) % d->clients] = c;
    c->waiting = true;
}

/* The client that has been idle longest, or NULL. One that lost its connection meanwhile is left
 * out: it comes again when it is connected. */
static struct client *queue_take(struct drive *d)
{
    while (d->queue_count > 0) {
        struct client *c = d->queue[d->queue_first];
        d->queue_first = (d->queue_first + 1) % d->clients;
        d->queue_count--;
        c->waiting = false;
        if (c->state == CLIENT_IDLE)
            return c;
    }
    return NULL;
}

/* Before the start: the loop ends once every client is connected. */
static void await_all(struct drive *d, struct client *c)
{
    if (c->waiting)
        return;
    queue_put(d, c);
    if (++d->connected == d->clients)
        ev_break(d->loop, EVBREAK_ALL);
}

static void on_idle(void *context, struct client *c)
{
    struct drive *d = context;

    if (!d->started) {
        await_all(d, c);
    } else if (c->more) {
        ask_step(d, c, clock_mono_us());
    } else if (d->plan->rate == 0 && may_begin(d)) {
        begin_errand(d, c, clock_mono_us());
    } else {
        queue_put(d, c);
        begin_due(d, clock_mono_us());
        end_if_quiet(d);
    }
}

static void count_answer(struct drive *d, struct client *c, enum verdict verdict, int64_t now_us)
{
    enum step step = errand_step(&c->errand);
    int64_t latency_us = now_us - c->intended_us;
    bool inside = c->intended_us >= d->window_us && now_us <= d->end_us;

    tally_answer(d->tally, step, verdict, latency_us, inside);
    tally_timeline(d->tally, d->plan->timeline_ms, now_us - d->start_us, step, verdict, latency_us);
    if (inside)
        d->tally->last_us = now_us - d->start_us;
}

/* The next step, if there is one, goes out from on_idle, which is called right after this. */
static void on_answered(void *context, struct client *c, const struct response_seen *r)
{
    struct drive *d = context;
    int64_t now_us = clock_mono_us();
    enum verdict verdict = errand_check(&c->errand, r);

    count_answer(d, c, verdict, now_us);
    if (verdict == VERDICT_WRONG)
        tally_sample(d->tally, errand_step(&c->errand), r);
    c->more = verdict == VERDICT_DONE && errand_advance(&c->errand);
}

static void on_lost(void *context, struct client *c, bool asking)
{
    struct drive *d = context;

    c->more = false;
    if (asking) {
        errand_abandon(&c->errand);
        d->tally->broken++;
    } else {
        d->tally->reconnects++;
    }
    end_if_quiet(d);
}

static int64_t due_us(const struct drive *d, uint64_t index)
{
    return d->start_us + (int64_t)((double)index * 1e6 / d->rate);
}

/* Open loop: begin all that is due and finds an idle client. */
static void begin_due(struct drive *d, int64_t now_us)
{
    int64_t until_us = now_us < d->end_us ? now_us : d->end_us - 1;

    while (d->rate > 0 && may_begin(d) && due_us(d, d->due_begun) <= until_us) {
        struct client *c = queue_take(d);
        if (c == NULL)
            return;
        begin_errand(d, c, due_us(d, d->due_begun++));
    }
}

static void on_tick(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct drive *d = watcher->data;
    uint64_t expirations;

    (void)loop;
    (void)events;
    if (read(d->tick_fd, &expirations, sizeof(expirations)) > 0)
        begin_due(d, clock_mono_us());
}

static size_t count_asking(const struct drive *d)
{
    size_t asking = 0;

    for (size_t i = 0; i < d->clients; i++)
        asking += d->client[i].state == CLIENT_ASKING;
    return asking;
}

static void end_if_quiet(struct drive *d)
{
    bool over = d->started && (d->ended || d->tally->begun >= d->quota);

    if (over && count_asking(d) == 0)
        ev_break(d->loop, EVBREAK_ALL);
}

static void on_end(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct drive *d = watcher->data;

    (void)events;
    if (d->ended)
        return;
    begin_due(d, clock_mono_us()); /* what was due between the last tick and the end */
    d->ended = true;
    ev_timer_start(loop, &d->grace);
    end_if_quiet(d);
}

static void on_look(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct drive *d = watcher->data;

    if (atomic_load(&d->board->stop) != 0)
        on_end(loop, &d->end, events);
}

static void on_break(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)watcher;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static void drive_init(struct drive *d, const struct plan *plan, struct board *board,
                       uint32_t process)
{
    *d = (struct drive){.plan = plan, .board = board, .process = process, .tick_fd = -1};
    d->tally = &board->tally[process];
    d->loop = ev_loop_new(EVFLAG_AUTO);
    d->owner = (struct client_owner){d, on_idle, on_answered, on_lost};
    d->clients = (size_t)plan_share(plan, plan->clients, process);
    d->client = calloc(d->clients, sizeof(*d->client));
    d->queue = calloc(d->clients, sizeof(struct client *));
    assert(d->loop != NULL && d->client != NULL && d->queue != NULL);
    d->quota = plan->requests > 0 ? plan_share(plan, plan->requests, process) : UINT64_MAX;
    d->rate = plan->rate / plan->processes;
    d->random = (plan->world.seed + 1) * 0x9e3779b97f4a7c15u + process + 1;
    ev_timer_init(&d->connect_limit, on_break, CONNECT_SECONDS, 0);
    ev_timer_init(&d->end, on_end, plan->seconds, 0);
    ev_timer_init(&d->grace, on_break, GRACE_SECONDS, 0);
    ev_timer_init(&d->look, on_look, STOP_LOOK_SECONDS, STOP_LOOK_SECONDS);
    d->end.data = d;
    d->look.data = d;
}

static bool connect_clients(struct drive *d)
{
    for (size_t i = 0; i < d->clients; i++)
        client_open(&d->client[i], d->loop, &d->plan->target[i % d->plan->targets], &d->owner);
    ev_timer_start(d->loop, &d->connect_limit);
    ev_run(d->loop, 0);
    ev_timer_stop(d->loop, &d->connect_limit);
    if (d->connected < d->clients)
        fprintf(stderr, "storm: only %zu of %zu clients could connect to %s\n", d->connected,
                d->clients, d->plan->target[0].host);
    return d->connected >= d->clients;
}

bool drive_wait_for_start(struct board *board)
{
    atomic_fetch_add(&board->ready, 1);
    for (int ms = 0; ms < START_WAIT_MS && atomic_load(&board->start_us) == 0; ms++) {
        if (atomic_load(&board->stop) != 0)
            return false;
        clock_sleep_ms(1);
    }
    return atomic_load(&board->start_us) != 0;
}

static void start_ticks(struct drive *d)
{
    struct itimerspec every = {.it_interval = {0, TICK_NS}, .it_value = {0, TICK_NS}};

    d->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    assert(d->tick_fd >= 0);
    timerfd_settime(d->tick_fd, 0, &every, NULL);
    ev_io_init(&d->tick, on_tick, d->tick_fd, EV_READ);
    d->tick.data = d;
    ev_io_start(d->loop, &d->tick);
}

static void drive_start(struct drive *d)
{
    d->start_us = atomic_load(&d->board->start_us);
    d->window_us = d->start_us + (int64_t)(d->plan->warmup * 1e6);
    d->end_us = d->plan->requests > 0 ? INT64_MAX : d->start_us + (int64_t)(d->plan->seconds * 1e6);
    d->started = true;
    ev_now_update(d->loop);
    ev_timer_start(d->loop, &d->end);
    ev_timer_start(d->loop, &d->look);
    if (d->plan->rate > 0) {
        start_ticks(d);
        return;
    }
    /* One that was lost while all waited begins when it is connected again. */
    while (may_begin(d)) {
        struct client *c = queue_take(d);
        if (c == NULL)
            return;
        begin_errand(d, c, clock_mono_us());
    }
}

static void drive_finish(struct drive *d)
{
    d->tally->unanswered = count_asking(d);
    if (d->plan->rate > 0 && d->plan->requests == 0) {
        uint64_t due = (uint64_t)(d->plan->seconds * d->rate);
        d->tally->behind = due > d->due_begun ? due - d->due_begun : 0;
    }
    for (size_t i = 0; i < d->clients; i++) {
        if (d->client[i].state == CLIENT_ASKING)
            errand_abandon(&d->client[i].errand);
        client_close(&d->client[i]);
    }
    if (d->tick_fd >= 0)
        close(d->tick_fd);
    free(d->client);
    free(d->queue);
    ev_loop_destroy(d->loop);
}

int drive_run(const struct plan *plan, struct board *board, uint32_t process)
{
    struct drive d;

    drive_init(&d, plan, board, process);
    bool right = connect_clients(&d) && drive_wait_for_start(board);
    if (right) {
        drive_start(&d);
        ev_run(d.loop, 0);
    } else {
        atomic_store(&board->stop, 1);
    }
    drive_finish(&d);
    return right ? 0 : 1;
}
