#include <stdio.h>

#include "base/allocator_report.h"
#include "base/courier_report.h"
#include "base/metrics.h"
#include "tests/unit/unit.h"

enum { REQUESTS_GET, REQUESTS_POST, CONNECTIONS, SECONDS, CPU, ROWS };

static const struct metric_row rows[ROWS] = {
    [REQUESTS_GET] = {METRIC_COUNTER, "t_requests_total", "method=\"GET\"", "Requests."},
    [REQUESTS_POST] = {METRIC_COUNTER, "t_requests_total", "method=\"POST\"", "Requests."},
    [CONNECTIONS] = {METRIC_GAUGE, "t_connections", "", "Open."},
    [SECONDS] = {METRIC_HISTOGRAM, "t_seconds", "stage=\"wait\"", "Time."},
    [CPU] = {METRIC_SECONDS, "t_cpu_seconds_total", "", "Processor time."},
};

TEST(an_observation_falls_into_the_first_bucket_that_holds_it)
{
    struct metric_value h = {0};

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t bound_us = (uint64_t)(histogram_bounds[i] * 1e6 + 0.5);

        memset(&h, 0, sizeof(h));
        metric_observe_us(&h, bound_us); /* le: the bound belongs to it */
        assert_int_equal(h.bucket[i], 1);
        metric_observe_us(&h, bound_us + 1);
        assert_int_equal(h.bucket[i], 1);
        assert_int_equal(h.count, 2);
        assert_int_equal(h.sum_us, 2 * bound_us + 1);
    }
}

TEST(an_observation_beyond_all_bounds_is_counted)
{
    struct metric_value h = {0};

    metric_observe_us(&h, 30000001);
    metric_observe_us(&h, 0);
    assert_int_equal(h.count, 2);
    assert_int_equal(h.bucket[0], 1);
    for (size_t i = 1; i < HISTOGRAM_BUCKETS; i++)
        assert_int_equal(h.bucket[i], 0);
}

TEST(there_is_a_bucket_at_half_a_second)
{
    bool found = false;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        found = found || (histogram_bounds[i] > 0.49999 && histogram_bounds[i] < 0.50001);
        assert_true(i == 0 || histogram_bounds[i] > histogram_bounds[i - 1]);
    }
    assert_true(found);
}

TEST(sums_add_every_number)
{
    struct metric_value a[2] = {{.count = 1, .sum_us = 2}, {.count = 3}};
    struct metric_value b[2] = {{.count = 10, .sum_us = 20}, {.count = 30}};

    a[1].bucket[14] = 5;
    b[1].bucket[14] = 7;
    metric_sum(a, b, 2);
    assert_int_equal(a[0].count, 11);
    assert_int_equal(a[0].sum_us, 22);
    assert_int_equal(a[1].count, 33);
    assert_int_equal(a[1].bucket[14], 12);
}

TEST(a_page_reads_as_prometheus_wants_it)
{
    struct metric_value one[ROWS] = {{.count = 1}, {.count = 2}, {.count = 3}};
    struct metric_value two[ROWS] = {{.count = 4}, {.count = 5}, {.count = 6}};
    const struct metric_value *sets[] = {one, two};
    const char *extra[] = {"partition=\"1\"", NULL};
    struct buf b;

    buf_init(&b, 65536);
    metrics_render(&b, rows, SECONDS, sets, extra, 2);
    assert_string_equal(buf_text(&b), "# HELP t_requests_total Requests.\n"
                                      "# TYPE t_requests_total counter\n"
                                      "t_requests_total{method=\"GET\",partition=\"1\"} 1\n"
                                      "t_requests_total{method=\"GET\"} 4\n"
                                      "t_requests_total{method=\"POST\",partition=\"1\"} 2\n"
                                      "t_requests_total{method=\"POST\"} 5\n"
                                      "# HELP t_connections Open.\n"
                                      "# TYPE t_connections gauge\n"
                                      "t_connections{partition=\"1\"} 3\n"
                                      "t_connections 6\n");
    buf_free(&b);
}

TEST(a_histogram_is_cumulative)
{
    struct metric_value value = {0};
    const struct metric_value *sets[] = {&value};
    struct buf b;

    metric_observe_us(&value, 400);
    metric_observe_us(&value, 1500);
    metric_observe_us(&value, 31000000);
    buf_init(&b, 65536);
    metrics_render(&b, &rows[SECONDS], 1, sets, NULL, 1);
    assert_string_equal(buf_text(&b), "# HELP t_seconds Time.\n"
                                      "# TYPE t_seconds histogram\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"0.0005\"} 1\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"0.001\"} 1\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"0.002\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"0.005\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"0.01\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"0.02\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"0.05\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"0.1\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"0.2\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"0.5\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"1\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"2\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"5\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"10\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"30\"} 2\n"
                                      "t_seconds_bucket{stage=\"wait\",le=\"+Inf\"} 3\n"
                                      "t_seconds_sum{stage=\"wait\"} 31.001900\n"
                                      "t_seconds_count{stage=\"wait\"} 3\n");
    buf_free(&b);
}

TEST(a_histogram_caught_in_the_middle_of_a_write_is_still_one)
{
    struct metric_value value = {.count = 1, .bucket = {2, 3}};
    const struct metric_value *sets[] = {&value};
    struct buf b;

    buf_init(&b, 65536);
    metrics_render(&b, &rows[SECONDS], 1, sets, NULL, 1);
    assert_non_null(strstr(buf_text(&b), "le=\"30\"} 5\n"));
    assert_non_null(strstr(buf_text(&b), "le=\"+Inf\"} 5\n"));
    assert_non_null(strstr(buf_text(&b), "_count{stage=\"wait\"} 5\n"));
    buf_free(&b);
}

static void fill(struct metric_value *values, size_t count)
{
    uint64_t n = 1;

    for (size_t i = 0; i < count; i++) {
        values[i].count = n *= 3;
        values[i].sum_us = UINT64_MAX - n;
        for (size_t j = 0; j < HISTOGRAM_BUCKETS; j++)
            values[i].bucket[j] = n + j;
    }
}

TEST(numbers_survive_the_report)
{
    struct metric_value values[ALLOCATOR_METRICS_COUNT];
    struct metric_value back[ALLOCATOR_METRICS_COUNT];
    struct guarded g;
    struct buf b;

    fill(values, ALLOCATOR_METRICS_COUNT);
    buf_init(&b, 65536);
    metrics_write(&b, values, ALLOCATOR_METRICS_COUNT);
    g = guarded_copy(buf_span(&b));
    assert_int_equal(metrics_read(g.span, back, ALLOCATOR_METRICS_COUNT), ERR_NONE);
    assert_memory_equal(values, back, sizeof(values));
    guarded_free(&g);
    buf_free(&b);
}

static void is_refused(struct span s)
{
    struct metric_value values[2];

    assert_int_equal(metrics_read(s, values, 2), ERR_INPUT);
}

TEST(what_is_no_report_is_refused)
{
    struct metric_value values[3];
    struct buf b;

    fill(values, 3);
    buf_init(&b, 65536);
    metrics_write(&b, values, 2);
    each_prefix(buf_span(&b), is_refused);
    metrics_write(&b, values, 1);
    is_refused(buf_span(&b));
    buf_reset(&b);
    metrics_write(&b, values, 1);
    is_refused(buf_span(&b));
    buf_free(&b);
    is_refused(SPAN("1 2 3;4 5 6;"));
    is_refused(SPAN("-1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0;0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0;"));
    is_refused(SPAN("0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0;0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 x;"));
    is_refused(SPAN("0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0;0  0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0;"));
    is_refused(SPAN(
        "99999999999999999999 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0;0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0;"));
}

/* What promtool would say of them, as far as it can be seen here. */
TEST(the_allocators_rows_are_in_order)
{
    for (size_t i = 0; i < ALLOCATOR_METRICS_COUNT; i++) {
        const struct metric_row *row = &allocator_metric_rows[i];
        size_t len;
        bool total;

        assert_non_null(row->name);
        assert_non_null(row->labels);
        assert_non_null(row->help);
        len = strlen(row->name);
        total = len > 6 && strcmp(row->name + len - 6, "_total") == 0;
        assert_int_equal(total, row->kind == METRIC_COUNTER || row->kind == METRIC_SECONDS);
        assert_int_equal(strncmp(row->name, "usher_", 6), 0);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(row->name, allocator_metric_rows[j].name) != 0)
                continue;
            /* Rows of a name are adjacent, of one kind, and told apart by their labels. */
            assert_string_equal(row->name, allocator_metric_rows[i - 1].name);
            assert_int_equal(row->kind, allocator_metric_rows[j].kind);
            assert_string_equal(row->help, allocator_metric_rows[j].help);
            assert_string_not_equal(row->labels, allocator_metric_rows[j].labels);
        }
    }
    assert_string_equal(allocator_metric_rows[AM_DECISIONS + CODE_SOLD_OUT].labels,
                        "outcome=\"SOLD_OUT\"");
}

TEST(time_is_told_in_seconds)
{
    struct metric_value value = {.sum_us = 61000042};
    const struct metric_value *sets[] = {&value};
    struct buf b;

    buf_init(&b, 1024);
    metrics_render(&b, &rows[CPU], 1, sets, NULL, 1);
    assert_string_equal(buf_text(&b), "# HELP t_cpu_seconds_total Processor time.\n"
                                      "# TYPE t_cpu_seconds_total counter\n"
                                      "t_cpu_seconds_total 61.000042\n");
    buf_free(&b);
}

TEST(the_couriers_rows_are_in_order)
{
    for (size_t i = 0; i < COURIER_METRICS_COUNT; i++) {
        const struct metric_row *row = &courier_metric_rows[i];

        assert_non_null(row->name);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(row->name, courier_metric_rows[j].name) != 0)
                continue;
            /* One family stands together, each row with labels of its own. */
            assert_string_equal(row->name, courier_metric_rows[i - 1].name);
            assert_string_not_equal(row->labels, courier_metric_rows[j].labels);
        }
    }
    assert_string_equal(
        courier_metric_rows[courier_answer_row(COURIER_CALL_ASK, COURIER_VERDICT_ABSENT)].labels,
        "call=\"ask\",result=\"absent\"");
    assert_string_equal(
        courier_metric_rows[courier_delivery_row(COURIER_MAIL, DELIVERY_GIVEN_UP)].labels,
        "kind=\"mail\",result=\"given_up\"");
}

int main(void)
{
    return RUN(cmocka_unit_test(an_observation_falls_into_the_first_bucket_that_holds_it),
               cmocka_unit_test(an_observation_beyond_all_bounds_is_counted),
               cmocka_unit_test(there_is_a_bucket_at_half_a_second),
               cmocka_unit_test(sums_add_every_number),
               cmocka_unit_test(a_page_reads_as_prometheus_wants_it),
               cmocka_unit_test(a_histogram_is_cumulative),
               cmocka_unit_test(a_histogram_caught_in_the_middle_of_a_write_is_still_one),
               cmocka_unit_test(numbers_survive_the_report),
               cmocka_unit_test(what_is_no_report_is_refused),
               cmocka_unit_test(the_allocators_rows_are_in_order),
               cmocka_unit_test(time_is_told_in_seconds),
               cmocka_unit_test(the_couriers_rows_are_in_order));
}
