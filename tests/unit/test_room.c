#include "base/room.h"
#include "tests/unit/unit.h"

#define MINUTE 60000

static void assert_same_marks(const struct room *a, const struct room *b)
{
    assert_int_equal(a->marks, b->marks);
    for (size_t i = 0; i < a->marks; i++) {
        assert_true(a->mark[i].at_ms == b->mark[i].at_ms);
        assert_int_equal(a->mark[i].serving, b->mark[i].serving);
    }
}

static struct room a_room(void)
{
    struct room r = {.draws = true,
                     .opens_ms = 1000,
                     .opened_ms = 1000,
                     .arrivals = 4,
                     .rate = 600,
                     .left = 10,
                     .admission_ms = 10 * MINUTE,
                     .no_show_ms = 2 * MINUTE,
                     .has_key = true};

    memset(r.commitment, 7, sizeof r.commitment);
    memset(r.key, 9, sizeof r.key);
    room_serve(&r, 1000, 0);
    return r;
}

TEST(a_room_comes_back_as_it_was_published)
{
    struct room r = a_room(), read;
    struct buf b;

    room_serve(&r, 2000, 3);
    buf_init(&b, 4096);
    room_pack(&b, &r);
    assert_int_equal(room_read(buf_span(&b), &read), ERR_NONE);
    assert_true(read.draws && !read.paused && read.has_key);
    assert_int_equal(read.serving, 3);
    assert_int_equal(read.arrivals, 4);
    assert_memory_equal(read.key, r.key, sizeof r.key);
    assert_same_marks(&read, &r);
    for (size_t n = 0; n < b.len; n++)
        assert_int_equal(room_read((struct span){b.bytes, n}, &read), ERR_INPUT);
    buf_free(&b);
}

TEST(marks_come_back_from_text)
{
    struct room r = a_room(), read = {0};
    struct buf b;

    for (uint32_t i = 1; i < 100; i++)
        room_serve(&r, 1000 + i * MINUTE, i);
    buf_init(&b, 4096);
    room_put_marks(&b, &r);
    assert_int_equal(room_read_marks(buf_span(&b), &read), ERR_NONE);
    assert_same_marks(&read, &r);
    assert_int_equal(room_read_marks(SPAN("5:1 4:2"), &read), ERR_INPUT);
    assert_int_equal(room_read_marks(SPAN("5:2 6:1"), &read), ERR_INPUT);
    assert_int_equal(room_read_marks(SPAN("5"), &read), ERR_INPUT);
    assert_int_equal(room_read_marks(SPAN(""), &read), ERR_NONE);
    buf_free(&b);
}

TEST(nobody_has_a_number_before_the_draw)
{
    struct room r = a_room();

    r.opened_ms = 0;
    assert_int_equal(room_number(&r, 1), 0);
    r.draws = false;
    assert_int_equal(room_number(&r, 1), 1);
    r = a_room();
    for (uint32_t arrival = 1; arrival <= 4; arrival++)
        assert_in_range(room_number(&r, arrival), 1, 4);
    assert_int_equal(room_number(&r, 5), 5);
}

/* However serving went, a number is never taken for called before it was, and never for called much
 * later: nobody's time is cut, and no place is kept for ever. */
TEST(marks_say_when_a_number_was_called)
{
    enum { STEPS = 3000 };
    static int64_t called_ms[4 * STEPS + 1];
    struct room r = a_room();
    int64_t now_ms = 1000, good_ms = r.admission_ms + r.no_show_ms;
    int64_t share_ms = good_ms / ROOM_MARKS;
    uint64_t random = 7;

    for (int step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        now_ms += (int64_t)(random >> 33) % (step % 50 == 0 ? 3 * MINUTE : 400);
        uint32_t more = (uint32_t)(random >> 60) % 4;
        for (uint32_t i = 1; i <= more; i++)
            called_ms[r.serving + i] = now_ms;
        room_serve(&r, now_ms, r.serving + more);
        assert_in_range(r.marks, 1, ROOM_MARKS_MAX);
        uint32_t gone = room_gone(&r, now_ms), over = room_over(&r, now_ms);
        assert_true(over <= gone && gone <= r.serving);
        if (over > 0)
            assert_true(called_ms[over] <= now_ms - good_ms);
        if (gone > 0)
            assert_true(called_ms[gone] <= now_ms - r.no_show_ms);
        for (uint32_t n = over + 1; n <= r.serving; n++) {
            int64_t told_ms = room_called_ms(&r, n);
            assert_true(told_ms >= called_ms[n] && told_ms <= called_ms[n] + share_ms);
        }
        if (over < r.serving)
            assert_true(called_ms[over + 1] > now_ms - good_ms - 2 * share_ms);
    }
}

int main(void)
{
    return RUN(cmocka_unit_test(a_room_comes_back_as_it_was_published),
               cmocka_unit_test(marks_come_back_from_text),
               cmocka_unit_test(nobody_has_a_number_before_the_draw),
               cmocka_unit_test(marks_say_when_a_number_was_called));
}
