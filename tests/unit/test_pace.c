/*
 * People who come late, never, book or do not, over and over: nobody is let in for whom there is
 * nothing left, everybody is let in for whom there is, and not faster than may be.
 */
#include "allocator/pace.h"
#include "tests/unit/unit.h"

static struct pace_look a_look(void)
{
    return (struct pace_look){.now_ms = 1000,
                              .issued = 1000,
                              .rate = 600,
                              .throttle = 1000,
                              .available = 1000,
                              .places_each = 1};
}

/* Looks for a while, and returns how far serving came. Everybody books at once. */
static uint32_t serve_for(struct pace *pace, struct pace_look *look, int64_t ms)
{
    for (int64_t until_ms = look->now_ms + ms; look->now_ms < until_ms; look->now_ms += 200) {
        uint32_t serving = pace_step(pace, look);
        look->available -= serving - look->serving;
        look->serving = serving;
    }
    return look->serving;
}

TEST(people_are_let_in_at_the_rate)
{
    struct pace pace = {0};
    struct pace_look look = a_look();

    assert_in_range(serve_for(&pace, &look, 60000), 590, 601);
}

TEST(a_slow_rate_is_kept_too)
{
    struct pace pace = {0};
    struct pace_look look = a_look();

    look.rate = 7;
    assert_in_range(serve_for(&pace, &look, 600000), 69, 70);
}

TEST(a_stall_is_not_made_up_for)
{
    struct pace pace = {0};
    struct pace_look look = a_look();

    serve_for(&pace, &look, 2000);
    uint32_t before = look.serving;
    look.now_ms += 3600000;
    assert_in_range(pace_step(&pace, &look), before + 1, before + 10);
    pace_rest(&pace, look.now_ms + 60000);
    look.now_ms += 60000;
    assert_int_equal(pace_step(&pace, &look), look.serving);
}

TEST(half_the_rate_is_let_in_where_the_partition_bears_half)
{
    struct pace pace = {0};
    struct pace_look look = a_look();

    look.throttle = 500;
    assert_in_range(serve_for(&pace, &look, 60000), 290, 301);
    look.throttle = 0;
    uint32_t before = look.serving;
    look.no_shows = 5;
    assert_int_equal(serve_for(&pace, &look, 60000), before);
}

TEST(nobody_is_let_in_who_did_not_join)
{
    struct pace pace = {0};
    struct pace_look look = a_look();

    look.issued = 3;
    assert_int_equal(serve_for(&pace, &look, 60000), 3);
}

TEST(nobody_is_let_in_for_nothing)
{
    struct pace pace = {0};
    struct pace_look look = a_look();

    look.rate = 1000000;
    look.available = 10;
    look.places_each = 4;
    pace_rest(&pace, look.now_ms);
    look.now_ms += 1000;
    /* Ten places are for three people of four each, the last one of whom may have two. */
    assert_int_equal(pace_step(&pace, &look), 3);
    look.serving = 3;
    look.live = 3;
    look.now_ms += 1000;
    assert_int_equal(pace_step(&pace, &look), 3);
    look.used = 1;
    look.available = 6;
    look.now_ms += 1000;
    assert_int_equal(pace_step(&pace, &look), 3);
    look.used = 3;
    look.now_ms += 1000;
    assert_int_equal(pace_step(&pace, &look), 5);
    look.available = 0;
    look.now_ms += 1000;
    assert_int_equal(pace_step(&pace, &look), 3);
}

TEST(who_does_not_come_gives_the_place_on_beside_the_rate)
{
    struct pace pace = {0};
    struct pace_look look = a_look();

    look.rate = 1;
    look.serving = 20;
    look.live = 20;
    look.no_shows = 3;
    look.unused = 2;
    pace_rest(&pace, look.now_ms);
    assert_int_equal(pace_step(&pace, &look), 25);
}

/* A sale in small: whoever is let in comes, or not, and books one place, or not, in time. */
TEST(serving_never_passes_what_stock_can_satisfy)
{
    enum { PEOPLE = 3000, STOCK = 400, COMES_FOR = 20, GOOD_FOR = 60 };
    static int called_at[PEOPLE + 1], is[PEOPLE + 1]; /* 0 called, 1 came, 2 booked, 3 gone */
    uint64_t random = 11;

    for (int round = 0; round < 20; round++) {
        struct pace pace = {0};
        struct pace_look look = a_look();
        uint32_t booked = 0;

        look.issued = PEOPLE;
        look.available = STOCK;
        look.rate = 1000 + 20000 * (uint32_t)round;
        for (int step = 1; step < 4000 && look.available > 0; step++) {
            look.now_ms += 200;
            look.live = look.used = 0;
            look.no_shows = look.unused = 0;
            for (uint32_t n = 1; n <= look.serving; n++) {
                int age = step - called_at[n];
                random = random * 6364136223846793005u + 1442695040888963407u;
                unsigned chance = (unsigned)(random >> 58);
                if (is[n] == 0 && age >= COMES_FOR) {
                    is[n] = 3;
                    look.no_shows++;
                } else if (is[n] == 1 && age >= GOOD_FOR) {
                    is[n] = 3;
                    look.unused++;
                } else if (is[n] == 0 && n % 3 != 0 && chance < 8) {
                    is[n] = 1;
                } else if (is[n] == 1 && n % 5 != 0 && chance < 8) {
                    assert_true(look.available > 0); /* nobody was let in for nothing */
                    is[n] = 2;
                    look.available--;
                    booked++;
                }
                look.live += age < GOOD_FOR && is[n] != 3;
                look.used += age < GOOD_FOR && is[n] == 2;
            }
            uint32_t serving = pace_step(&pace, &look);
            for (uint32_t n = look.serving + 1; n <= serving; n++) {
                called_at[n] = step;
                is[n] = 0;
            }
            look.serving = serving;
        }
        assert_int_equal(booked + look.available, STOCK);
        assert_int_equal(look.available, 0);
    }
}

int main(void)
{
    return RUN(cmocka_unit_test(people_are_let_in_at_the_rate),
               cmocka_unit_test(a_slow_rate_is_kept_too),
               cmocka_unit_test(a_stall_is_not_made_up_for),
               cmocka_unit_test(half_the_rate_is_let_in_where_the_partition_bears_half),
               cmocka_unit_test(nobody_is_let_in_who_did_not_join),
               cmocka_unit_test(nobody_is_let_in_for_nothing),
               cmocka_unit_test(who_does_not_come_gives_the_place_on_beside_the_rate),
               cmocka_unit_test(serving_never_passes_what_stock_can_satisfy));
}
