#include "base/bounds.h"
#include "base/text.h"
#include "tests/unit/unit.h"

TEST(well_formed_utf8_passes)
{
    static const struct span right[] = {
        BYTES(""),
        BYTES("plain"),
        BYTES("a\0b"),
        BYTES("\x7f"),
        BYTES("\xc2\x80"),
        BYTES("\xdf\xbf"),
        BYTES("\xe0\xa0\x80"),
        BYTES("\xed\x9f\xbf"),
        BYTES("\xee\x80\x80"),
        BYTES("\xef\xbf\xbf"),
        BYTES("\xf0\x90\x80\x80"),
        BYTES("\xf4\x8f\xbf\xbf"),
        BYTES("z\xc3\xbc"
              "rich \xf0\x9f\x8e\xab"),
    };

    for (size_t i = 0; i < COUNT(right); i++) {
        struct guarded g = guarded_copy(right[i]);

        assert_true(text_is_utf8(g.span));
        guarded_free(&g);
    }
}

TEST(malformed_utf8_is_refused)
{
    static const struct span wrong[] = {
        BYTES("\x80"), /* a continuation alone */
        BYTES("\xbf"),
        BYTES("\xc0\x80"), /* overlong NUL */
        BYTES("\xc1\xbf"), /* overlong */
        BYTES("\xc2"),     /* cut */
        BYTES("\xc2"
              "a"),
        BYTES("\xc2\xc0"),
        BYTES("\xe0\x9f\xbf"), /* overlong */
        BYTES("\xe0\xa0"),     /* cut */
        BYTES("\xe0\xa0"
              "a"),
        BYTES("\xe1\x80\xc0"),
        BYTES("\xed\xa0\x80"),     /* the first surrogate */
        BYTES("\xed\xbf\xbf"),     /* the last one */
        BYTES("\xf0\x8f\xbf\xbf"), /* overlong */
        BYTES("\xf0\x90\x80"),     /* cut */
        BYTES("\xf1\x80\x80"
              "a"),
        BYTES("\xf4\x90\x80\x80"), /* beyond U+10FFFF */
        BYTES("\xf5\x80\x80\x80"),
        BYTES("\xf8\x88\x80\x80\x80"),
        BYTES("\xfe"),
        BYTES("\xff"),
        BYTES("ok\xff"
              "ok"),
    };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct guarded g = guarded_copy(wrong[i]);

        assert_false(text_is_utf8(g.span));
        guarded_free(&g);
    }
}

TEST(control_characters_are_seen)
{
    assert_false(text_has_control(SPAN("")));
    assert_false(text_has_control(SPAN("a b~")));
    assert_true(text_has_control(BYTES("a\0b")));
    assert_true(text_has_control(SPAN("\n")));
    assert_true(text_has_control(SPAN("\x1f")));
    assert_false(text_has_control(SPAN(" ")));
    assert_true(text_has_control(SPAN("\x7f")));
    assert_true(text_has_control(SPAN("a\xc2\x80")));
    assert_true(text_has_control(SPAN("\xc2\x9f")));
    assert_false(text_has_control(SPAN("\xc2\xa0")));
    assert_false(text_has_control(SPAN("\xc3\x80")));
}

TEST(a_cut_c1_character_is_not_read_beyond_its_end)
{
    struct guarded g = guarded_copy(SPAN("a\xc2"));

    assert_false(text_has_control(g.span));
    guarded_free(&g);
}

TEST(a_user_is_short_and_printable)
{
    char name[USER_BYTES_MAX + 1];

    memset(name, 'u', sizeof(name));
    assert_true(text_is_user((struct span){name, USER_BYTES_MAX}));
    assert_false(text_is_user((struct span){name, USER_BYTES_MAX + 1}));
    assert_true(text_is_user(SPAN("u")));
    assert_true(text_is_user(SPAN("Zo\xc3\xab M\xc3\xbcller")));
    assert_false(text_is_user(SPAN("")));
    assert_false(text_is_user(span_of(NULL)));
    assert_false(text_is_user(BYTES("a\0b")));
    assert_false(text_is_user(SPAN("a\tb")));
    assert_false(text_is_user(SPAN("a\xff")));
}

TEST(a_slug_is_lower_case_and_begins_with_a_letter)
{
    char slug[SLUG_BYTES_MAX + 1];

    memset(slug, 's', sizeof(slug));
    assert_true(text_is_slug((struct span){slug, SLUG_BYTES_MAX}));
    assert_false(text_is_slug((struct span){slug, SLUG_BYTES_MAX + 1}));
    assert_true(text_is_slug(SPAN("a")));
    assert_true(text_is_slug(SPAN("z")));
    assert_true(text_is_slug(SPAN("rock-2026-")));
    assert_true(text_is_slug(SPAN("az-09")));
    assert_false(text_is_slug(SPAN("")));
    assert_false(text_is_slug(SPAN("1st")));
    assert_false(text_is_slug(SPAN("-a")));
    assert_false(text_is_slug(SPAN("Rock")));
    assert_false(text_is_slug(SPAN("a_b")));
    assert_false(text_is_slug(SPAN("a/b")));
    assert_false(text_is_slug(BYTES("a\0")));
}

TEST(numbers_are_digits_within_their_bound)
{
    uint64_t n = 5;

    assert_true(text_u64(SPAN("0"), 0, &n));
    assert_int_equal(n, 0);
    assert_true(text_u64(SPAN("007"), 7, &n));
    assert_int_equal(n, 7);
    assert_true(text_u64(SPAN("18446744073709551615"), UINT64_MAX, &n));
    assert_true(n == UINT64_MAX);
    assert_true(text_u64(SPAN("65535"), 65535, &n));
    assert_int_equal(n, 65535);
}

TEST(what_is_no_number_is_refused_and_writes_nothing)
{
    static const struct span wrong[] = {
        BYTES(""),   BYTES("-1"),  BYTES("+1"),   BYTES(" 1"),  BYTES("1 "),
        BYTES("1a"), BYTES("0x1"), BYTES("1.0"),  BYTES("1e3"), BYTES("1\0"),
        BYTES("/"),  BYTES(":"),   BYTES("\xb1"),
    };
    uint64_t n = 5;

    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(text_u64(wrong[i], UINT64_MAX, &n));
    assert_false(text_u64(span_of(NULL), UINT64_MAX, &n));
    assert_false(text_u64(SPAN("18446744073709551616"), UINT64_MAX, &n));
    assert_false(text_u64(SPAN("99999999999999999999999"), UINT64_MAX, &n));
    assert_false(text_u64(SPAN("65536"), 65535, &n));
    assert_false(text_u64(SPAN("1"), 0, &n));
    assert_int_equal(n, 5);
}

TEST(passwords_are_masked)
{
    static const char *const pairs[][2] = {
        {"plain", "plain"},
        {"redis://host:6379/0", "redis://host:6379/0"},
        {"redis://:hush@host:6379", "redis://:***@host:6379"},
        {"redis://me:hush@host", "redis://me:***@host"},
        {"postgresql://me@host/db", "postgresql://me@host/db"},
        {"postgresql://me:a@b/c?d@h1,h2/db", "postgresql://me:***@h1,h2/db"},
        {"host=a password=hush user=b", "host=a password=*** user=b"},
        {"host=a PASSWORD='hu sh\\' x' user=b", "host=a PASSWORD=***' user=b"},
        {"host=a password='' user=b", "host=a password=***' user=b"},
        {"host=a password='hush", "host=a password=***"},
        {"host=a password='hush\\", "host=a password=***"},
        {"password=hush", "password=***"},
        {"password=", "password=***"},
        {"postgresql:///db?password=hush&user=x", "postgresql:///db?password=***&user=x"},
        {"", ""},
    };

    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct guarded g = guarded_copy(span_of(pairs[i][0]));
        struct buf b;

        buf_init(&b, 1000);
        text_put_masked(&b, g.span);
        assert_string_equal(buf_text(&b), pairs[i][1]);
        buf_free(&b);
        guarded_free(&g);
    }
}

TEST(a_list_is_cut_at_its_separators)
{
    struct guarded g = guarded_copy(BYTES("a,,b"));
    struct span rest = g.span, none = {NULL, 0};

    assert_span(text_cut(&rest, ','), BYTES("a"));
    assert_span(text_cut(&rest, ','), BYTES(""));
    assert_span(rest, BYTES("b"));
    assert_span(text_cut(&rest, ','), BYTES("b"));
    assert_int_equal(rest.len, 0);
    assert_span(text_cut(&rest, ','), BYTES(""));
    assert_span(text_cut(&none, ','), BYTES(""));
    guarded_free(&g);
}

TEST(hexadecimal_digits_are_whole_bytes)
{
    static const struct span wrong[] = {BYTES("0"),  BYTES("0g"),  BYTES("0A"),
                                        BYTES("0 "), BYTES("\0g"), BYTES("123")};
    unsigned char bytes[4];

    assert_true(text_unhex(BYTES("00ff1a90"), bytes));
    assert_memory_equal(bytes, "\x00\xff\x1a\x90", 4);
    assert_true(text_unhex(BYTES(""), bytes));
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct guarded g = guarded_copy(wrong[i]);
        assert_false(text_unhex(g.span, bytes));
        guarded_free(&g);
    }
}

/* A text as it stands in a JSON string, read from memory that ends where it does. */
static void assert_json(struct span text, const char *shown)
{
    struct guarded g = guarded_copy(text);
    struct span rest = g.span;
    char piece[TEXT_JSON_BYTES_MAX];
    struct buf json;
    size_t n;

    buf_init(&json, 1024);
    while ((n = text_put_json(&rest, piece)) > 0)
        buf_put(&json, piece, n);
    assert_int_equal(rest.len, 0);
    assert_string_equal(buf_text(&json), shown);
    buf_free(&json);
    guarded_free(&g);
}

TEST(whatever_it_is_it_can_stand_in_a_json_string)
{
    assert_json(BYTES(""), "");
    assert_json(BYTES("plain/<&>'"), "plain/<&>'");
    assert_json(BYTES("say \"hi\" \\"), "say \\\"hi\\\" \\\\");
    assert_json(BYTES("\0\n\r\t\x1b\x7f"), "\\u0000\\u000a\\u000d\\u0009\\u001b\\u007f");
    assert_json(BYTES("z\xc3\xbcrich \xf0\x9f\x8e\xab"), "z\xc3\xbcrich \xf0\x9f\x8e\xab");
    assert_json(BYTES("\xc2\x85\xc2\x9f\xc2\xa0"), "\\u0085\\u009f\xc2\xa0");
    assert_json(BYTES("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"), "\\u2028\\u2029\xe2\x80\xaa");
    assert_json(BYTES("a\xff\xc0\x80z"), "a\\ufffd\\ufffd\\ufffdz");
    assert_json(BYTES("\xf0\x9f\x8e"), "\\ufffd\\ufffd\\ufffd"); /* cut */
}

int main(void)
{
    return RUN(
        cmocka_unit_test(well_formed_utf8_passes), cmocka_unit_test(malformed_utf8_is_refused),
        cmocka_unit_test(control_characters_are_seen),
        cmocka_unit_test(a_cut_c1_character_is_not_read_beyond_its_end),
        cmocka_unit_test(a_user_is_short_and_printable),
        cmocka_unit_test(a_slug_is_lower_case_and_begins_with_a_letter),
        cmocka_unit_test(numbers_are_digits_within_their_bound),
        cmocka_unit_test(what_is_no_number_is_refused_and_writes_nothing),
        cmocka_unit_test(passwords_are_masked), cmocka_unit_test(a_list_is_cut_at_its_separators),
        cmocka_unit_test(hexadecimal_digits_are_whole_bytes),
        cmocka_unit_test(whatever_it_is_it_can_stand_in_a_json_string));
}
