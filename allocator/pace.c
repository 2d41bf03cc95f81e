#include "allocator/pace.h"

/* What a stall may save up: a second's worth, and always one person. */
static double credit_max(const struct pace_look *look)
{
    double second = (double)look->rate / 60;

    return second > 1 ? second : 1;
}

/* How many more may be let in for the sake of what is left. */
static int64_t room_for(const struct pace_look *look)
{
    int64_t outstanding = look->live > look->used ? look->live - look->used : 0;
    int64_t satisfied = ((int64_t)look->available + look->places_each - 1) / look->places_each;

    return satisfied > outstanding ? satisfied - outstanding : 0;
}

void pace_rest(struct pace *pace, int64_t now_ms)
{
    pace->at_ms = now_ms;
    pace->credit = 0;
}

uint32_t pace_step(struct pace *pace, const struct pace_look *look)
{
    int64_t past_ms =
        pace->at_ms > 0 && look->now_ms > pace->at_ms ? look->now_ms - pace->at_ms : 0;
    int64_t waiting = (int64_t)look->issued - look->serving, more;

    pace->at_ms = look->now_ms;
    pace->credit += (double)look->rate / 60000 * (double)past_ms * look->throttle / 1000;
    if (pace->credit > credit_max(look))
        pace->credit = credit_max(look);
    more = (int64_t)pace->credit;
    /* Theirs is a place that was let in for already: it is given on beside the rate. */
    if (look->throttle > 0)
        more += look->no_shows + (int64_t)look->unused;
    if (more > room_for(look))
        more = room_for(look);
    if (more > waiting)
        more = waiting > 0 ? waiting : 0;
    pace->credit -= (double)more;
    if (pace->credit < 0)
        pace->credit = 0;
    return look->serving + (uint32_t)more;
}
