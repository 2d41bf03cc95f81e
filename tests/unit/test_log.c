#include "base/log.h"
#include "base/text.h"
#include "tests/unit/child.h"

static void log_value(void *value)
{
    log_open("usher-test", LOG_INFO, LOG_LOGFMT);
    log_event(LOG_INFO, "it_happened", "value", (const char *)value, "n", "1", NULL);
}

/* The line that log_value writes for a value, without its time. */
static void assert_line(const char *value, const char *shown)
{
    char want[LOG_BYTES_MAX];
    struct child c = child_run(log_value, (void *)(uintptr_t)value);

    assert_exit(&c, 0);
    assert_int_equal(strncmp(c.err, "at=20", 5), 0);
    snprintf(want, sizeof(want), " level=info program=usher-test event=it_happened value=%s n=1\n",
             shown);
    assert_string_equal(c.err + strlen("at=2026-05-03T19:30:00.000Z"), want);
    assert_string_equal(c.out, "");
}

TEST(plain_values_stand_bare)
{
    assert_line("plain", "plain");
    assert_line("a/b:c-d_e.f,{}", "a/b:c-d_e.f,{}");
    assert_line(NULL, "-");
}

TEST(others_are_quoted)
{
    assert_line("", "\"\"");
    assert_line("two words", "\"two words\"");
    assert_line("a=b", "\"a=b\"");
    assert_line("say \"hi\"", "\"say \\\"hi\\\"\"");
    assert_line("back\\slash", "\"back\\\\slash\"");
    assert_line("Zo\xc3\xab", "\"Zo\xc3\xab\"");
}

TEST(a_value_cannot_begin_a_new_line)
{
    assert_line("a\nat=forged", "\"a\\nat=forged\"");
    assert_line("a \r\tb", "\"a \\x0d\\tb\"");
    assert_line("\x1b[31mred", "\"\\x1b[31mred\"");
    assert_line("\x7f", "\"\\x7f\"");
    assert_line("a\xff"
                "b",
                "\"a\\xffb\"");
    assert_line("\xc2\x85"
                "x",
                "\"\\xc2\\x85x\""); /* C1: NEXT LINE */
}

static void log_much(void *context)
{
    char text[3 * LOG_BYTES_MAX];

    (void)context;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_event(LOG_ERROR, "long", "value", text, "n", "1", NULL);
    memset(text, '\n', sizeof(text) - 1);
    log_event(LOG_ERROR, "long", "value", text, NULL);
}

TEST(a_long_line_is_cut_and_still_a_line)
{
    struct child c = child_run(log_much, NULL);
    char *second = strchr(c.err, '\n') + 1;

    assert_exit(&c, 0);
    assert_int_equal(second - c.err, LOG_BYTES_MAX);
    assert_int_equal(strlen(second), LOG_BYTES_MAX);
    assert_ptr_equal(strchr(second, '\n'), second + LOG_BYTES_MAX - 1);
}

static void log_json(void *value)
{
    log_open("usher-test", LOG_INFO, LOG_JSON);
    log_event(LOG_INFO, "it_happened", "value", (const char *)value, "n", "1", NULL);
}

static void assert_json_line(const char *value, const char *shown)
{
    char want[LOG_BYTES_MAX];
    struct child c = child_run(log_json, (void *)(uintptr_t)value);

    assert_exit(&c, 0);
    assert_int_equal(strncmp(c.err, "{\"at\":\"20", 9), 0);
    snprintf(want, sizeof(want),
             "\",\"level\":\"info\",\"program\":\"usher-test\",\"event\":\"it_happened\","
             "\"value\":\"%s\",\"n\":\"1\"}\n",
             shown);
    assert_string_equal(c.err + strlen("{\"at\":\"2026-05-03T19:30:00.000Z"), want);
}

TEST(json_is_the_same_pairs_as_one_object)
{
    assert_json_line("plain", "plain");
    assert_json_line(NULL, "-");
    assert_json_line("", "");
    assert_json_line("two words", "two words");
    assert_json_line("Zo\xc3\xab", "Zo\xc3\xab");
}

TEST(a_value_cannot_break_out_of_its_object)
{
    assert_json_line("\",\"level\":\"forged", "\\\",\\\"level\\\":\\\"forged");
    assert_json_line("a\n{\"at\":1}", "a\\u000a{\\\"at\\\":1}");
    assert_json_line("back\\", "back\\\\");
    assert_json_line("a\xff"
                     "b",
                     "a\\ufffdb");
}

/* So many of a character behind some that are one byte each. */
struct filling {
    const char *character;
    size_t before, bytes;
};

static void log_filled(void *context)
{
    const struct filling *f = context;
    char text[2 * LOG_BYTES_MAX];
    size_t len = strlen(f->character), n = f->before;

    memset(text, 'a', n);
    for (; n + len < f->bytes; n += len)
        memcpy(text + n, f->character, len);
    text[n] = '\0';
    log_open("usher-test", LOG_INFO, LOG_JSON);
    log_event(LOG_ERROR, "long", "value", text, "other", "2", "n", "1", NULL);
}

static void assert_whole_object(struct filling f)
{
    struct child c = child_run(log_filled, &f);
    size_t len = strlen(c.err);

    assert_exit(&c, 0);
    assert_true(len <= LOG_BYTES_MAX && len > LOG_BYTES_MAX - 200);
    assert_int_equal(memcmp(c.err, "{\"at\":\"", 7), 0);
    assert_string_equal(c.err + len - 3, "\"}\n");
    assert_true(c.err[len - 4] != '\\' || c.err[len - 5] == '\\');
    assert_true(text_is_utf8((struct span){c.err, len}));
    assert_ptr_equal(strchr(c.err, '\n'), c.err + len - 1);
}

TEST(a_long_line_is_cut_and_still_an_object)
{
    static const char *const characters[] = {"x",   "\n", "\"", "\xc3\xab", "\xf0\x9f\x8e\xab",
                                             "\xff"};

    for (size_t i = 0; i < COUNT(characters); i++)
        for (size_t before = 0; before < 8; before++)
            assert_whole_object((struct filling){characters[i], before, 2 * LOG_BYTES_MAX});
    for (size_t n = LOG_BYTES_MAX - 200; n < LOG_BYTES_MAX; n++)
        assert_whole_object((struct filling){"b", 0, n});
}

static void log_levels(void *context)
{
    log_open("usher-test", *(enum log_level *)context, LOG_LOGFMT);
    log_event(LOG_DEBUG, "one", NULL);
    log_event(LOG_INFO, "two", NULL);
    log_event(LOG_WARN, "three", NULL);
    log_event(LOG_ERROR, "four", NULL);
}

TEST(levels_below_the_least_are_silent)
{
    static const char *const events[] = {"event=one", "event=two", "event=three", "event=four"};

    for (int least = LOG_DEBUG; least <= LOG_ERROR; least++) {
        enum log_level level = (enum log_level)least;
        struct child c = child_run(log_levels, &level);

        for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
            if (i >= least)
                assert_has(c.err, events[i]);
            else
                assert_has_not(c.err, events[i]);
        }
    }
}

TEST(levels_have_names)
{
    enum log_level level = LOG_INFO;

    assert_true(log_level_from("debug", &level) && level == LOG_DEBUG);
    assert_true(log_level_from("error", &level) && level == LOG_ERROR);
    assert_true(log_level_from("warn", &level) && level == LOG_WARN);
    assert_false(log_level_from("loud", &level));
    assert_false(log_level_from("", &level));
    assert_false(log_level_from("INFO", &level));
    assert_int_equal(level, LOG_WARN);
}

TEST(formats_have_names)
{
    enum log_format format = LOG_LOGFMT;

    assert_true(log_format_from("json", &format) && format == LOG_JSON);
    assert_false(log_format_from("JSON", &format));
    assert_false(log_format_from("", &format));
    assert_int_equal(format, LOG_JSON);
    assert_true(log_format_from("logfmt", &format) && format == LOG_LOGFMT);
}

TEST(numbers_are_texts_for_a_while)
{
    const char *numbers[16];

    for (unsigned i = 0; i < 16; i++)
        numbers[i] = log_u64(i * 1000);
    for (unsigned i = 0; i < 16; i++) {
        char want[16];

        snprintf(want, sizeof(want), "%u", i * 1000);
        assert_string_equal(numbers[i], want);
    }
    assert_string_equal(log_u64(18446744073709551615ULL), "18446744073709551615");
    assert_string_equal(log_i64(INT64_MIN), "-9223372036854775808");
    assert_string_equal(log_i64(-1), "-1");
    assert_string_equal(log_i64(0), "0");
    assert_string_equal(log_i64(INT64_MAX), "9223372036854775807");
}

int main(void)
{
    return RUN(cmocka_unit_test(plain_values_stand_bare), cmocka_unit_test(others_are_quoted),
               cmocka_unit_test(a_value_cannot_begin_a_new_line),
               cmocka_unit_test(a_long_line_is_cut_and_still_a_line),
               cmocka_unit_test(levels_below_the_least_are_silent),
               cmocka_unit_test(levels_have_names), cmocka_unit_test(formats_have_names),
               cmocka_unit_test(json_is_the_same_pairs_as_one_object),
               cmocka_unit_test(a_value_cannot_break_out_of_its_object),
               cmocka_unit_test(a_long_line_is_cut_and_still_an_object),
               cmocka_unit_test(numbers_are_texts_for_a_while));
}
