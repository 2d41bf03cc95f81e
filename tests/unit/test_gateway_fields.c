#include "gateway/fields.h"
#include "tests/unit/unit.h"

static struct preference read_preference(const char *field)
{
    struct preference p = {0};
    struct guarded g = guarded_copy(span_of(field));

    preference_read(&p, g.span);
    guarded_free(&g);
    return p;
}

TEST(preferences_are_found_among_others)
{
    struct preference p = read_preference("handling=lenient , Wait = 12;x=y, RESPOND-ASYNC");

    assert_true(p.respond_async);
    assert_true(p.has_wait);
    assert_int_equal(p.wait_s, 12);
    p = read_preference("wait=\"7\"");
    assert_int_equal(p.wait_s, 7);
    p = read_preference("wait=99999");
    assert_int_equal(p.wait_s, WAIT_SECONDS_MAX);
}

TEST(the_first_wait_counts)
{
    struct preference p = read_preference("wait=2, wait=9");

    preference_read(&p, SPAN("wait=20"));
    assert_int_equal(p.wait_s, 2);
}

TEST(malformed_preferences_are_ignored)
{
    static const char *const wrong[] = {"",         "wait",    "wait=",         "wait=-1",
                                        "wait=1.5", "wait=x",  ",,;=",          "\"",
                                        "\"\\",     "waits=3", "respond-asyncs"};

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct preference p = read_preference(wrong[i]);
        assert_false(p.respond_async);
        assert_false(p.has_wait);
    }
}

TEST(what_was_preferred_is_told)
{
    static const struct {
        struct preference preference;
        const char *text;
    } rows[] = {
        {{false, false, 0}, ""},
        {{true, false, 0}, "respond-async"},
        {{false, true, 30}, "wait=30"},
        {{true, true, 5}, "respond-async, wait=5"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[PREFERENCE_BYTES];
        preference_format(&rows[i].preference, text);
        assert_string_equal(text, rows[i].text);
    }
}

static bool reads_key(struct span field, struct span want)
{
    struct idempotency_key key;
    struct guarded g = guarded_copy(field);
    bool is_key = idempotency_key_read(g.span, &key);

    guarded_free(&g);
    if (is_key)
        assert_span(((struct span){key.text, key.len}), want);
    return is_key;
}

TEST(a_key_is_the_same_with_and_without_quotes)
{
    assert_true(reads_key(SPAN("k-1"), SPAN("k-1")));
    assert_true(reads_key(SPAN("\"k-1\""), SPAN("k-1")));
    assert_true(reads_key(SPAN("  k 1\t"), SPAN("k 1")));
    assert_true(reads_key(SPAN("\"a\\\"b\\\\c\""), SPAN("a\"b\\c")));
}

TEST(what_is_no_key_is_refused)
{
    static const struct span wrong[] = {
        BYTES(""),         BYTES("  "),       BYTES("\"\""), BYTES("\""),          BYTES("\"open"),
        BYTES("a\"b"),     BYTES("a\tb"),     BYTES("a\0b"), BYTES("caf\xc3\xa9"), BYTES("\"a\\\""),
        BYTES("\"a\\x\""), BYTES("\"a\"b\""), BYTES("\x7f"),
    };
    char longest[KEY_BYTES_MAX + 1];

    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(reads_key(wrong[i], SPAN("")));
    memset(longest, 'k', sizeof longest);
    assert_true(
        reads_key((struct span){longest, KEY_BYTES_MAX}, (struct span){longest, KEY_BYTES_MAX}));
    assert_false(reads_key((struct span){longest, KEY_BYTES_MAX + 1}, SPAN("")));
}

TEST(percent_signs_are_decoded)
{
    char text[8];
    size_t len;

    assert_true(percent_decode(SPAN("a%2Fb+c"), false, text, sizeof text, &len));
    assert_span(((struct span){text, len}), SPAN("a/b+c"));
    assert_true(percent_decode(SPAN("a+%00"), true, text, sizeof text, &len));
    assert_span(((struct span){text, len}), BYTES("a \0"));
    assert_true(percent_decode(SPAN("12345678"), false, text, sizeof text, &len));
    assert_false(percent_decode(SPAN("123456789"), false, text, sizeof text, &len));
}

static void is_refused_cut(struct span prefix)
{
    char text[8];
    size_t len;

    if (prefix.len > 1)
        assert_false(percent_decode(prefix, false, text, sizeof text, &len));
}

TEST(malformed_percents_are_refused)
{
    char text[8];
    size_t len;

    each_prefix(SPAN("x%2f"), is_refused_cut);
    assert_false(percent_decode(SPAN("%zz"), false, text, sizeof text, &len));
    assert_false(percent_decode(SPAN("%2"), false, text, sizeof text, &len));
    assert_false(percent_decode(SPAN("%"), false, text, sizeof text, &len));
    assert_false(percent_decode(SPAN("%+2"), false, text, sizeof text, &len));
}

TEST(query_parameters_are_found_by_name)
{
    static const struct span query = BYTES("q=a%20b&limit=5&empty=&flag&limit=6&bad=%x");
    char text[8];
    size_t len;

    assert_int_equal(query_value(query, "q", text, sizeof text, &len), QUERY_FOUND);
    assert_span(((struct span){text, len}), SPAN("a b"));
    assert_int_equal(query_value(query, "limit", text, sizeof text, &len), QUERY_FOUND);
    assert_span(((struct span){text, len}), SPAN("5"));
    assert_int_equal(query_value(query, "empty", text, sizeof text, &len), QUERY_FOUND);
    assert_int_equal(len, 0);
    assert_int_equal(query_value(query, "flag", text, sizeof text, &len), QUERY_FOUND);
    assert_int_equal(query_value(query, "bad", text, sizeof text, &len), QUERY_BAD);
    assert_int_equal(query_value(query, "lim", text, sizeof text, &len), QUERY_ABSENT);
    assert_int_equal(query_value(SPAN(""), "q", text, sizeof text, &len), QUERY_ABSENT);
}

TEST(times_are_read)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1970-01-01", 0},
        {"1970-01-01T00:00:00Z", 0},
        {"2030-05-02T14:00:00Z", 1903960800000},
        {"2030-05-02t14:00:00.25z", 1903960800250},
        {"2030-05-02T16:00:00+02:00", 1903960800000},
        {"2030-05-02T12:30:00.123456-01:30", 1903960800123},
        {"2024-02-29", 1709164800000},
        {"1969-12-31T23:59:59Z", -1000},
        {"2000-12-31T23:59:60Z", 978307200000},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = 1;
        assert_true(time_read(span_of(rows[i].text), &ms));
        assert_int_equal(ms, rows[i].ms);
    }
}

TEST(what_is_no_time_is_refused)
{
    static const char *const wrong[] = {
        "",
        "yesterday",
        "2030",
        "2030-13-01",
        "2030-00-01",
        "2030-02-29",
        "2030-04-31",
        "2030-05-02T",
        "2030-05-02T24:00:00Z",
        "2030-05-02T14:00Z",
        "2030-05-02T14:00:00",
        "2030-05-02T14:00:00.Z",
        "2030-05-02T14:00:00+2",
        "2030-05-02T14:00:00Zx",
        "+030-05-02",
    };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        int64_t ms;
        struct guarded g = guarded_copy(span_of(wrong[i]));
        assert_false(time_read(g.span, &ms));
        guarded_free(&g);
    }
}

TEST(entity_tags_are_compared)
{
    static const struct span tag = BYTES("\"a,b\"");

    assert_true(etag_matches(SPAN("\"a,b\""), tag));
    assert_true(etag_matches(SPAN("\"x\", W/\"a,b\""), tag));
    assert_true(etag_matches(SPAN("*"), tag));
    assert_false(etag_matches(SPAN(""), tag));
    assert_false(etag_matches(SPAN("a,b"), tag));
    assert_false(etag_matches(SPAN("\"a\",\"b\""), tag));
}

TEST(json_has_several_names)
{
    assert_true(media_is_json(SPAN("application/json")));
    assert_true(media_is_json(SPAN("Application/JSON; charset=utf-8")));
    assert_true(media_is_json(SPAN("application/problem+json")));
    assert_false(media_is_json(SPAN("")));
    assert_false(media_is_json(SPAN("json")));
    assert_false(media_is_json(SPAN("text/json+json")));
    assert_false(media_is_json(SPAN("application/+json")));
    assert_false(media_is_json(SPAN("application/jsonp")));
}

TEST(who_asks_for_a_stream_says_so_before_json)
{
    assert_true(media_prefers_stream(SPAN("text/event-stream")));
    assert_true(media_prefers_stream(SPAN("Text/Event-Stream;q=0.9, */*")));
    assert_true(media_prefers_stream(SPAN("text/event-stream, application/json")));
    assert_false(media_prefers_stream(SPAN("application/json, text/event-stream")));
    assert_false(media_prefers_stream(SPAN("application/json, text/plain, */*")));
    assert_false(media_prefers_stream(SPAN("*/*")));
    assert_false(media_prefers_stream(SPAN("text/event-streams")));
    assert_false(media_prefers_stream((struct span){NULL, 0}));
    assert_true(media_prefers_page(SPAN("text/html,application/xhtml+xml,*/*;q=0.8")));
    assert_false(media_prefers_page(SPAN("application/json, text/html")));
    assert_false(media_prefers_page(SPAN("*/*")));
}

TEST(codings_are_accepted_by_name_or_star)
{
    assert_true(encoding_is_accepted(SPAN("gzip, deflate, br"), "gzip"));
    assert_true(encoding_is_accepted(SPAN("br;q=1.0, GZIP;q=0.8"), "gzip"));
    assert_true(encoding_is_accepted(SPAN("*"), "gzip"));
    assert_true(encoding_is_accepted(SPAN("gzip, *;q=0"), "gzip"));
    assert_true(encoding_is_accepted(SPAN("*;q=0, gzip ; q=0.001"), "gzip"));
    assert_false(encoding_is_accepted(SPAN("gzip;q=0, *"), "gzip"));
    assert_false(encoding_is_accepted(SPAN("gzip; q=0.000"), "gzip"));
    assert_false(encoding_is_accepted(SPAN("*;q=0"), "gzip"));
    assert_false(encoding_is_accepted(SPAN("identity, xgzip, gzipx"), "gzip"));
    assert_false(encoding_is_accepted(SPAN(""), "gzip"));
    assert_false(encoding_is_accepted((struct span){NULL, 0}, "gzip"));
}

TEST(origins_are_compared_whole)
{
    assert_true(
        origin_is_allowed(SPAN("https://a.example, https://b.example"), SPAN("https://b.example")));
    assert_true(origin_is_allowed(SPAN("*"), SPAN("null")));
    assert_false(origin_is_allowed(SPAN("https://a.example"), SPAN("https://a.example.evil")));
    assert_false(origin_is_allowed(SPAN(""), SPAN("https://a.example")));
    assert_false(origin_is_allowed(SPAN("https://a.example"), SPAN("")));
}

int main(void)
{
    return RUN(cmocka_unit_test(preferences_are_found_among_others),
               cmocka_unit_test(the_first_wait_counts),
               cmocka_unit_test(malformed_preferences_are_ignored),
               cmocka_unit_test(what_was_preferred_is_told),
               cmocka_unit_test(a_key_is_the_same_with_and_without_quotes),
               cmocka_unit_test(what_is_no_key_is_refused),
               cmocka_unit_test(percent_signs_are_decoded),
               cmocka_unit_test(malformed_percents_are_refused),
               cmocka_unit_test(query_parameters_are_found_by_name),
               cmocka_unit_test(times_are_read), cmocka_unit_test(what_is_no_time_is_refused),
               cmocka_unit_test(entity_tags_are_compared), cmocka_unit_test(json_has_several_names),
               cmocka_unit_test(who_asks_for_a_stream_says_so_before_json),
               cmocka_unit_test(codings_are_accepted_by_name_or_star),
               cmocka_unit_test(origins_are_compared_whole));
}
