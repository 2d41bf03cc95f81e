#include "gateway/gauges.h"

#include <string.h>
#include <sys/mman.h>

struct gauges {
    size_t bytes;
    unsigned workers;
    struct metric_value value[]; /* GAUGES_COUNT for each worker */
};

static const struct metric_row rows[GAUGES_COUNT] = {
#define X(name, kind, metric, labels, help) [G_##name] = {METRIC_##kind, metric, labels, help},
    GAUGES(X)
#undef X
#define X(status)                                                                                  \
    [G_STATUS_##status] = {METRIC_COUNTER, "usher_gateway_answers_total",                          \
                           "status=\"" #status "\"", "Answers by HTTP status"},
        GAUGE_STATUSES(X)
#undef X
            [G_STATUS_OTHER] = {METRIC_COUNTER, "usher_gateway_answers_total", "status=\"other\"",
                                "Answers by HTTP status"},
};

struct gauges *gauges_map(unsigned workers)
{
    size_t bytes = sizeof(struct gauges) + workers * GAUGES_COUNT * sizeof(struct metric_value);
    struct gauges *gauges =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (gauges == MAP_FAILED)
        return NULL;
    gauges->bytes = bytes;
    gauges->workers = workers;
    return gauges;
}

void gauges_unmap(struct gauges *gauges)
{
    munmap(gauges, gauges->bytes);
}

struct metric_value *gauges_of(struct gauges *gauges, unsigned worker)
{
    return &gauges->value[(size_t)worker * GAUGES_COUNT];
}

void gauges_restart(struct gauges *gauges, unsigned worker)
{
    struct metric_value *own = gauges_of(gauges, worker);

    for (size_t i = 0; i < GAUGES_COUNT; i++)
        if (rows[i].kind == METRIC_GAUGE)
            memset(&own[i], 0, sizeof own[i]);
}

static enum gauge status_gauge(int status)
{
    switch (status) {
#define X(number)                                                                                  \
    case number:                                                                                   \
        return G_STATUS_##number;
        GAUGE_STATUSES(X)
#undef X
    default:
        return G_STATUS_OTHER;
    }
}

void gauges_count_status(struct metric_value *own, int status)
{
    own[status_gauge(status)].count++;
}

void gauges_render(struct gauges *gauges, struct buf *out)
{
    struct metric_value sum[GAUGES_COUNT];
    const struct metric_value *sets[] = {sum};

    memset(sum, 0, sizeof sum);
    for (unsigned i = 0; i < gauges->workers; i++)
        metric_sum(sum, gauges_of(gauges, i), GAUGES_COUNT);
    metrics_render(out, rows, GAUGES_COUNT, sets, (const char *const[]){""}, 1);
}
