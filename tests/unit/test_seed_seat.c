#include <stdio.h>

#include "gateway/seed_seat.h"
#include "tests/unit/unit.h"

TEST(a_number_tells_show_and_place)
{
    static const struct {
        const char *text;
        bool right;
        uint32_t show, place;
    } rows[] = {
        {"1", true, 0, 1},
        {"0", true, 0, 0},
        {"1048575", true, 0, 1048575},
        {"1048577", true, 1, 1},
        {"7340132", true, 7, 100},
        {"2251799812636672", true, INT32_MAX, 0},
        {"2251799812736672", true, INT32_MAX, 100000},
        {"2251799812736673", false, 0, 0},
        {"18446744073709551616", false, 0, 0},
        {"-1", false, 0, 0},
        {"1.5", false, 0, 0},
        {"A-1", false, 0, 0},
        {"", false, 0, 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct seed_seat seat;
        assert_int_equal(seed_seat_read(span_of(rows[i].text), &seat), rows[i].right);
        if (!rows[i].right)
            continue;
        assert_int_equal(seat.show, rows[i].show);
        assert_int_equal(seat.place, rows[i].place);
    }
}

TEST(a_place_is_a_seat_of_the_map_whatever_its_position)
{
    struct seatmap *map = seatmap_new(SPAN("1\t1\t0\tA-1\t\tA\t1\t\t\n4\t1\t0\tB-1\t\tB\t1\t\t"));
    const struct seat *second = seed_seat_find(map, 2);
    char text[24];
    struct seed_seat seat;

    assert_string_equal(seatmap_text(map, second, SEAT_TEXT_ID), "B-1");
    assert_null(seed_seat_find(map, 0));
    assert_null(seed_seat_find(map, 3));
    assert_null(seed_seat_find(NULL, 1));
    snprintf(text, sizeof text, "%llu",
             (unsigned long long)seed_seat_number(INT32_MAX, map, second));
    assert_true(seed_seat_read(span_of(text), &seat));
    assert_int_equal(seat.show, INT32_MAX);
    assert_ptr_equal(seed_seat_find(map, seat.place), second);
    seatmap_free(map);
}

int main(void)
{
    return RUN(cmocka_unit_test(a_number_tells_show_and_place),
               cmocka_unit_test(a_place_is_a_seat_of_the_map_whatever_its_position));
}
