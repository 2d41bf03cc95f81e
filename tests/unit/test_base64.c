#include "base/base64.h"
#include "tests/unit/unit.h"

#define BYTES_MAX 64

static bool reads_as(const char *text, struct span want)
{
    struct guarded g = guarded_copy(span_of(text));
    struct buf bytes;

    buf_init(&bytes, BYTES_MAX);
    bool right = base64url_read(g.span, &bytes) && span_equal(buf_span(&bytes), want);
    buf_free(&bytes);
    guarded_free(&g);
    return right;
}

static bool is_right(const char *text)
{
    struct buf bytes;

    buf_init(&bytes, BYTES_MAX);
    bool right = base64url_read(span_of(text), &bytes);
    buf_free(&bytes);
    return right;
}

TEST(what_the_standard_gives_as_examples)
{
    assert_true(reads_as("", SPAN("")));
    assert_true(reads_as("Zg", SPAN("f")));
    assert_true(reads_as("Zm8", SPAN("fo")));
    assert_true(reads_as("Zm9v", SPAN("foo")));
    assert_true(reads_as("Zm9vYmFy", SPAN("foobar")));
    assert_true(reads_as("-_8A", SPAN("\xfb\xff\x00")));
}

TEST(there_is_one_way_to_write_a_thing)
{
    assert_false(is_right("Zg=="));
    assert_false(is_right("Z"));
    assert_false(is_right("Zh"));  /* bits are left over */
    assert_false(is_right("Zm9")); /* likewise */
    assert_false(is_right("+_8A"));
    assert_false(is_right("-/8A"));
    assert_false(is_right("Zm 9v"));
    assert_false(is_right("Zm9v\n"));
    assert_false(is_right("Zm9\xc3\xa9"));
}

TEST(what_is_longer_than_its_buffer_is_refused)
{
    struct buf bytes;

    buf_init(&bytes, 2);
    assert_false(base64url_read(SPAN("Zm9v"), &bytes));
    buf_free(&bytes);
}

TEST(what_was_written_is_read)
{
    unsigned char all[BYTES_MAX];
    struct buf text, bytes;

    buf_init(&text, 2 * BYTES_MAX);
    buf_init(&bytes, BYTES_MAX);
    for (size_t len = 0; len <= BYTES_MAX; len++) {
        struct span in = {(char *)all, len};
        for (size_t i = 0; i < len; i++)
            all[i] = (unsigned char)(i * 89 + len * 31);
        buf_reset(&text);
        buf_reset(&bytes);
        base64url_write(&text, in);
        assert_true(base64url_read(buf_span(&text), &bytes));
        assert_true(span_equal(buf_span(&bytes), in));
    }
    buf_free(&text);
    buf_free(&bytes);
}

int main(void)
{
    return RUN(cmocka_unit_test(what_the_standard_gives_as_examples),
               cmocka_unit_test(there_is_one_way_to_write_a_thing),
               cmocka_unit_test(what_is_longer_than_its_buffer_is_refused),
               cmocka_unit_test(what_was_written_is_read));
}
