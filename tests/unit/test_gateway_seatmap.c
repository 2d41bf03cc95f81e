#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/seatmap.h"
#include "unit.h"

#define LINES                                                                                      \
    "1\t1\t0\t1.5\t2\tA-1\tLeft\tA\t1\n"                                                           \
    "2\t1\t1\t\t\tA-2\tLeft\tA\t2\n"                                                               \
    "4\t2\t0\t\t\tBox \"1\"\t\t\t"

static void seats_are_found_by_id_and_by_position(void **state)
{
    struct seatmap *map = seatmap_new(SPAN(LINES));

    (void)state;
    assert_non_null(map);
    assert_int_equal(map->count, 3);
    const struct seat *box = seatmap_named(map, SPAN("Box \"1\""));
    assert_ptr_equal(box, seatmap_at(map, 4));
    assert_int_equal(box->tier, 2);
    assert_string_equal(seatmap_text(map, box, SEAT_TEXT_ROW), "");
    const struct seat *first = seatmap_at(map, 1);
    assert_string_equal(seatmap_text(map, first, SEAT_TEXT_X), "1.5");
    assert_string_equal(seatmap_text(map, first, SEAT_TEXT_SECTION), "Left");
    assert_string_equal(seatmap_text(map, first, SEAT_TEXT_NUMBER), "1");
    assert_false(first->accessible);
    assert_true(seatmap_at(map, 2)->accessible);
    assert_null(seatmap_at(map, 0));
    assert_null(seatmap_at(map, 3));
    assert_null(seatmap_at(map, 5));
    assert_null(seatmap_named(map, SPAN("A-3")));
    assert_null(seatmap_named(map, SPAN("")));
    seatmap_free(map);
}

static void an_empty_map_has_nothing(void **state)
{
    struct seatmap *map = seatmap_new((struct span){NULL, 0});

    (void)state;
    assert_non_null(map);
    assert_null(seatmap_at(map, 1));
    assert_null(seatmap_named(map, SPAN("A-1")));
    seatmap_free(map);
    seatmap_free(NULL);
}

static void what_is_no_map_is_refused(void **state)
{
    static const char *const wrong[] = {
        "1",
        "1\t1\t0\t\t\tA\t\t",                         /* a field too few */
        "0x1\t1\t0\t\t\tA\t\t\t",                     /* no number */
        "1\t33\t0\t\t\tA\t\t\t",                      /* no tier */
        "1\t1\t2\t\t\tA\t\t\t",                       /* neither true nor false */
        "2\t1\t0\t\t\tA\t\t\t\n2\t1\t0\t\t\tB\t\t\t", /* not ascending */
        "\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_null(seatmap_new(span_of(wrong[i])));
}

static void many_seats_are_each_found(void **state)
{
    struct buf text;
    char id[24];

    (void)state;
    buf_init(&text, 1 << 20);
    for (unsigned i = 1; i <= 5000; i++)
        buf_putf(&text, "%s%u\t1\t0\t\t\tseat-%u\t\t\t", i > 1 ? "\n" : "", 2 * i, i);
    struct seatmap *map = seatmap_new(buf_span(&text));
    assert_non_null(map);
    for (unsigned i = 1; i <= 5000; i++) {
        snprintf(id, sizeof id, "seat-%u", i);
        assert_int_equal(seatmap_named(map, span_of(id))->position, 2 * i);
    }
    seatmap_free(map);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seats_are_found_by_id_and_by_position),
        cmocka_unit_test(an_empty_map_has_nothing),
        cmocka_unit_test(what_is_no_map_is_refused),
        cmocka_unit_test(many_seats_are_each_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
