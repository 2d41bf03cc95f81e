#include "gateway/gateway.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <ev.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/process.h"
#include "gateway/alternatives.h"
#include "gateway/analytics.h"
#include "gateway/blocks.h"
#include "gateway/databases.h"
#include "gateway/enqueue.h"
#include "gateway/identity.h"
#include "gateway/limits.h"
#include "gateway/live.h"
#include "gateway/overview.h"
#include "gateway/partitions.h"
#include "gateway/redis_servers.h"
#include "gateway/rooms.h"
#include "gateway/routes.h"
#include "gateway/shows.h"
#include "gateway/waiters.h"
#include "http/server.h"
#include "trace/tracer.h"

#define HEADERS_BYTES_MAX 8192
#define BODY_BYTES_MAX (4 << 20) /* /metrics of many partitions is the longest */
#define COUNT_EVERY_S 0.25
#define DRAIN_TELL_MS 500 /* before the drain's end, those who still wait are told so */
#define BEGIN_LOOK_S 0.02
#define BEGIN_MS_MAX 30000 /* at a port of others; then it lets clients in, ready or not */
#define AGAIN_MS 1000 /* a signal so soon behind the first came another way, and says the same */

/* What only this file needs, around the gateway. */
struct run {
    struct gateway gateway;
    struct http_application application, admin_application;
    struct door door, admin_door;
    bool shares_port;           /* somebody listened there when this worker began */
    bool cannot_serve;          /* the address could not be had after all */
    unsigned undrained;         /* servers */
    struct http_counts counted; /* already in the shared gauges */
    struct database_counts database_counted;
    uint64_t reconnects_counted[3];
    uint64_t cpu_counted_us;
    ev_timer begin_timer, count_timer, drain_notice, drain_tell, drain_end;
    unsigned worker;
    int64_t drain_began_us;
    ev_signal terminate, interrupt, hangup;
};

static void on_redis_ready(void *context)
{
    struct gateway *g = context;

    enqueue_go_on(g->enqueue);
    waiters_look_soon(g->waiters);
}

static void on_subscribed(void *context)
{
    struct gateway *g = context;

    waiters_look_soon(g->waiters);
}

static void nothing(void *context)
{
    (void)context;
}

static void on_message(void *context, struct span payload)
{
    struct gateway *g = context;

    waiters_hear(g->waiters, payload);
}

static void count_up(struct metric_value *value, uint64_t now, uint64_t *counted)
{
    value->count += now - *counted;
    *counted = now;
}

static void count_database(struct run *run)
{
    struct metric_value *own = run->gateway.own;
    struct database_counts now = databases_counts(run->gateway.databases);
    struct database_counts *then = &run->database_counted;

    count_up(&own[G_READS_PRIMARY], now.primary, &then->primary);
    count_up(&own[G_READS_REPLICA], now.replica, &then->replica);
    count_up(&own[G_POSTGRES_RECONNECTS], now.primary_reconnects, &then->primary_reconnects);
    count_up(&own[G_REPLICA_RECONNECTS], now.replica_reconnects, &then->replica_reconnects);
}

/* Other parts' counters are taken over as differences, so that a worker's successor goes on. */
void gateway_count(struct gateway *g)
{
    struct run *run = LIST_OWNER(g, struct run, gateway);
    const struct http_counts *now = http_server_counts(g->http);
    struct http_counts *then = &run->counted;

    count_up(&g->own[G_HTTP_ACCEPTED], now->accepted, &then->accepted);
    count_up(&g->own[G_HTTP_REFUSED], now->refused, &then->refused);
    count_up(&g->own[G_HTTP_TIMEOUTS], now->timeouts, &then->timeouts);
    count_up(&g->own[G_HTTP_MALFORMED], now->malformed, &then->malformed);
    count_up(&g->own[G_HTTP_BYTES_IN], now->bytes_in, &then->bytes_in);
    count_up(&g->own[G_HTTP_BYTES_OUT], now->bytes_out, &then->bytes_out);
    count_up(&g->own[G_REDIS_RECONNECTS], redis_servers_reconnects(g->redis),
             &run->reconnects_counted[0]);
    count_up(&g->own[G_SUBSCRIBER_RECONNECTS], redis_link_reconnects(g->subscriber),
             &run->reconnects_counted[1]);
    count_up(&g->own[G_LIVE_RECONNECTS], live_reconnects(g->live), &run->reconnects_counted[2]);
    count_database(run);
    uint64_t cpu_us = process_cpu_us();
    g->own[G_CPU].sum_us += cpu_us - run->cpu_counted_us;
    run->cpu_counted_us = cpu_us;
    if (run->worker == 0) { /* all of them count in one place: the first one tells it */
        g->own[G_SPANS_EXPORTED].count = tracer_counted(TRACER_EXPORTED);
        g->own[G_SPANS_FULL].count = tracer_counted(TRACER_DROPPED_FULL);
        g->own[G_SPANS_COLLECTOR].count = tracer_counted(TRACER_DROPPED_COLLECTOR);
    }
    g->own[G_CONNECTIONS].count = now->connections;
    g->own[G_TASKS].count = g->tasks.taken;
    g->own[G_WAITERS].count = waiters_count(g->waiters);
    g->own[G_STREAM_TOPICS].count = live_topics(g->live);
}

static void on_count(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct gateway *g = timer->data;

    (void)loop;
    (void)events;
    g->own[G_RESIDENT].count = process_resident_bytes();
    gateway_count(g);
    tracer_keep();
}

static void on_drained(void *context)
{
    struct run *run = context;

    if (--run->undrained == 0)
        ev_break(run->gateway.loop, EVBREAK_ALL);
}

static void begin_serving(struct run *run)
{
    struct gateway *g = &run->gateway;

    run->cannot_serve =
        !http_server_begin(g->http) || (g->admin_http != NULL && !http_server_begin(g->admin_http));
    if (run->cannot_serve) {
        ev_feed_event(g->loop, &run->drain_end, EV_TIMER);
        return;
    }
    log_event(LOG_INFO, "serving", "name", g->name, "port",
              log_u64((unsigned)http_server_port(g->http)), "version", USHER_VERSION, NULL);
}

/* A share of a port's clients comes to each who listens there: not before they can be served. */
static void on_begin_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct run *run = timer->data;
    struct gateway *g = &run->gateway;

    (void)events;
    if (!gateway_is_ready(g) && clock_mono_us() - g->began_us < BEGIN_MS_MAX * 1000)
        return;
    ev_timer_stop(loop, timer);
    begin_serving(run);
}

static void drain(struct run *run)
{
    struct gateway *g = &run->gateway;
    int64_t notice_ms = g->options->drain_notice_ms;

    g->is_draining = true;
    ev_timer_stop(g->loop, &run->begin_timer);
    run->undrained = g->admin_http != NULL ? 2 : 1;
    http_server_drain(g->http, notice_ms, on_drained, run);
    if (g->admin_http != NULL)
        http_server_drain(g->admin_http, notice_ms, on_drained, run);
    ev_timer_set(&run->drain_notice, (double)notice_ms / 1000, 0);
    ev_timer_start(g->loop, &run->drain_notice);
}

static void on_drain_notice(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct gateway *g = timer->data;

    (void)loop;
    (void)events;
    live_drain(g->live);
}

static void on_drain_tell(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct gateway *g = timer->data;

    (void)loop;
    (void)events;
    waiters_end_all(g->waiters);
}

static void on_drain_end(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    log_event(LOG_WARN, "drain_cut_short", NULL);
    ev_break(loop, EVBREAK_ALL);
}

static void end_within(struct run *run, double tell_s, double end_s)
{
    struct ev_loop *loop = run->gateway.loop;

    ev_timer_stop(loop, &run->drain_tell);
    ev_timer_stop(loop, &run->drain_end);
    ev_timer_set(&run->drain_tell, tell_s > 0 ? tell_s : 0, 0);
    ev_timer_set(&run->drain_end, end_s, 0);
    ev_timer_start(loop, &run->drain_tell);
    ev_timer_start(loop, &run->drain_end);
}

/* Be taken out of the way, take nothing new, answer who waits, end. A supervisor may tell a worker
 * as well as its master, which tells it too. */
static void on_signal(struct ev_loop *loop, ev_signal *signal, int events)
{
    struct run *run = signal->data;
    struct gateway *g = &run->gateway;
    double end_s = (double)(g->options->drain_notice_ms + g->options->drain_ms) / 1000;
    int64_t now_us = clock_mono_us();

    (void)loop;
    (void)events;
    if (run->drain_began_us != 0) {
        if (now_us - run->drain_began_us > AGAIN_MS * 1000) /* asked again: at once */
            end_within(run, 0, 0);
        return;
    }
    run->drain_began_us = now_us;
    log_event(LOG_INFO, "draining", "awaiting", log_u64(waiters_count(g->waiters)), NULL);
    end_within(run, end_s - DRAIN_TELL_MS / 1000.0, end_s);
    drain(run);
}

static void on_hangup(struct ev_loop *loop, ev_signal *signal, int events)
{
    struct run *run = signal->data;

    (void)loop;
    (void)events;
    identity_reload(run->gateway.identity);
    limits_reload(run->gateway.limits);
}

static void open_links(struct gateway *g)
{
    const struct gateway_options *o = g->options;
    struct key channel = key_replies_channel(g->name);
    struct redis_link_events answers = {
        .context = g, .ready = on_subscribed, .lost = nothing, .message = on_message};
    struct database_options home = {.primary = o->postgres,
                                    .replica = o->postgres_replica,
                                    .connections = (size_t)o->postgres_connections,
                                    .lag_ms_max = o->replica_lag_ms_max,
                                    .patience_ms = POSTGRES_PATIENCE_MS};

    g->redis = redis_servers_open(g->loop, &o->redis_url, on_redis_ready, g);
    g->subscriber = redis_link_open(g->loop, &o->redis_url, channel.text, &answers);
    g->databases = databases_open(g->loop, &home);
    analytics_begin(g);
    partitions_begin(g->partitions);
    shows_begin(g->shows);
    live_begin(g->live);
    if (g->overview != NULL)
        overview_begin(g->overview);
}

static void close_links(struct gateway *g)
{
    live_end(g->live);
    redis_link_close(g->subscriber);
    redis_servers_close(g->redis);
    databases_close(g->databases);
    analytics_end(g);
}

static void open_parts(struct run *run, const struct gateway_options *options, unsigned worker)
{
    struct gateway *g = &run->gateway;

    g->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    assert(g->loop != NULL);
    g->options = options;
    g->began_us = clock_mono_us();
    if (options->workers > 1)
        snprintf(g->name, sizeof g->name, "%s-%u", options->name, worker);
    else
        snprintf(g->name, sizeof g->name, "%s", options->name);
    buf_init(&g->headers, HEADERS_BYTES_MAX);
    buf_init(&g->body, BODY_BYTES_MAX);
    task_pool_init(&g->tasks);
    g->waiters = waiters_new(g);
    g->partitions = partitions_new(g);
    g->enqueue = enqueue_new(g);
    g->shows = shows_new(g);
    g->rooms = rooms_new(g);
    g->alternatives = alternatives_new(g);
    g->blocks = blocks_new(g);
    g->live = live_new(g);
    g->identity = identity_new(g);
    g->limits = limits_new(g);
    g->overview = worker == 0 ? overview_new(g) : NULL;
}

static void close_parts(struct gateway *g)
{
    if (g->overview != NULL)
        overview_free(g->overview);
    live_free(g->live);
    if (g->limits != NULL)
        limits_free(g->limits);
    if (g->identity != NULL)
        identity_free(g->identity);
    blocks_free(g->blocks);
    alternatives_free(g->alternatives);
    rooms_free(g->rooms);
    shows_free(g->shows);
    enqueue_free(g->enqueue);
    waiters_free(g->waiters);
    partitions_free(g->partitions);
    task_pool_free(&g->tasks);
    buf_free(&g->headers);
    buf_free(&g->body);
    ev_loop_destroy(g->loop);
}

static enum err open_server(struct run *run)
{
    struct gateway *g = &run->gateway;
    const struct gateway_options *o = g->options;
    struct http_server_options http = {.listen = o->listen,
                                       .begins_later = true,
                                       .connections_max = (size_t)o->connections_max,
                                       .idle_ms = o->idle_ms,
                                       .head_ms = o->head_ms,
                                       .body_ms = o->body_ms,
                                       .write_ms = o->write_ms,
                                       .output_bytes_max = (size_t)o->output_bytes_max};

    run->door = (struct door){g, o->admin_listen[0] == '\0'};
    run->application = routes_application(&run->door);
    TRY(http_server_open(g->loop, &http, &run->application, &g->http));
    if (run->door.has_admin)
        return ERR_NONE;
    run->admin_door = (struct door){g, true};
    run->admin_application = routes_application(&run->admin_door);
    http.listen = o->admin_listen;
    enum err err = http_server_open(g->loop, &http, &run->admin_application, &g->admin_http);
    if (err)
        http_server_close(g->http);
    return err;
}

static void watch(struct run *run)
{
    struct gateway *g = &run->gateway;

    ev_timer_init(&run->begin_timer, on_begin_look, BEGIN_LOOK_S, BEGIN_LOOK_S);
    run->begin_timer.data = run;
    ev_timer_init(&run->count_timer, on_count, 0, COUNT_EVERY_S);
    ev_timer_init(&run->drain_notice, on_drain_notice, 0, 0);
    ev_timer_init(&run->drain_tell, on_drain_tell, 0, 0);
    ev_timer_init(&run->drain_end, on_drain_end, 0, 0);
    run->count_timer.data = run->drain_notice.data = g;
    run->drain_tell.data = run->drain_end.data = g;
    ev_timer_start(g->loop, &run->count_timer);
    ev_signal_init(&run->terminate, on_signal, SIGTERM);
    ev_signal_init(&run->interrupt, on_signal, SIGINT);
    ev_signal_init(&run->hangup, on_hangup, SIGHUP);
    run->terminate.data = run->interrupt.data = run->hangup.data = run;
    ev_signal_start(g->loop, &run->terminate);
    ev_signal_start(g->loop, &run->interrupt);
    ev_signal_start(g->loop, &run->hangup);
}

int gateway_run(const struct gateway_options *options, struct gauges *gauges, struct board *board,
                unsigned worker)
{
    static struct run run;
    struct gateway *g = &run.gateway;

    run.shares_port = http_address_is_shared(options->listen);
    run.worker = worker;
    open_parts(&run, options, worker);
    g->gauges = gauges;
    g->board = board;
    g->own = gauges_of(gauges, worker);
    gauges_restart(gauges, worker);
    if (g->identity == NULL || g->limits == NULL || open_server(&run)) {
        close_parts(g);
        return 1;
    }
    open_links(g);
    watch(&run);
    if (run.shares_port)
        ev_timer_start(g->loop, &run.begin_timer);
    else
        begin_serving(&run);
    ev_run(g->loop, 0);
    gateway_count(g);
    http_server_close(g->http);
    if (g->admin_http != NULL)
        http_server_close(g->admin_http);
    close_links(g);
    close_parts(g);
    log_event(LOG_INFO, "ended", NULL);
    return run.cannot_serve ? 1 : 0;
}
