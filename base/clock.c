#include "clock.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

/* The years that four digits can tell: 0000-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z. */
#define WALL_MS_MIN (-62167219200000)
#define WALL_MS_MAX 253402300799999
#define DAY_MS 86400000

static int64_t clock_read_ns(clockid_t which);
static char *put_digits(char *at, unsigned n, int digits);

int64_t clock_wall_ms(void)
{
    return clock_read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_wall_us(void)
{
    return clock_read_ns(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_us(void)
{
    return clock_read_ns(CLOCK_MONOTONIC) / 1000;
}

void clock_sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    if (ms <= 0)
        return;
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/*
 * By hand, because gmtime_r and strftime cost a microsecond and every answer carries times. Days
 * are counted in eras of 400 years that begin on the first of March, so that the leap day is the
 * last day of its year.
 */
void clock_format(int64_t wall_ms, char text[CLOCK_TEXT_BYTES])
{
    int64_t ms = wall_ms < WALL_MS_MIN   ? WALL_MS_MIN
                 : wall_ms > WALL_MS_MAX ? WALL_MS_MAX
                                         : wall_ms;
    /* From 0000-03-01, less one era, so that nothing below is negative. */
    uint64_t since = (uint64_t)(ms - WALL_MS_MIN) + (146097 - 60) * (uint64_t)DAY_MS;
    unsigned days = (unsigned)(since / DAY_MS);
    unsigned of_day = (unsigned)(since % DAY_MS);
    unsigned era = days / 146097;
    unsigned of_era = days % 146097;
    unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month_from_march = (5 * of_year + 2) / 153;
    unsigned day = of_year - (153 * month_from_march + 2) / 5 + 1;
    unsigned month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    unsigned year = era * 400 + year_of_era + (month <= 2 ? 1 : 0) - 400;

    text = put_digits(text, year, 4);
    *text++ = '-';
    text = put_digits(text, month, 2);
    *text++ = '-';
    text = put_digits(text, day, 2);
    *text++ = 'T';
    text = put_digits(text, of_day / 3600000, 2);
    *text++ = ':';
    text = put_digits(text, of_day / 60000 % 60, 2);
    *text++ = ':';
    text = put_digits(text, of_day / 1000 % 60, 2);
    *text++ = '.';
    text = put_digits(text, of_day % 1000, 3);
    *text++ = 'Z';
    *text = '\0';
}

static int64_t clock_read_ns(clockid_t which)
{
    struct timespec now;
    int failed = clock_gettime(which, &now);

    assert(failed == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static char *put_digits(char *at, unsigned n, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + n % 10);
        n /= 10;
    }
    return at + digits;
}
