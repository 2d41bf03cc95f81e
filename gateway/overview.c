#include "gateway/overview.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <ev.h>

#include "base/advice.h"
#include "base/clock.h"
#include "base/partition_look.h"
#include "base/program_report.h"
#include "gateway/gateway.h"
#include "gateway/partitions.h"
#include "gateway/reports.h"
#include "gateway/stock.h"

#define TURN_MS PROGRAM_REPORT_MS
#define BUSY_FADES_US 10e6   /* how long a worker's load is remembered */
#define OTHER_DESCRIPTORS 64 /* of a worker, besides its clients' */

/* A worker's processor time as it was at the last turn, and the share of its time that it is busy,
 * in the mean of the last seconds. */
struct worker_load {
    uint64_t cpu_us;
    double busy;
};

struct overview {
    struct gateway *gateway;
    ev_timer timer;
    struct reports *reports;
    struct stock *stock;
    struct buf text;
    int64_t look_ms;              /* between two looks at the partitions */
    int64_t turned_us, looked_us; /* monotonic */
    struct worker_load *worker;
    struct gateway_load own;
    size_t partitions;
    struct partition_look before[PARTITIONS_MAX];
    struct partition_figures partition[PARTITIONS_MAX];
    struct smoothing wants_partitions, wants_gateways;
};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events);

struct overview *overview_new(struct gateway *gateway)
{
    struct overview *o = calloc(1, sizeof *o);

    assert(o != NULL);
    o->gateway = gateway;
    o->reports = reports_new(gateway);
    o->stock = stock_new(gateway);
    o->worker = calloc((size_t)gateway->options->workers, sizeof *o->worker);
    assert(o->worker != NULL);
    buf_init(&o->text, BOARD_BYTES_MAX);
    o->look_ms = gateway->options->scale_window_ms / SMOOTHING_LOOKS;
    ev_timer_init(&o->timer, on_timer, 0,
                  (double)(o->look_ms < TURN_MS ? o->look_ms : TURN_MS) / 1000);
    o->timer.data = o;
    return o;
}

void overview_begin(struct overview *o)
{
    o->turned_us = clock_mono_us();
    ev_timer_start(o->gateway->loop, &o->timer);
}

void overview_free(struct overview *o)
{
    ev_timer_stop(o->gateway->loop, &o->timer);
    reports_free(o->reports);
    stock_free(o->stock);
    buf_free(&o->text);
    free(o->worker);
    free(o);
}

/* What a worker takes at most: its own bound, or what its descriptors leave. */
static uint64_t connections_max(const struct gateway_options *options)
{
    uint64_t most = (uint64_t)options->connections_max;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur <= OTHER_DESCRIPTORS)
        return most;
    return limit.rlim_cur - OTHER_DESCRIPTORS < most ? limit.rlim_cur - OTHER_DESCRIPTORS : most;
}

static void measure_worker(struct worker_load *w, const struct metric_value *gauges, double us)
{
    uint64_t cpu_us = gauges[G_CPU].sum_us;
    double busy = us > 0 ? (double)(cpu_us - w->cpu_us) / us : 0;
    double kept = exp(-us / BUSY_FADES_US);

    w->busy = kept * w->busy + (1 - kept) * (busy < 1 ? busy : 1);
    w->cpu_us = cpu_us;
}

static void measure(struct overview *o, int64_t now_us)
{
    const struct gateway_options *options = o->gateway->options;
    double us = (double)(now_us - o->turned_us), all = 0, most = 0;
    struct gateway_load *own = &o->own;

    o->turned_us = now_us;
    memset(own, 0, sizeof *own);
    own->workers = (uint64_t)options->workers;
    for (unsigned i = 0; i < own->workers; i++) {
        const struct metric_value *gauges = gauges_of(o->gateway->gauges, i);
        measure_worker(&o->worker[i], gauges, us);
        all += o->worker[i].busy;
        most = fmax(most, o->worker[i].busy);
        own->connections += gauges[G_CONNECTIONS].count;
        own->awaiting += gauges[G_WAITERS].count;
    }
    own->busy_permille = (uint64_t)(1000 * all / (double)own->workers);
    own->busiest_permille = (uint64_t)(1000 * most);
    own->connections_max = own->workers * connections_max(options);
    own->awaiting_max = own->workers * (uint64_t)options->waiters_max;
}

/* What each did since the last look; one that has no report did nothing that is known. */
static void look(struct overview *o, int64_t now_us)
{
    const struct partition *p;

    for (o->partitions = 0; (p = partitions_at(o->gateway->partitions, o->partitions)) != NULL;
         o->partitions++) {
        struct partition_figures *f = &o->partition[o->partitions];
        struct partition_look *before = &o->before[o->partitions];
        *f = (struct partition_figures){.partition = p->number,
                                        .database =
                                            partitions_lowest(o->gateway->partitions, p->database),
                                        .is_serving = partition_is_serving(p),
                                        .hot_show = p->hot_show,
                                        .hot_share = p->hot_permille / 1000.0};
        if (!p->has_metrics) {
            before->at_us = 0;
            continue;
        }
        struct partition_look now = partition_look(p->metrics, now_us);
        partition_between(before, &now, f);
        *before = now;
    }
}

/* Nobody says how many are wanted who does not see them all. */
static void want(struct overview *o)
{
    size_t count;
    const struct gateway_load *loads = reports_gateways(o->reports, &count);

    if (loads == NULL || count == 0 || o->partitions == 0)
        return;
    smoothing_step(&o->wants_gateways, gateways_wanted(loads, count).wanted, (unsigned)count);
    smoothing_step(&o->wants_partitions, partitions_wanted(o->partition, o->partitions),
                   (unsigned)o->partitions);
}

static void put_gauge(struct buf *out, const char *name, const char *help, double value)
{
    buf_putf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %g\n", name, help, name, name, value);
}

static void put_wanted(const struct overview *o, struct buf *out)
{
    size_t count;

    put_gauge(out, "usher_gateway_busy_ratio",
              "Share of their time that this gateway's workers are busy.",
              (double)o->own.busy_permille / 1000);
    put_gauge(out, "usher_gateway_connections_max", "Connections that this gateway would take.",
              (double)o->own.connections_max);
    if (reports_gateways(o->reports, &count) == NULL)
        return;
    put_gauge(out, "usher_gateways", "Gateways that report of themselves.", (double)count);
    if (!o->wants_gateways.has_begun)
        return;
    put_gauge(out, "usher_gateways_wanted", "Gateways that would do for what all of them carry.",
              o->wants_gateways.told);
    put_gauge(out, "usher_partitions_wanted", "Partitions that would do for what is decided.",
              o->wants_partitions.told);
}

static void put_partitions(const struct overview *o, struct buf *out)
{
    if (o->partitions == 0)
        return;
    buf_puts(out, "# HELP usher_partition_use Share of what the allocator could decide that it "
                  "decides; 1: requests wait long.\n# TYPE usher_partition_use gauge\n");
    for (size_t i = 0; i < o->partitions; i++)
        buf_putf(out, "usher_partition_use{partition=\"%u\"} %.3f\n", o->partition[i].partition,
                 partition_use(&o->partition[i]));
    buf_puts(out, "# HELP usher_partition_hot_share Share of the partition's requests that are for "
                  "the show that most are for.\n# TYPE usher_partition_hot_share gauge\n");
    for (size_t i = 0; i < o->partitions; i++)
        buf_putf(out, "usher_partition_hot_share{partition=\"%u\",show=\"%u\"} %.3f\n",
                 o->partition[i].partition, o->partition[i].hot_show, o->partition[i].hot_share);
}

static void write_down(struct overview *o, int64_t now_us)
{
    buf_reset(&o->text);
    put_wanted(o, &o->text);
    put_partitions(o, &o->text);
    stock_put(o->stock, &o->text);
    reports_put_couriers(o->reports, &o->text);
    if (!o->text.failed)
        board_write(o->gateway->board, buf_span(&o->text), now_us);
}

/* Until something is known, it is looked for at every turn. */
static bool is_time_to_look(const struct overview *o, int64_t now_us)
{
    return !o->wants_gateways.has_begun || now_us - o->looked_us >= o->look_ms * 1000;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct overview *o = timer->data;
    int64_t now_us = clock_mono_us();

    (void)loop;
    (void)events;
    measure(o, now_us);
    reports_turn(o->reports, &o->own);
    stock_turn(o->stock);
    if (is_time_to_look(o, now_us)) {
        o->looked_us = now_us;
        look(o, now_us);
        want(o);
    }
    write_down(o, now_us);
}
