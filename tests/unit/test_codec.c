#include "base/codec.h"
#include "tests/unit/unit.h"

static struct tree read_whole(struct span s)
{
    struct tree t;

    assert_int_equal(tree_read(&t, s.bytes, s.len), ERR_NONE);
    return t;
}

static void is_refused(struct span s)
{
    struct tree t;

    assert_int_equal(tree_read(&t, s.bytes, s.len), ERR_INPUT);
    tree_free(&t);
}

static void guarded_is_refused(struct span s)
{
    struct guarded g = guarded_copy(s);

    is_refused(g.span);
    guarded_free(&g);
}

/* One of each that can be written, nested twice. */
static void pack_sample(struct buf *b)
{
    char text[300];

    memset(text, 'x', sizeof(text));
    pack_array(b, 8);
    pack_uint(b, UINT64_MAX);
    pack_int(b, INT64_MIN);
    pack_str(b, "short", 5);
    pack_str(b, text, sizeof(text));
    pack_nil(b);
    pack_array(b, 2);
    pack_array(b, 0);
    pack_uint(b, 70000);
    pack_map(b, 1);
    pack_str(b, "k", 1);
    pack_int(b, -1);
    pack_str(b, "", 0);
}

TEST(what_was_written_is_read)
{
    struct buf b;
    struct guarded g;
    struct tree t;
    struct value root;
    size_t count = 0;
    uint64_t u = 0;
    int64_t i = 0;
    struct span s;

    buf_init(&b, 4096);
    pack_sample(&b);
    g = guarded_copy(buf_span(&b));
    t = read_whole(g.span);
    root = tree_root(&t);
    assert_true(value_is_array(root, &count));
    assert_int_equal(count, 8);
    assert_true(value_uint(value_at(root, 0), &u) && u == UINT64_MAX);
    assert_true(value_int(value_at(root, 1), &i) && i == INT64_MIN);
    assert_true(value_str(value_at(root, 2), &s));
    assert_span(s, SPAN("short"));
    assert_true(s.bytes >= g.span.bytes && s.bytes < g.span.bytes + g.span.len); /* borrowed */
    assert_true(value_str(value_at(root, 3), &s) && s.len == 300);
    assert_true(value_is_nil(value_at(root, 4)));
    assert_true(value_is_array(value_at(root, 5), &count) && count == 2);
    assert_true(value_uint(value_at(value_at(root, 5), 1), &u) && u == 70000);
    assert_false(value_is_array(value_at(root, 6), &count)); /* the map */
    assert_true(value_str(value_at(root, 7), &s) && s.len == 0);
    tree_free(&t);
    tree_free(&t); /* bears it twice */
    guarded_free(&g);
    buf_free(&b);
}

TEST(strings_are_written_as_str_and_never_as_bin)
{
    static const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
    char *text = calloc(1, 65536);

    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct buf b;
        unsigned char kind;

        buf_init(&b, 70000);
        pack_str(&b, text, lengths[i]);
        kind = (unsigned char)b.bytes[0];
        assert_true((kind & 0xe0) == 0xa0 || (kind >= 0xd9 && kind <= 0xdb));
        buf_free(&b);
    }
    free(text);
}

TEST(every_truncation_is_refused)
{
    struct buf b;

    buf_init(&b, 4096);
    pack_sample(&b);
    each_prefix(buf_span(&b), is_refused);
    buf_free(&b);
}

TEST(bytes_behind_the_value_are_refused)
{
    guarded_is_refused(BYTES("\xc0\xc0"));
    guarded_is_refused(BYTES("\x91\x01\x02"));
    guarded_is_refused(BYTES("\x90\x00"));
    guarded_is_refused(BYTES("\xa1"
                             "ab"));
}

TEST(counts_that_the_bytes_cannot_hold_are_refused)
{
    guarded_is_refused(BYTES("\xdd\xff\xff\xff\xff"));     /* an array of 2^32 - 1 */
    guarded_is_refused(BYTES("\xdf\xff\xff\xff\xff"));     /* as many pairs */
    guarded_is_refused(BYTES("\xdf\x80\x00\x00\x00\x01")); /* twice 2^31 */
    guarded_is_refused(BYTES("\xdb\xff\xff\xff\xff"
                             "x"));
    guarded_is_refused(BYTES("\xc6\xff\xff\xff\xff"
                             "x"));
    guarded_is_refused(BYTES("\xc9\xff\xff\xff\xff\x01"
                             "x"));
    guarded_is_refused(BYTES("\xdc\x00\x03\x01\x02"));
    guarded_is_refused(BYTES("\x82\x01\x02\x03"));
    guarded_is_refused(BYTES("\x92\xdd\x00\x00\x00\x02\x01"));
}

TEST(a_kind_that_does_not_exist_is_refused)
{
    guarded_is_refused(BYTES("\xc1"));
    guarded_is_refused(BYTES("\x91\xc1"));
    guarded_is_refused(BYTES("")); /* nothing is no value either */
}

/* Every kind, whole and each time cut: what is whole is accepted, so the lengths are right. */
TEST(every_kind_is_measured_right)
{
    static const struct span whole[] = {
        BYTES("\x00"),
        BYTES("\x7f"),
        BYTES("\xe0"),
        BYTES("\xff"),
        BYTES("\xc0"),
        BYTES("\xc2"),
        BYTES("\xc3"),
        BYTES("\x80"),
        BYTES("\x81\x01\x02"),
        BYTES("\x90"),
        BYTES("\x91\x01"),
        BYTES("\xa0"),
        BYTES("\xa2"
              "ab"),
        BYTES("\xc4\x01"
              "a"),
        BYTES("\xc5\x00\x01"
              "a"),
        BYTES("\xc6\x00\x00\x00\x01"
              "a"),
        BYTES("\xc7\x01\x05"
              "a"),
        BYTES("\xc8\x00\x01\x05"
              "a"),
        BYTES("\xc9\x00\x00\x00\x01\x05"
              "a"),
        BYTES("\xca"
              "abcd"),
        BYTES("\xcb"
              "abcdefgh"),
        BYTES("\xcc\x01"),
        BYTES("\xcd"
              "ab"),
        BYTES("\xce"
              "abcd"),
        BYTES("\xcf"
              "abcdefgh"),
        BYTES("\xd0\x01"),
        BYTES("\xd1"
              "ab"),
        BYTES("\xd2"
              "abcd"),
        BYTES("\xd3"
              "abcdefgh"),
        BYTES("\xd4\x05"
              "a"),
        BYTES("\xd5\x05"
              "ab"),
        BYTES("\xd6\x05"
              "abcd"),
        BYTES("\xd7\x05"
              "abcdefgh"),
        BYTES("\xd8\x05"
              "abcdefghijklmnop"),
        BYTES("\xd9\x01"
              "a"),
        BYTES("\xda\x00\x01"
              "a"),
        BYTES("\xdb\x00\x00\x00\x01"
              "a"),
        BYTES("\xdc\x00\x01\x01"),
        BYTES("\xdd\x00\x00\x00\x01\x01"),
        BYTES("\xde\x00\x01\x01\x02"),
        BYTES("\xdf\x00\x00\x00\x01\x01\x02"),
        BYTES("\x8f"
              "123456789012345678901234567890"),
        BYTES("\x9f"
              "123456789012345"),
        BYTES("\xbf"
              "1234567890123456789012345678901"),
    };

    for (size_t i = 0; i < COUNT(whole); i++) {
        struct guarded g = guarded_copy(whole[i]);
        struct tree t = read_whole(g.span);

        tree_free(&t);
        guarded_free(&g);
        each_prefix(whole[i], is_refused);
    }
}

TEST(nesting_has_a_bound)
{
    char nested[CODEC_DEPTH_MAX + 2];
    struct tree t;

    memset(nested, '\x91', sizeof(nested));
    nested[CODEC_DEPTH_MAX] = '\x01';
    t = read_whole((struct span){nested, CODEC_DEPTH_MAX + 1});
    tree_free(&t);
    nested[CODEC_DEPTH_MAX] = '\x91';
    nested[CODEC_DEPTH_MAX + 1] = '\x01';
    guarded_is_refused((struct span){nested, CODEC_DEPTH_MAX + 2});
}

TEST(very_deep_nesting_is_refused_and_not_followed)
{
    size_t n = 1000000;
    char *deep = malloc(n);

    memset(deep, '\x91', n);
    is_refused((struct span){deep, n});
    memset(deep, '\x81', n);
    is_refused((struct span){deep, n});
    free(deep);
}

TEST(values_of_another_kind_are_told_apart)
{
    /* true, 1.5, bin, ext, map, -1, 2^63, "a", nil, [] */
    struct tree t = read_whole(BYTES("\x9a\xc3\xcb\x3f\xf8\0\0\0\0\0\0\xc4\x01"
                                     "a\xd4\x05"
                                     "a\x80"
                                     "\xff\xcf\x80\0\0\0\0\0\0\0\xa1"
                                     "a\xc0\x90"));
    struct value root = tree_root(&t);

    for (size_t i = 0; i < 10; i++) {
        struct value v = value_at(root, i);
        uint64_t u = 77;
        uint32_t u32 = 77;
        int64_t n = 77;
        size_t count = 77;
        struct span s = SPAN("untouched");

        assert_int_equal(value_uint(v, &u), i == 6);
        assert_int_equal(value_u32(v, &u32), false);
        assert_int_equal(value_int(v, &n), i == 5);
        assert_int_equal(value_str(v, &s), i == 7);
        assert_int_equal(value_is_nil(v), i == 8);
        assert_int_equal(value_is_array(v, &count), i == 9);
        assert_true(i == 6 || u == 77);
        assert_int_equal(u32, 77);
        assert_true(i == 5 ? n == -1 : n == 77);
        assert_int_equal(count, i == 9 ? 0 : 77);
        assert_int_equal(s.len, i == 7 ? 1 : 9);
    }
    tree_free(&t);
}

TEST(numbers_keep_their_value_in_every_width)
{
    static const int64_t numbers[] = {0,      1,       127,        128,         255,       256,
                                      65535,  65536,   4294967295, 4294967296,  INT64_MAX, -1,
                                      -32,    -33,     -128,       -129,        -32768,    -32769,
                                      -65536, -524288, INT32_MIN,  -2147483649, INT64_MIN};

    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct buf b;
        struct tree t;
        int64_t n = 0;
        uint64_t u = 0;
        uint32_t u32 = 0;

        buf_init(&b, 16);
        pack_int(&b, numbers[i]);
        t = read_whole(buf_span(&b));
        assert_true(value_int(tree_root(&t), &n) && n == numbers[i]);
        assert_int_equal(value_uint(tree_root(&t), &u), numbers[i] >= 0);
        assert_int_equal(value_u32(tree_root(&t), &u32),
                         numbers[i] >= 0 && numbers[i] <= UINT32_MAX);
        assert_true(numbers[i] < 0 || u == (uint64_t)numbers[i]);
        tree_free(&t);
        buf_free(&b);
    }
}

TEST(a_signed_form_of_a_positive_number_is_a_number)
{
    struct tree t = read_whole(BYTES("\xd0\x05")); /* as other writers may send it */
    uint64_t u = 0;

    assert_true(value_uint(tree_root(&t), &u) && u == 5);
    tree_free(&t);
}

TEST(a_buffer_too_small_fails_and_stays_failed)
{
    struct buf b;

    buf_init(&b, 3);
    pack_array(&b, 1);
    pack_str(&b, "abc", 3);
    assert_true(b.failed);
    pack_nil(&b);
    assert_true(b.failed);
    buf_free(&b);
}

static void take_beyond(int64_t index)
{
    struct tree t = read_whole(BYTES("\x92\x01\x02"));

    value_at(tree_root(&t), (size_t)index);
    tree_free(&t);
}

TEST(an_index_beyond_the_array_is_a_programming_error)
{
    assert_false(aborts(take_beyond, 1));
    assert_true(aborts(take_beyond, 2));
}

/* Not a fuzzer, but a start: single changed bytes must not be read as anything beyond the input. */
TEST(changed_bytes_never_lead_beyond_the_end)
{
    struct buf b;

    buf_init(&b, 4096);
    pack_sample(&b);
    for (size_t at = 0; at < b.len; at++) {
        for (unsigned c = 0; c < 256; c++) {
            char was = b.bytes[at];
            struct tree t;

            b.bytes[at] = (char)c;
            if (tree_read(&t, b.bytes, b.len) == ERR_NONE)
                tree_free(&t);
            b.bytes[at] = was;
        }
    }
    buf_free(&b);
}

int main(void)
{
    return RUN(cmocka_unit_test(what_was_written_is_read),
               cmocka_unit_test(strings_are_written_as_str_and_never_as_bin),
               cmocka_unit_test(every_truncation_is_refused),
               cmocka_unit_test(bytes_behind_the_value_are_refused),
               cmocka_unit_test(counts_that_the_bytes_cannot_hold_are_refused),
               cmocka_unit_test(a_kind_that_does_not_exist_is_refused),
               cmocka_unit_test(every_kind_is_measured_right),
               cmocka_unit_test(nesting_has_a_bound),
               cmocka_unit_test(very_deep_nesting_is_refused_and_not_followed),
               cmocka_unit_test(values_of_another_kind_are_told_apart),
               cmocka_unit_test(numbers_keep_their_value_in_every_width),
               cmocka_unit_test(a_signed_form_of_a_positive_number_is_a_number),
               cmocka_unit_test(a_buffer_too_small_fails_and_stays_failed),
               cmocka_unit_test(an_index_beyond_the_array_is_a_programming_error),
               cmocka_unit_test(changed_bytes_never_lead_beyond_the_end));
}
