#include "base/bounds.h"
#include "gateway/json.h"
#include "tests/unit/unit.h"

static struct json read_body(struct span body)
{
    struct guarded g = guarded_copy(body);
    struct json json;

    json_read(&json, g.span);
    guarded_free(&g); /* nothing borrows from the bytes */
    return json;
}

TEST(members_are_read)
{
    struct json json = read_body(SPAN("{\"user\":\"ann\",\"n\":12,\"hold\":true,\"none\":null}"));
    struct json_object root = json_root(&json);
    struct span text = {NULL, 0};
    int64_t n = 0;
    bool flag = false;

    assert_true(json_text(&json, root, "user", true, &text));
    assert_span(text, SPAN("ann"));
    assert_true(json_whole(&json, root, "n", true, 1, 100, &n));
    assert_int_equal(n, 12);
    assert_true(json_flag(&json, root, "hold", &flag));
    assert_true(flag);
    assert_true(json_has(root, "user"));
    assert_false(json_has(root, "none"));
    assert_false(json_text(&json, root, "none", false, &text));
    assert_false(json_whole(&json, root, "absent", false, 0, 9, &n));
    assert_int_equal(n, 12);
    assert_false(json.failed);
    json_free(&json);
}

TEST(an_empty_body_is_an_empty_object)
{
    struct json json = read_body(SPAN(""));

    assert_false(json.failed);
    assert_false(json_has(json_root(&json), "user"));
    json_free(&json);
}

TEST(what_is_no_json_is_400)
{
    static const struct span wrong[] = {
        BYTES(" "),
        BYTES("x"),
        BYTES("{"),
        BYTES("{\"a\":1,}"),
        BYTES("{} {}"),
        BYTES("{}\0"),
        BYTES("{'a':1}"),
        BYTES("{\"a\":NaN}"),
        BYTES("[1]"),
        BYTES("\"x\""),
        BYTES("null"),
        BYTES("{\"a\":\"\xff\"}"),
        BYTES("{\"a\":\"\\ud800\"}"),
        BYTES("{\"a\":\"\\u0000\"}"),
        BYTES("{\"a\":1,\"a\":2}"),
        BYTES("\xef\xbb\xbf{}"),
        BYTES("{\"a\":\"b\0c\"}"),
        BYTES("{\"a\":\"\xc0\xaf\"}"),
    };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct json json = read_body(wrong[i]);
        assert_true(json.failed);
        assert_int_equal(json.status, 400);
        assert_true(strlen(json.why) > 10);
        json_free(&json);
    }
}

static struct json nested(size_t depth)
{
    char body[200] = "{\"a\":";
    size_t at = strlen(body);

    memset(body + at, '[', depth - 1);
    memset(body + at + depth - 1, ']', depth - 1);
    at += 2 * (depth - 1);
    body[at++] = '}';
    return read_body((struct span){body, at});
}

TEST(nesting_is_bounded)
{
    struct json json = nested(JSON_DEPTH_MAX);

    assert_false(json.failed);
    json_free(&json);
    json = nested(JSON_DEPTH_MAX + 1);
    assert_true(json.failed);
    assert_int_equal(json.status, 400);
    json_free(&json);
    json = read_body(SPAN("{\"a\":\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"}"));
    assert_false(json.failed);
    json_free(&json);
}

TEST(wrong_members_are_422_and_named)
{
    static const struct span wrong[] = {
        BYTES("{\"n\":0}"),   BYTES("{\"n\":-1}"),  BYTES("{\"n\":11}"),    BYTES("{\"n\":1.5}"),
        BYTES("{\"n\":1.0}"), BYTES("{\"n\":1e3}"), BYTES("{\"n\":\"1\"}"), BYTES("{\"n\":true}"),
        BYTES("{\"n\":[]}"),  BYTES("{\"n\":{}}"),  BYTES("{\"n\":null}"),  BYTES("{}"),
    };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct json json = read_body(wrong[i]);
        int64_t n = 7;
        assert_false(json_whole(&json, json_root(&json), "n", true, 1, 10, &n));
        assert_int_equal(n, 7);
        assert_true(json.failed);
        assert_int_equal(json.status, 422);
        assert_non_null(strstr(json.why, "\"n\""));
        json_free(&json);
    }
}

TEST(a_number_beyond_all_is_422)
{
    struct json json = read_body(SPAN("{\"n\":99999999999999999999999}"));

    assert_true(json.failed);
    assert_int_equal(json.status, 422);
    json_free(&json);
}

TEST(the_first_trouble_is_told)
{
    struct json json = read_body(SPAN("{\"a\":1,\"b\":2}"));
    struct span text;
    bool flag;

    assert_false(json_text(&json, json_root(&json), "a", true, &text));
    assert_false(json_flag(&json, json_root(&json), "b", &flag));
    assert_non_null(strstr(json.why, "\"a\""));
    json_free(&json);
}

TEST(words_may_be_numbers)
{
    struct json json = read_body(SPAN("{\"a\":12,\"b\":\"hall\",\"c\":-1}"));
    struct json_object root = json_root(&json);
    char digits[JSON_DIGITS];
    struct span text;

    assert_true(json_word(&json, root, "a", true, digits, &text));
    assert_span(text, SPAN("12"));
    assert_true(json_word(&json, root, "b", true, digits, &text));
    assert_span(text, SPAN("hall"));
    assert_false(json_word(&json, root, "c", true, digits, &text));
    assert_true(json.failed);
    json_free(&json);
}

TEST(lists_are_bounded_and_hold_objects)
{
    struct json json = read_body(SPAN("{\"i\":[{\"t\":\"A\"},5],\"none\":[],\"o\":{}}"));
    struct json_object root = json_root(&json), item;
    struct span text;
    size_t count;

    assert_true(json_list(&json, root, "i", 2, &count));
    assert_int_equal(count, 2);
    assert_true(json_list_at(&json, root, "i", 0, &item));
    assert_true(json_text(&json, item, "t", true, &text));
    assert_false(json_list_at(&json, root, "i", 1, &item));
    assert_true(json.failed);
    json.failed = false;
    assert_false(json_list(&json, root, "i", 1, &count));
    json.failed = false;
    assert_false(json_list(&json, root, "none", 5, &count));
    json.failed = false;
    assert_false(json_list(&json, root, "o", 5, &count));
    assert_true(json.failed);
    json_free(&json);
}

TEST(a_body_is_changed)
{
    struct json json = read_body(SPAN("{\"z\":[\"A-1\"],\"a\":1,\"n\":null}"));
    struct json_object root = json_root(&json);
    struct buf text;

    json_rename(&json, root, "n", "m");
    json_rename(&json, root, "none", "k");
    json_drop(&json, root, "z");
    json_add_whole(&json, root, "z", 3);
    json_add_whole(&json, root, "z", 7);
    json_add_whole(&json, root, "a", 1); /* no array */
    assert_true(json.failed);
    json.failed = false;
    buf_init(&text, 64);
    json_write(&json, root, &text);
    assert_span(buf_span(&text), SPAN("{\"a\":1,\"m\":null,\"z\":[3,7]}"));
    buf_free(&text);
    json_free(&json);
}

int main(void)
{
    return RUN(
        cmocka_unit_test(members_are_read), cmocka_unit_test(an_empty_body_is_an_empty_object),
        cmocka_unit_test(what_is_no_json_is_400), cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(wrong_members_are_422_and_named),
        cmocka_unit_test(a_number_beyond_all_is_422), cmocka_unit_test(the_first_trouble_is_told),
        cmocka_unit_test(words_may_be_numbers),
        cmocka_unit_test(lists_are_bounded_and_hold_objects), cmocka_unit_test(a_body_is_changed));
}
