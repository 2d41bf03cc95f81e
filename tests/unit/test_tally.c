/* What is counted is handed over whole, once, and what finds no room is counted as that. */
#include "allocator/tally.h"
#include "tests/unit/unit.h"

static struct tally tally;

/* The columns as Postgres would read them, each between its braces. */
static void assert_written(size_t cells, const char *const want[TALLY_COLUMNS])
{
    struct buf columns[TALLY_COLUMNS];

    for (size_t i = 0; i < TALLY_COLUMNS; i++)
        buf_init(&columns[i], TALLY_COLUMN_BYTES_MAX);
    assert_int_equal(tally_write(&tally, cells, columns), ERR_NONE);
    for (size_t i = 0; i < TALLY_COLUMNS; i++) {
        assert_string_equal(buf_text(&columns[i]), want[i]);
        buf_free(&columns[i]);
    }
}

TEST(requests_are_counted_by_show_minute_and_code)
{
    memset(&tally, 0, sizeof tally);
    tally_count(&tally, 7, 100, CODE_GRANTED, 5);
    tally_count(&tally, 8, 100, CODE_SOLD_OUT, 6);
    tally_count(&tally, 7, 100, CODE_GRANTED, 6);
    tally_count(&tally, 7, 101, TALLY_REPEATED, -3); /* clocks differ: no time at all */
    tally_count(&tally, 7, 100, CODE_SOLD_OUT, 600000);
    assert_written(3, (const char *const[]){"{7,7,8,7}", "{100,100,100,101}",
                                            "{GRANTED,SOLD_OUT,SOLD_OUT,REPEATED}", "{2,1,1,1}",
                                            "{7,7,8,7}", "{100,100,100,101}", "{6,2147483647,6,1}",
                                            "{2,1,1,1}", "{11,600000,6,0}", "{6,600000,6,0}"});
}

TEST(what_was_handed_over_is_forgotten_and_the_rest_is_found_again)
{
    memset(&tally, 0, sizeof tally);
    for (uint32_t show = 1; show <= 500; show++)
        tally_count(&tally, show, 100, CODE_GRANTED, 1);
    tally_forget(&tally, 499);
    tally_count(&tally, 1, 100, CODE_GRANTED, 1);
    tally_count(&tally, 500, 100, CODE_GRANTED, 2);
    assert_int_equal(tally.cells, 2);
    assert_written(2, (const char *const[]){"{500,1}", "{100,100}", "{GRANTED,GRANTED}", "{2,1}",
                                            "{500,500,1}", "{100,100,100}", "{1,2,1}", "{1,1,1}",
                                            "{1,2,1}", "{1,2,1}"});
    tally_forget(&tally, 2);
    assert_int_equal(tally.cells, 0);
}

TEST(at_the_bound_what_is_new_is_dropped_and_what_is_known_counted)
{
    memset(&tally, 0, sizeof tally);
    for (uint32_t show = 1; show <= TALLY_CELLS_MAX + 10; show++)
        tally_count(&tally, show, 100, CODE_GRANTED, 1);
    assert_int_equal(tally.cells, TALLY_CELLS_MAX);
    assert_int_equal(tally.dropped, 10);
    tally_count(&tally, 1, 100, CODE_GRANTED, 1);
    assert_int_equal(tally.cell[0].count[CODE_GRANTED], 2);
    assert_int_equal(tally.dropped, 10);
}

TEST(each_wait_is_within_its_bounds)
{
    memset(&tally, 0, sizeof tally);
    for (int64_t ms = 0; ms < 600000; ms += 7)
        tally_count(&tally, 1, 1, CODE_GRANTED, ms);
    for (size_t i = 0; i < TALLY_WAITS; i++) {
        const struct tally_wait *wait = &tally.cell[0].wait[i];
        int64_t below = i == 0 ? -1 : (int64_t)tally_bounds_ms[i - 1];
        assert_true(wait->count == 0 || wait->sum_ms > below * wait->count);
        if (i < TALLY_WAITS - 1)
            assert_true(wait->max_ms <= tally_bounds_ms[i]);
        if (i > 0 && i < TALLY_WAITS - 1) {
            assert_true(tally_bounds_ms[i] > tally_bounds_ms[i - 1]);
            assert_true(i < 6 || tally_bounds_ms[i] < 1.5 * tally_bounds_ms[i - 1]);
        }
    }
}

int main(void)
{
    return RUN(cmocka_unit_test(requests_are_counted_by_show_minute_and_code),
               cmocka_unit_test(what_was_handed_over_is_forgotten_and_the_rest_is_found_again),
               cmocka_unit_test(at_the_bound_what_is_new_is_dropped_and_what_is_known_counted),
               cmocka_unit_test(each_wait_is_within_its_bounds));
}
