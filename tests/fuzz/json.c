/*
 * JSON bodies, read as the routes read them. What is taken is within its bounds; text and numbers
 * come back the same when they are written as answers are and read again.
 */
#include "gateway/json.h"

#include <inttypes.h>

#include "base/bounds.h"
#include "base/text.h"
#include "gateway/render.h"
#include "tests/fuzz/fuzz.h"

static void check_failure(const struct json *json)
{
    if (!json->failed)
        return;
    CHECK(json->status == 400 || json->status == 422);
    CHECK(json->why[0] != '\0' && memchr(json->why, '\0', sizeof json->why) != NULL);
    CHECK(text_is_utf8(span_of(json->why)));
}

static void check_text(struct span text)
{
    struct buf body;
    struct json json;
    struct span again;

    CHECK(text_is_utf8(text));
    buf_init(&body, 1 << 22);
    buf_puts(&body, "{\"t\":");
    render_text(&body, text);
    buf_puts(&body, "}");
    json_read(&json, buf_span(&body));
    CHECK(json_text(&json, json_root(&json), "t", true, &again) && span_equal(text, again));
    CHECK(!json.failed);
    json_free(&json);
    buf_free(&body);
}

static void check_whole(int64_t n)
{
    struct buf body;
    struct json json;
    int64_t again;

    buf_init(&body, 256);
    buf_puts(&body, "{\"n\":");
    render_i64(&body, n);
    buf_puts(&body, "}");
    json_read(&json, buf_span(&body));
    CHECK(json_whole(&json, json_root(&json), "n", true, INT64_MIN, INT64_MAX, &again));
    CHECK(again == n);
    json_free(&json);
    buf_free(&body);
}

static void read_line(struct json *json, struct json_object in)
{
    char digits[JSON_DIGITS];
    struct span text;
    int64_t n;

    if (json_text(json, in, "tier", false, &text))
        check_text(text);
    if (json_word(json, in, "show_id", false, digits, &text))
        check_text(text);
    if (json_whole(json, in, "quantity", false, 1, QUANTITY_MAX, &n)) {
        CHECK(n >= 1 && n <= QUANTITY_MAX);
        check_whole(n);
    }
}

/* In whatever order they are asked for; after a failure nothing is given out any more. */
static void read_members(struct json *json)
{
    struct json_object root = json_root(json), element;
    struct span text;
    size_t count;
    int64_t n;
    bool flag;

    read_line(json, root);
    if (json_list(json, root, "items", LINES_MAX, &count)) {
        CHECK(count >= 1 && count <= LINES_MAX);
        for (size_t i = 0; i < count && json_list_at(json, root, "items", i, &element); i++)
            read_line(json, element);
    }
    json_flag(json, root, "hold", &flag);
    if (json_whole(json, root, "n", false, INT64_MIN, INT64_MAX, &n))
        check_whole(n);
    if (json_text(json, root, "user", true, &text))
        check_text(text);
    if (json->failed)
        CHECK(!json_text(json, root, "user", true, &text) &&
              !json_whole(json, root, "n", true, INT64_MIN, INT64_MAX, &n));
    else
        CHECK(json_has(root, "user"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span body = fuzz_span(data, size);
    struct json json;

    json_read(&json, body);
    check_failure(&json);
    if (!json.failed) {
        CHECK(size == 0 || text_is_utf8(body));
        read_members(&json);
        check_failure(&json);
    }
    json_free(&json);
    if (text_is_utf8(body) && memchr(data, 0, size) == NULL)
        check_text(body);
    return 0;
}
