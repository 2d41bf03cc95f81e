/* What an allocator finds out about itself: capacity, hot shows, how long payments take. */
#include "allocator/capacity.h"
#include "allocator/hot_show.h"
#include "allocator/payment_clock.h"
#include "base/bounds.h"
#include "base/partition_look.h"
#include "tests/unit/unit.h"

/* Turns of sizes that go up and down, each taking so long and so much more for each request. */
static double capacity_of(uint32_t least, uint32_t most, double turn_us, double request_us)
{
    struct capacity c = {0};

    for (uint32_t i = 0; i < 200; i++) {
        uint32_t n = least + i % (most - least + 1);
        capacity_turn(&c, n, (int64_t)(turn_us + request_us * n));
    }
    return capacity_estimate(&c);
}

static double promised(double turn_us, double request_us)
{
    return BATCH_REQUESTS_MAX * 1e6 / (turn_us + request_us * BATCH_REQUESTS_MAX);
}

static void assert_near(double got, double want)
{
    assert_true(got > 0.98 * want && got < 1.02 * want);
}

TEST(small_turns_tell_what_full_ones_would_do)
{
    assert_near(capacity_of(20, 60, 1000, 20), promised(1000, 20));
    assert_near(capacity_of(100, 200, 5000, 10), promised(5000, 10));
    assert_near(capacity_of(400, 512, 1000, 20), promised(1000, 20));
}

TEST(turns_of_one_size_promise_no_more_than_they_do)
{
    assert_near(capacity_of(100, 100, 1000, 20), 100 * 1e6 / 3000);
}

TEST(few_or_tiny_turns_tell_nothing)
{
    struct capacity c = {0};

    assert_true(capacity_estimate(&c) == 0);
    assert_true(capacity_of(1, 8, 1000, 20) == 0);
    for (int i = 0; i < CAPACITY_TURNS_MIN - 1; i++)
        capacity_turn(&c, 200, 5000);
    capacity_turn(&c, 0, 5000);
    capacity_turn(&c, 200, 0); /* a clock that stood */
    assert_true(capacity_estimate(&c) == 0);
    capacity_turn(&c, 200, 5000);
    assert_true(capacity_estimate(&c) > 0);
}

TEST(noise_never_promises_more_than_its_smallest_turns)
{
    struct capacity c = {0};

    for (uint32_t i = 0; i < 300; i++) /* larger turns that took less: chance */
        capacity_turn(&c, 50 + i % 100, 4000 - 10 * (int64_t)(i % 100));
    assert_true(capacity_estimate(&c) <= BATCH_REQUESTS_MAX * 1e6 / 3000);
}

TEST(what_was_long_ago_counts_little)
{
    struct capacity c = {0};

    for (uint32_t i = 0; i < 500; i++)
        capacity_turn(&c, 100 + i % 100, 20000);
    for (uint32_t i = 0; i < 500; i++)
        capacity_turn(&c, 100 + i % 100, 1000 + 20 * (100 + i % 100));
    assert_near(capacity_estimate(&c), promised(1000, 20));
}

TEST(the_hot_show_is_found_among_many)
{
    struct hot_shows h = {0};
    unsigned permille = 0;

    for (uint32_t i = 0; i < 10000; i++)
        hot_shows_count(&h, i % 2 == 0 ? 77 : 1000 + i, 1);
    assert_int_equal(hot_shows_first(&h, &permille), 77);
    assert_in_range(permille, 500 - 1000 / (HOT_SHOWS + 1), 500);
}

TEST(few_shows_are_counted_exactly)
{
    struct hot_shows h = {0};
    unsigned permille = 0;

    hot_shows_count(&h, 1, 10);
    hot_shows_count(&h, 2, 80);
    hot_shows_count(&h, 1, 10);
    assert_int_equal(hot_shows_first(&h, &permille), 2);
    assert_int_equal(permille, 800);
}

TEST(the_past_fades)
{
    struct hot_shows h = {0};
    unsigned permille = 0;

    hot_shows_count(&h, 1, 100);
    hot_shows_fade(&h, 60000);
    assert_int_equal(hot_shows_first(&h, &permille), 0);
    hot_shows_count(&h, 2, 20);
    assert_int_equal(hot_shows_first(&h, &permille), 2);
    assert_in_range(permille, 990, 1000);
}

TEST(a_run_that_is_larger_than_all_others_takes_a_place)
{
    struct hot_shows h = {0};
    unsigned permille = 0;

    for (uint32_t show = 1; show <= HOT_SHOWS; show++)
        hot_shows_count(&h, show, 10);
    hot_shows_count(&h, 99, 100);
    assert_int_equal(hot_shows_first(&h, &permille), 99);
    assert_int_equal(permille, 500);
}

static struct id a_payment(uint64_t n)
{
    return id_fresh(1, 1770000000000, 30000, n);
}

TEST(a_payment_takes_from_its_decision_to_its_settlement)
{
    static struct payment_clock clock;
    int64_t took = 0;

    assert_false(payment_clock_end(&clock, a_payment(1), 5000, &took));
    payment_clock_begin(&clock, a_payment(1), 1000);
    assert_true(payment_clock_end(&clock, a_payment(1), 5000, &took));
    assert_int_equal(took, 4000);
    assert_false(payment_clock_end(&clock, a_payment(1), 6000, &took)); /* once */
}

TEST(a_payment_that_is_noted_twice_is_one)
{
    static struct payment_clock clock;
    int64_t took = 0;

    payment_clock_begin(&clock, a_payment(1), 1000);
    payment_clock_begin(&clock, a_payment(1), 2000);
    assert_true(payment_clock_end(&clock, a_payment(1), 1500, &took));
    assert_int_equal(took, 0); /* never less than nothing */
    assert_false(payment_clock_end(&clock, a_payment(1), 5000, &took));
}

TEST(the_oldest_make_room)
{
    static struct payment_clock clock;
    uint64_t known = 0, many = 4 * PAYMENTS_CLOCKED_MAX;
    int64_t took;

    for (uint64_t i = 0; i < many; i++)
        payment_clock_begin(&clock, a_payment(i), (int64_t)(1000 + i));
    assert_true(payment_clock_end(&clock, a_payment(many - 1), 100000, &took));
    for (uint64_t i = 0; i < many; i++)
        known += payment_clock_end(&clock, a_payment(i), 100000, &took);
    assert_in_range(known, PAYMENTS_CLOCKED_MAX / 2, PAYMENTS_CLOCKED_MAX);
}

TEST(two_looks_tell_what_happened_between_them)
{
    struct metric_value m[ALLOCATOR_METRICS_COUNT] = {{0}};
    struct partition_look before = {0}, now;
    struct partition_figures f = {0};

    m[AM_DECISIONS + CODE_GRANTED].count = 1000;
    now = partition_look(m, 1000000);
    assert_false(partition_between(&before, &now, &f)); /* there was no look before */
    before = now;
    m[AM_DECISIONS + CODE_GRANTED].count = 3000;
    m[AM_DECISIONS + CODE_SOLD_OUT].count = 500;
    m[AM_CAPACITY].count = 4000;
    m[AM_STAGE_WAIT] = (struct metric_value){.count = 10, .sum_us = 50000};
    m[AM_STAGE_DECIDE].sum_us = 100000;
    m[AM_STAGE_COMMIT].sum_us = 400000;
    now = partition_look(m, 3000000);
    assert_true(partition_between(&before, &now, &f));
    assert_near(f.decided, 1250);
    assert_near(f.capacity, 4000);
    assert_near(f.wait_ms, 5);
    assert_near(f.commit_share, 0.75);
    assert_false(partition_between(&now, &before, &f)); /* another one counts */
}

int main(void)
{
    return RUN(cmocka_unit_test(small_turns_tell_what_full_ones_would_do),
               cmocka_unit_test(turns_of_one_size_promise_no_more_than_they_do),
               cmocka_unit_test(few_or_tiny_turns_tell_nothing),
               cmocka_unit_test(noise_never_promises_more_than_its_smallest_turns),
               cmocka_unit_test(what_was_long_ago_counts_little),
               cmocka_unit_test(the_hot_show_is_found_among_many),
               cmocka_unit_test(few_shows_are_counted_exactly), cmocka_unit_test(the_past_fades),
               cmocka_unit_test(a_run_that_is_larger_than_all_others_takes_a_place),
               cmocka_unit_test(a_payment_takes_from_its_decision_to_its_settlement),
               cmocka_unit_test(a_payment_that_is_noted_twice_is_one),
               cmocka_unit_test(the_oldest_make_room),
               cmocka_unit_test(two_looks_tell_what_happened_between_them));
}
