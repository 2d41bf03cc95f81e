#include "metrics.h"

#include <stdbool.h>
#include <string.h>

#include "text.h"

/* Seconds as Prometheus reads them, and the same bounds to compare with. */
#define BOUNDS(X)                                                                                  \
    X(500, 0.0005)                                                                                 \
    X(1000, 0.001)                                                                                 \
    X(2000, 0.002)                                                                                 \
    X(5000, 0.005)                                                                                 \
    X(10000, 0.01)                                                                                 \
    X(20000, 0.02)                                                                                 \
    X(50000, 0.05)                                                                                 \
    X(100000, 0.1)                                                                                 \
    X(200000, 0.2)                                                                                 \
    X(500000, 0.5)                                                                                 \
    X(1000000, 1)                                                                                  \
    X(2000000, 2)                                                                                  \
    X(5000000, 5)                                                                                  \
    X(10000000, 10)                                                                                \
    X(30000000, 30)

#define X(us, seconds) seconds,
const double histogram_bounds[HISTOGRAM_BUCKETS] = {BOUNDS(X)};
#undef X
#define X(us, seconds) us,
static const uint64_t bounds_us[HISTOGRAM_BUCKETS] = {BOUNDS(X)};
#undef X
#define X(us, seconds) "le=\"" #seconds "\"",
static const char *const bounds_labels[HISTOGRAM_BUCKETS] = {BOUNDS(X)};
#undef X

static const char *const kind_names[] = {[METRIC_COUNTER] = "counter",
                                         [METRIC_GAUGE] = "gauge",
                                         [METRIC_HISTOGRAM] = "histogram",
                                         [METRIC_SECONDS] = "counter"};

static void put_family_head(struct buf *out, const struct metric_row *row);
static void put_figure(struct buf *out, enum metric_kind kind, const struct metric_value *value);
static void put_histogram(struct buf *out, const struct metric_row *row,
                          const struct metric_value *value, const char *extra);
static void put_name(struct buf *out, const char *name, const char *suffix,
                     const char *const labels[3]);
static bool take_number(struct span *text, char end, uint64_t *n);

void metric_observe_us(struct metric_value *histogram, uint64_t us)
{
    histogram->count++;
    histogram->sum_us += us;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (us <= bounds_us[i]) {
            histogram->bucket[i]++;
            return;
        }
    }
}

void metric_sum(struct metric_value *into, const struct metric_value *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        into[i].count += from[i].count;
        into[i].sum_us += from[i].sum_us;
        for (size_t j = 0; j < HISTOGRAM_BUCKETS; j++)
            into[i].bucket[j] += from[i].bucket[j];
    }
}

/* Prometheus wants all lines of a name together: rows of one name outside, sets inside. */
void metrics_render(struct buf *out, const struct metric_row *rows, size_t count,
                    const struct metric_value *const *sets, const char *const *extra_labels,
                    size_t set_count)
{
    for (size_t i = 0; i < count; i++) {
        const struct metric_row *row = &rows[i];

        if (i == 0 || strcmp(row->name, rows[i - 1].name) != 0)
            put_family_head(out, row);
        for (size_t j = 0; j < set_count; j++) {
            const char *extra = extra_labels != NULL ? extra_labels[j] : NULL;

            if (row->kind == METRIC_HISTOGRAM) {
                put_histogram(out, row, &sets[j][i], extra);
            } else {
                put_name(out, row->name, "", (const char *const[]){row->labels, extra, NULL});
                put_figure(out, row->kind, &sets[j][i]);
            }
        }
    }
}

void metrics_write(struct buf *out, const struct metric_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_put_u64(out, values[i].count);
        buf_putc(out, ' ');
        buf_put_u64(out, values[i].sum_us);
        for (size_t j = 0; j < HISTOGRAM_BUCKETS; j++) {
            buf_putc(out, ' ');
            buf_put_u64(out, values[i].bucket[j]);
        }
        buf_putc(out, ';');
    }
}

enum err metrics_read(struct span text, struct metric_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!take_number(&text, ' ', &values[i].count) ||
            !take_number(&text, ' ', &values[i].sum_us))
            return ERR_INPUT;
        for (size_t j = 0; j < HISTOGRAM_BUCKETS; j++) {
            char end = j + 1 < HISTOGRAM_BUCKETS ? ' ' : ';';

            if (!take_number(&text, end, &values[i].bucket[j]))
                return ERR_INPUT;
        }
    }
    return text.len == 0 ? ERR_NONE : ERR_INPUT;
}

static void put_family_head(struct buf *out, const struct metric_row *row)
{
    buf_puts(out, "# HELP ");
    buf_puts(out, row->name);
    buf_putc(out, ' ');
    buf_puts(out, row->help);
    buf_puts(out, "\n# TYPE ");
    buf_puts(out, row->name);
    buf_putc(out, ' ');
    buf_puts(out, kind_names[row->kind]);
    buf_putc(out, '\n');
}

static void put_seconds(struct buf *out, uint64_t us)
{
    buf_putf(out, "%llu.%06u\n", (unsigned long long)(us / 1000000), (unsigned)(us % 1000000));
}

static void put_figure(struct buf *out, enum metric_kind kind, const struct metric_value *value)
{
    if (kind == METRIC_SECONDS) {
        put_seconds(out, value->sum_us);
        return;
    }
    buf_put_u64(out, value->count);
    buf_putc(out, '\n');
}

static void put_histogram(struct buf *out, const struct metric_row *row,
                          const struct metric_value *value, const char *extra)
{
    const char *labels[3] = {row->labels, extra, NULL};
    uint64_t sum_us = value->sum_us;
    uint64_t below = 0;
    uint64_t all;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        labels[2] = bounds_labels[i];
        below += value->bucket[i];
        put_name(out, row->name, "_bucket", labels);
        buf_put_u64(out, below);
        buf_putc(out, '\n');
    }
    /* Another process may be writing: whatever was read, the buckets must not shrink. */
    all = value->count > below ? value->count : below;
    labels[2] = "le=\"+Inf\"";
    put_name(out, row->name, "_bucket", labels);
    buf_put_u64(out, all);
    labels[2] = NULL;
    buf_putc(out, '\n');
    put_name(out, row->name, "_sum", labels);
    put_seconds(out, sum_us);
    put_name(out, row->name, "_count", labels);
    buf_put_u64(out, all);
    buf_putc(out, '\n');
}

/* name_suffix{label,label} and a space; labels that are NULL or empty are left out. */
static void put_name(struct buf *out, const char *name, const char *suffix,
                     const char *const labels[3])
{
    char before = '{';

    buf_puts(out, name);
    buf_puts(out, suffix);
    for (int i = 0; i < 3; i++) {
        if (labels[i] == NULL || labels[i][0] == '\0')
            continue;
        buf_putc(out, before);
        buf_puts(out, labels[i]);
        before = ',';
    }
    buf_puts(out, before == ',' ? "} " : " ");
}

static bool take_number(struct span *text, char end, uint64_t *n)
{
    const char *at = text->len == 0 ? NULL : memchr(text->bytes, end, text->len);
    struct span number;

    if (at == NULL)
        return false;
    number = (struct span){text->bytes, (size_t)(at - text->bytes)};
    text->len -= number.len + 1;
    text->bytes = at + 1;
    return text_u64(number, UINT64_MAX, n);
}
