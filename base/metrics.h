/*
 * Counters, gauges and histograms with fixed rows, kept in plain memory that may be shared between
 * a gateway's worker processes (each writes its own copy; the reader adds them up).
 *
 * A family is a row in a table; `labels` is the text between the braces or "". Rows of the same
 * name must be adjacent in the table.
 */
#ifndef USHER_BASE_METRICS_H
#define USHER_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

/* SECONDS: a counter of time, kept in sum_us. */
enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SECONDS };

struct metric_row {
    enum metric_kind kind;
    const char *name;   /* "usher_http_requests_total" */
    const char *labels; /* "method=\"GET\"" or "" */
    const char *help;
};

/* Upper bounds in seconds: 0.0005 0.001 0.002 0.005 0.01 0.02 0.05 0.1 0.2 0.5 1 2 5 10 30 */
#define HISTOGRAM_BUCKETS 15
extern const double histogram_bounds[HISTOGRAM_BUCKETS];

struct metric_value {
    uint64_t count; /* a counter's or gauge's value, a histogram's number of observations */
    uint64_t sum_us;
    uint64_t bucket[HISTOGRAM_BUCKETS]; /* not cumulative here; cumulative when rendered */
};

void metric_observe_us(struct metric_value *histogram, uint64_t us);
void metric_sum(struct metric_value *into, const struct metric_value *from, size_t count);

/*
 * Prometheus text 0.0.4 of one family after another. `sets` arrays of `count` values, all laid out
 * as `rows`; set i's rows carry extra_labels[i] too (may be NULL or ""). HELP and TYPE once a name.
 */
void metrics_render(struct buf *out, const struct metric_row *rows, size_t count,
                    const struct metric_value *const *sets, const char *const *extra_labels,
                    size_t set_count);

/* Numbers as text and back, for the allocator's report in Redis: "count sum b0 … b14;…". */
void metrics_write(struct buf *out, const struct metric_value *values, size_t count);
enum err metrics_read(struct span text, struct metric_value *values, size_t count);

#endif
