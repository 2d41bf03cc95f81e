#include <string.h>

#include "base/seats.h"
#include "unit.h"

static struct span packed(struct buf *b, size_t count, const uint32_t *positions)
{
    buf_reset(b);
    for (size_t i = 0; i < count; i++)
        seats_put(b, positions[i]);
    return buf_span(b);
}

static void positions_are_packed_in_order(void **state)
{
    static const uint32_t positions[] = {1, 2, 258, POSITIONS_MAX};
    struct buf b;

    (void)state;
    buf_init(&b, 65536);
    struct span seats = packed(&b, 4, positions);
    assert_int_equal(seats.len, 16);
    assert_memory_equal(seats.bytes, "\0\0\0\1\0\0\0\2\0\0\1\2", 12);
    assert_int_equal(seats_count(seats), 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(seats_at(seats, i), positions[i]);
    assert_true(seats_are_right(seats));
    buf_free(&b);
}

static void lists_that_are_none_are_refused(void **state)
{
    static const uint32_t wrong[][2] = {{0, 1}, {1, 1}, {2, 1}, {1, POSITIONS_MAX + 1}};
    struct buf b;

    (void)state;
    buf_init(&b, 65536);
    assert_true(seats_are_right((struct span){NULL, 0}));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(seats_are_right(packed(&b, 2, wrong[i])));
    struct span cut = packed(&b, 2, (const uint32_t[]){1, 2});
    cut.len--;
    assert_false(seats_are_right(cut));
    buf_reset(&b);
    for (uint32_t i = 1; i <= BOOKING_SEATS_MAX; i++)
        seats_put(&b, i);
    assert_true(seats_are_right(buf_span(&b)));
    seats_put(&b, BOOKING_SEATS_MAX + 1);
    assert_false(seats_are_right(buf_span(&b)));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_are_packed_in_order),
        cmocka_unit_test(lists_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
