#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#include "base/clock.h"
#include "tests/unit/unit.h"

static void assert_text(int64_t wall_ms, const char *want)
{
    char text[CLOCK_TEXT_BYTES];

    clock_format(wall_ms, text);
    assert_string_equal(text, want);
}

TEST(known_times)
{
    assert_text(0, "1970-01-01T00:00:00.000Z");
    assert_text(-1, "1969-12-31T23:59:59.999Z");
    assert_text(1777836600000, "2026-05-03T19:30:00.000Z");
    assert_text(1709164800001, "2024-02-29T00:00:00.001Z");
    assert_text(951782399999, "2000-02-28T23:59:59.999Z");
    assert_text(951782400000, "2000-02-29T00:00:00.000Z");
    assert_text(4107542400000, "2100-03-01T00:00:00.000Z"); /* no leap year */
    assert_text(4107542399999, "2100-02-28T23:59:59.999Z");
    assert_text(-62167219200000, "0000-01-01T00:00:00.000Z");
    assert_text(253402300799999, "9999-12-31T23:59:59.999Z");
}

TEST(times_that_four_digits_cannot_tell_are_cut)
{
    assert_text(INT64_MAX, "9999-12-31T23:59:59.999Z");
    assert_text(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

/* Against the C library, over all years that can be told, at odd steps of some 30 hours. */
TEST(it_agrees_with_the_calendar)
{
    for (int64_t ms = -62167219200000; ms <= 253402300799999; ms += 108123457) {
        time_t seconds = (time_t)((ms - ((ms % 1000) + 1000) % 1000) / 1000);
        char want[64];
        char got[CLOCK_TEXT_BYTES];
        struct tm tm;

        gmtime_r(&seconds, &tm);
        snprintf(want, sizeof(want), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int)(((ms % 1000) + 1000) % 1000));
        clock_format(ms, got);
        if (strcmp(got, want) != 0)
            fail_msg("%lld: %s, not %s", (long long)ms, got, want);
    }
}

TEST(the_clocks_go_forward)
{
    int64_t wall = clock_wall_ms();
    int64_t mono = clock_mono_us();

    assert_true(wall > 1700000000000); /* it is milliseconds */
    clock_sleep_ms(5);
    assert_true(clock_mono_us() - mono >= 5000);
    assert_true(clock_mono_us() - mono < 5000000);
}

static void look_up(int signal_number)
{
    (void)signal_number;
}

TEST(a_sleep_that_is_disturbed_goes_on)
{
    struct sigaction on_alarm = {.sa_handler = look_up};
    struct itimerval often = {{0, 2000}, {0, 2000}};
    struct itimerval never = {{0, 0}, {0, 0}};
    int64_t mono = clock_mono_us();

    assert_int_equal(sigaction(SIGALRM, &on_alarm, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    clock_sleep_ms(30);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_true(clock_mono_us() - mono >= 30000);
}

TEST(no_time_is_no_sleep)
{
    int64_t mono = clock_mono_us();

    clock_sleep_ms(0);
    clock_sleep_ms(-1000);
    assert_true(clock_mono_us() - mono < 900000);
}

int main(void)
{
    return RUN(
        cmocka_unit_test(known_times), cmocka_unit_test(times_that_four_digits_cannot_tell_are_cut),
        cmocka_unit_test(it_agrees_with_the_calendar), cmocka_unit_test(the_clocks_go_forward),
        cmocka_unit_test(a_sleep_that_is_disturbed_goes_on), cmocka_unit_test(no_time_is_no_sleep));
}
