#include "tests/unit/unit.h"

TEST(what_is_put_is_there_in_order)
{
    struct buf b;

    buf_init(&b, 1000);
    assert_null(b.bytes);
    buf_put(&b, "ab", 2);
    buf_puts(&b, "cd");
    buf_putc(&b, 'e');
    buf_put_u64(&b, 18446744073709551615ULL);
    buf_putf(&b, "%s-%d", "f", -7);
    assert_false(b.failed);
    assert_span(buf_span(&b), SPAN("abcde18446744073709551615f--7"));
    assert_string_equal(buf_text(&b), "abcde18446744073709551615f--7");
    buf_free(&b);
    assert_null(b.bytes);
    assert_int_equal(b.max, 1000);
}

TEST(decimal_has_no_leading_zeros)
{
    struct buf b;

    buf_init(&b, 100);
    buf_put_u64(&b, 0);
    buf_putc(&b, ' ');
    buf_put_u64(&b, 9);
    buf_putc(&b, ' ');
    buf_put_u64(&b, 10);
    buf_putc(&b, ' ');
    buf_put_u64(&b, 1000000);
    assert_span(buf_span(&b), SPAN("0 9 10 1000000"));
    buf_free(&b);
}

TEST(the_bound_itself_fits_and_one_more_fails)
{
    struct buf b;

    buf_init(&b, 4);
    buf_puts(&b, "abcd");
    assert_false(b.failed);
    assert_string_equal(buf_text(&b), "abcd"); /* its NUL does not count */
    buf_putc(&b, 'e');
    assert_true(b.failed);
    assert_int_equal(b.len, 4);
    buf_free(&b);
}

TEST(after_a_failure_nothing_more_is_put)
{
    struct buf b;

    buf_init(&b, 4);
    buf_puts(&b, "abcde");
    assert_true(b.failed);
    buf_putc(&b, 'x');
    buf_putf(&b, "%d", 1);
    buf_put_u64(&b, 1);
    assert_null(buf_room(&b, 1));
    assert_null(buf_text(&b));
    assert_int_equal(b.len, 0);
    buf_reset(&b);
    buf_putc(&b, 'x');
    assert_span(buf_span(&b), SPAN("x"));
    buf_free(&b);
}

TEST(a_size_that_would_wrap_fails)
{
    struct buf b;

    buf_init(&b, 100);
    buf_puts(&b, "abc");
    buf_put(&b, "x", SIZE_MAX);
    assert_true(b.failed);
    buf_reset(&b);
    assert_null(buf_room(&b, SIZE_MAX - 1));
    buf_free(&b);
}

TEST(a_buffer_with_no_room_bears_empty_puts)
{
    struct buf b;

    buf_init(&b, 0);
    buf_put(&b, NULL, 0);
    buf_puts(&b, "");
    buf_drop(&b, 0);
    assert_false(b.failed);
    assert_string_equal(buf_text(&b), "");
    buf_putf(&b, "%s", "");
    assert_false(b.failed);
    buf_putc(&b, 'x');
    assert_true(b.failed);
    buf_free(&b);
}

TEST(it_grows_by_many_small_puts_and_keeps_all)
{
    struct buf b;

    buf_init(&b, 100000);
    for (unsigned i = 0; i < 100000; i++)
        buf_putc(&b, (char)('a' + i % 26));
    assert_false(b.failed);
    assert_int_equal(b.len, 100000);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(b.bytes[i], 'a' + i % 26);
    assert_true(b.cap <= 100001);
    buf_free(&b);
}

TEST(a_formatted_text_longer_than_the_first_allocation_fits)
{
    struct buf b;
    char text[3000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    buf_init(&b, 2999);
    buf_putf(&b, "%s", text);
    assert_false(b.failed);
    assert_string_equal(buf_text(&b), text);
    buf_free(&b);
}

TEST(room_is_written_by_the_caller)
{
    struct buf b;
    char *room;

    buf_init(&b, 10);
    buf_puts(&b, "ab");
    room = buf_room(&b, 8);
    assert_non_null(room);
    memcpy(room, "cdef", 4);
    buf_grew(&b, 4);
    assert_span(buf_span(&b), SPAN("abcdef"));
    assert_null(buf_room(&b, 5));
    buf_free(&b);
}

TEST(room_may_be_filled_to_the_bound)
{
    struct buf b;
    char *room;

    buf_init(&b, 300);
    room = buf_room(&b, 300);
    assert_non_null(room);
    memset(room, 'x', 300);
    buf_grew(&b, 300);
    assert_int_equal(b.len, 300);
    assert_false(b.failed);
    buf_free(&b);
}

static void grow_beyond(int64_t bytes)
{
    struct buf b;

    buf_init(&b, 1000);
    buf_room(&b, 10);
    buf_grew(&b, (size_t)bytes);
    buf_free(&b);
}

static void drop_beyond(int64_t bytes)
{
    struct buf b;

    buf_init(&b, 1000);
    buf_puts(&b, "abc");
    buf_drop(&b, (size_t)bytes);
    buf_free(&b);
}

TEST(growing_or_dropping_beyond_what_is_there_is_a_programming_error)
{
    assert_false(aborts(grow_beyond, 10));
    assert_true(aborts(grow_beyond, 999)); /* within the bound, not within the memory */
    assert_true(aborts(grow_beyond, 1001));
    assert_false(aborts(drop_beyond, 3));
    assert_true(aborts(drop_beyond, 4));
}

TEST(dropping_moves_the_rest_to_the_front)
{
    struct buf b;

    buf_init(&b, 10);
    buf_puts(&b, "abcdef");
    buf_drop(&b, 4);
    assert_span(buf_span(&b), SPAN("ef"));
    buf_drop(&b, 2);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

TEST(spans_compare_by_their_bytes)
{
    assert_true(span_is(SPAN("abc"), "abc"));
    assert_false(span_is(SPAN("abc"), "ab"));
    assert_false(span_is(SPAN("ab"), "abc"));
    assert_false(span_is(SPAN("abc"), "abd"));
    assert_true(span_is(span_of(NULL), ""));
    assert_int_equal(span_of(NULL).len, 0);
    assert_true(span_equal(span_of(NULL), SPAN("")));
    assert_false(span_equal(BYTES("a\0b"), BYTES("a\0c")));
}

TEST(case_is_ignored_for_ascii_only)
{
    assert_true(span_is_nocase(SPAN("Content-LENGTH"), "content-length"));
    assert_true(span_is_nocase(SPAN("content-length"), "Content-Length"));
    assert_false(span_is_nocase(SPAN("content-lengt"), "content-length"));
    assert_false(span_is_nocase(SPAN("content-length1"), "content-length"));
    assert_true(span_is_nocase(SPAN("azAZ"), "AZaz"));
    assert_false(span_is_nocase(SPAN("@"), "`"));
    assert_false(span_is_nocase(SPAN("`"), "@"));
    assert_false(span_is_nocase(SPAN("["), "{"));
    assert_false(span_is_nocase(SPAN("{"), "["));
    assert_false(span_is_nocase(SPAN("\xc3\x84"), "\xc3\xa4"));
    assert_false(span_is_nocase(BYTES("a\0"), "a"));
}

int main(void)
{
    return RUN(cmocka_unit_test(what_is_put_is_there_in_order),
               cmocka_unit_test(decimal_has_no_leading_zeros),
               cmocka_unit_test(the_bound_itself_fits_and_one_more_fails),
               cmocka_unit_test(after_a_failure_nothing_more_is_put),
               cmocka_unit_test(a_size_that_would_wrap_fails),
               cmocka_unit_test(a_buffer_with_no_room_bears_empty_puts),
               cmocka_unit_test(it_grows_by_many_small_puts_and_keeps_all),
               cmocka_unit_test(a_formatted_text_longer_than_the_first_allocation_fits),
               cmocka_unit_test(room_is_written_by_the_caller),
               cmocka_unit_test(room_may_be_filled_to_the_bound),
               cmocka_unit_test(growing_or_dropping_beyond_what_is_there_is_a_programming_error),
               cmocka_unit_test(dropping_moves_the_rest_to_the_front),
               cmocka_unit_test(spans_compare_by_their_bytes),
               cmocka_unit_test(case_is_ignored_for_ascii_only));
}
