#include "base/price.h"
#include "tests/unit/unit.h"

static struct price_steps steps_of(const char *text)
{
    struct guarded g = guarded_copy(span_of(text));
    struct price_steps steps;

    assert_true(price_steps_read(g.span, &steps));
    guarded_free(&g);
    return steps;
}

TEST(without_steps_the_price_is_the_tiers)
{
    struct price_steps none = steps_of("");

    assert_int_equal(price_at(2500, &none, 100, 100, INT64_MAX), 2500);
}

TEST(the_last_step_that_holds_says_the_price)
{
    struct price_steps steps = steps_of("s500=30,t1000=40,s900=50");
    static const struct {
        uint64_t taken;
        int64_t now_ms;
        int64_t price;
    } rows[] = {
        {0, 0, 20},    {49, 999, 20},  {50, 999, 30},  {50, 1000, 40},
        {0, 1000, 40}, {89, 5000, 40}, {90, 5000, 50}, {100, 0, 50},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(price_at(20, &steps, 100, rows[i].taken, rows[i].now_ms), rows[i].price);
}

/* Half of three is two: a step holds from its share on, not before it. */
TEST(a_share_is_reached_not_rounded)
{
    struct price_steps steps = steps_of("s500=30,s1000=40");

    assert_int_equal(price_at(20, &steps, 3, 1, 0), 20);
    assert_int_equal(price_at(20, &steps, 3, 2, 0), 30);
    assert_int_equal(price_at(20, &steps, 3, 3, 0), 40);
}

TEST(what_are_no_steps_is_refused)
{
    static const char *const wrong[] = {"s",
                                        "s1",
                                        "s1=",
                                        "=5",
                                        "s=5",
                                        "x1=5",
                                        "s1=5,",
                                        ",s1=5",
                                        "s1001=5",
                                        "s-1=5",
                                        "s1=100000000001",
                                        "s1=5;t2=6",
                                        "s1=1,s1=1,s1=1,s1=1,s1=1,s1=1,s1=1,s1=1,s1=1,s1=1,s1=1,"
                                        "s1=1,s1=1,s1=1,s1=1,s1=1,s1=1"};
    struct price_steps steps;

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct guarded g = guarded_copy(span_of(wrong[i]));
        assert_false(price_steps_read(g.span, &steps));
        guarded_free(&g);
    }
}

int main(void)
{
    return RUN(cmocka_unit_test(without_steps_the_price_is_the_tiers),
               cmocka_unit_test(the_last_step_that_holds_says_the_price),
               cmocka_unit_test(a_share_is_reached_not_rounded),
               cmocka_unit_test(what_are_no_steps_is_refused));
}
