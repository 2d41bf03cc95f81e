/* /metrics: what the gateway's workers count, what the allocators report, and what the first worker
 * looks up for all (overview.h). */
#include <stdio.h>

#include "base/clock.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/partitions.h"
#include "gateway/reply.h"

#define LABEL_BYTES 32

/* Each partition's allocator beside the others, told apart by the label `partition`. */
static void put_allocators(const struct gateway *g, struct buf *body)
{
    static char labels[PARTITIONS_MAX][LABEL_BYTES];
    const struct metric_value *sets[PARTITIONS_MAX];
    const char *extra[PARTITIONS_MAX];
    const struct partition *p;
    size_t count = 0;

    for (size_t i = 0; (p = partitions_at(g->partitions, i)) != NULL; i++) {
        if (!p->has_metrics)
            continue;
        snprintf(labels[count], LABEL_BYTES, "partition=\"%u\"", p->number);
        extra[count] = labels[count];
        sets[count++] = p->metrics;
    }
    if (count > 0)
        metrics_render(body, allocator_metric_rows, ALLOCATOR_METRICS_COUNT, sets, extra, count);
}

static void put_partitions(const struct gateway *g, struct buf *body)
{
    const struct partition *p;

    buf_puts(body, "# HELP usher_partition_up Whether the partition's allocator serves.\n"
                   "# TYPE usher_partition_up gauge\n");
    for (size_t i = 0; (p = partitions_at(g->partitions, i)) != NULL; i++)
        buf_putf(body, "usher_partition_up{partition=\"%u\"} %d\n", p->number,
                 partition_is_serving(p));
    buf_puts(body, "# HELP usher_stream_entries Entries in the partition's stream.\n"
                   "# TYPE usher_stream_entries gauge\n");
    for (size_t i = 0; (p = partitions_at(g->partitions, i)) != NULL; i++)
        buf_putf(body, "usher_stream_entries{partition=\"%u\"} %llu\n", p->number,
                 (unsigned long long)p->backlog_entries);
}

/* As this worker knows it. */
static void put_replica(const struct gateway *g, struct buf *body)
{
    struct replica_report replica = database_replica(databases_home(g->databases));

    buf_puts(body, "# HELP usher_gateway_replica_lag_seconds How old at most is what the replica "
                   "tells.\n# TYPE usher_gateway_replica_lag_seconds gauge\n");
    if (replica.status == REPLICA_NONE)
        return;
    if (replica.lag_ms < 0)
        buf_puts(body, "usher_gateway_replica_lag_seconds +Inf\n");
    else
        buf_putf(body, "usher_gateway_replica_lag_seconds %lld.%03d\n",
                 (long long)(replica.lag_ms / 1000), (int)(replica.lag_ms % 1000));
}

void get_metrics(struct task *task)
{
    struct gateway *g = task->gateway;

    gateway_count(g);
    struct buf *body = reply_open(task);
    gauges_render(g->gauges, body);
    put_partitions(g, body);
    put_allocators(g, body);
    put_replica(g, body);
    board_read(g->board, clock_mono_us(), body);
    reply_send(task, 200, "text/plain; version=0.0.4; charset=utf-8");
}
