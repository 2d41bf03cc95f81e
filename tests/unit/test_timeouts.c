#include "http/timeouts.h"
#include "tests/unit/unit.h"

static void init(struct timeouts *t)
{
    timeouts_init(t);
    for (int kind = 0; kind < TIMEOUT_KINDS; kind++)
        timeouts_set_duration(t, (enum timeout_kind)kind, 1000 * (kind + 1));
}

TEST(links_fall_due_in_the_order_of_their_arming)
{
    struct timeouts t;
    struct timeout_link a = {0}, b = {0}, c = {0};

    init(&t);
    timeouts_arm(&t, &a, TIMEOUT_IDLE, 0);
    timeouts_arm(&t, &b, TIMEOUT_IDLE, 10);
    timeouts_arm(&t, &c, TIMEOUT_HEAD, 20); /* a second later than the idle ones */
    assert_null(timeouts_take_due(&t, 999999));
    assert_ptr_equal(timeouts_take_due(&t, 1000000), &a);
    assert_null(timeouts_take_due(&t, 1000000));
    assert_ptr_equal(timeouts_take_due(&t, 5000000), &b);
    assert_ptr_equal(timeouts_take_due(&t, 5000000), &c);
    assert_null(timeouts_take_due(&t, 5000000));
}

TEST(arming_anew_moves_and_disarming_forgets)
{
    struct timeouts t;
    struct timeout_link a = {0}, b = {0};

    init(&t);
    timeouts_disarm(&a); /* never armed: nothing happens */
    timeouts_arm(&t, &a, TIMEOUT_IDLE, 0);
    timeouts_arm(&t, &b, TIMEOUT_IDLE, 0);
    timeouts_arm(&t, &a, TIMEOUT_IDLE, 500000);
    assert_ptr_equal(timeouts_take_due(&t, 1400000), &b);
    assert_null(timeouts_take_due(&t, 1400000));
    timeouts_arm(&t, &a, TIMEOUT_NONE, 1400000);
    assert_null(timeouts_take_due(&t, 9000000));
}

TEST(the_tick_suits_the_shortest_duration)
{
    struct timeouts t;

    init(&t);
    assert_int_equal(timeouts_tick_ms(&t), 125);
    timeouts_set_duration(&t, TIMEOUT_WRITE, 1);
    assert_int_equal(timeouts_tick_ms(&t), TIMEOUT_TICK_MS_MIN);
    for (int kind = 0; kind < TIMEOUT_KINDS; kind++)
        timeouts_set_duration(&t, (enum timeout_kind)kind, 60000);
    assert_int_equal(timeouts_tick_ms(&t), TIMEOUT_TICK_MS_MAX);
}

int main(void)
{
    return RUN(cmocka_unit_test(links_fall_due_in_the_order_of_their_arming),
               cmocka_unit_test(arming_anew_moves_and_disarming_forgets),
               cmocka_unit_test(the_tick_suits_the_shortest_duration));
}
