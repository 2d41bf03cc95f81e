/*
 * What stands in heads, paths and queries. The first byte says what the rest is read as. What is
 * read, written down and read again is the same.
 */
#include "gateway/fields.h"

#include "base/clock.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"
#include "trace/context.h"

static void check_key(struct span field)
{
    struct idempotency_key key, again;
    struct buf quoted;

    if (!idempotency_key_read(field, &key))
        return;
    CHECK(key.len >= 1 && key.len <= KEY_BYTES_MAX);
    buf_init(&quoted, 4096);
    buf_puts(&quoted, " \"");
    for (size_t i = 0; i < key.len; i++) {
        CHECK(key.text[i] >= ' ' && key.text[i] <= '~');
        if (key.text[i] == '"' || key.text[i] == '\\')
            buf_putc(&quoted, '\\');
        buf_putc(&quoted, key.text[i]);
    }
    buf_puts(&quoted, "\"\t");
    CHECK(idempotency_key_read(buf_span(&quoted), &again));
    CHECK(again.len == key.len && memcmp(again.text, key.text, key.len) == 0);
    buf_free(&quoted);
}

static void check_preference(struct span field)
{
    struct preference p = {0}, again = {0};
    char text[PREFERENCE_BYTES];

    preference_read(&p, field);
    CHECK(p.wait_s >= 0 && p.wait_s <= WAIT_SECONDS_MAX && (p.has_wait || p.wait_s == 0));
    preference_format(&p, text);
    preference_read(&again, span_of(text));
    CHECK(p.respond_async == again.respond_async && p.has_wait == again.has_wait);
    CHECK(p.wait_s == again.wait_s);
}

static void put_percent(struct buf *b, struct span text, bool plus_is_space)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.bytes[i] == ' ' && plus_is_space)
            buf_putc(b, '+');
        else
            buf_putf(b, "%%%02X", (unsigned char)text.bytes[i]);
    }
}

static void check_percent(struct span raw, bool plus_is_space)
{
    char text[512], again[512];
    size_t len, len_again;
    struct buf encoded;

    if (!percent_decode(raw, plus_is_space, text, sizeof text, &len))
        return;
    CHECK(len <= raw.len && len <= sizeof text);
    buf_init(&encoded, 4096);
    put_percent(&encoded, (struct span){text, len}, plus_is_space);
    CHECK(percent_decode(buf_span(&encoded), plus_is_space, again, sizeof again, &len_again));
    CHECK(len == len_again && memcmp(text, again, len) == 0);
    if (len > 0)
        CHECK(!percent_decode(buf_span(&encoded), plus_is_space, again, len - 1, &len_again));
    buf_free(&encoded);
}

/* A parameter is found behind whatever else there is, unless that has one of its name. */
static void check_query(struct span query)
{
    char text[512];
    size_t len;
    struct buf longer;
    enum query_found found = query_value(query, "q", text, sizeof text, &len);

    buf_init(&longer, 1 << 20);
    buf_put(&longer, query.bytes, query.len);
    buf_puts(&longer, "&q=a%20b+c");
    if (found == QUERY_ABSENT) {
        CHECK(query_value(buf_span(&longer), "q", text, sizeof text, &len) == QUERY_FOUND);
        CHECK(span_is((struct span){text, len}, "a b c"));
    } else {
        char again[512];
        size_t len_again;
        CHECK(query_value(buf_span(&longer), "q", again, sizeof again, &len_again) == found);
        if (found == QUERY_FOUND)
            CHECK(len == len_again && memcmp(text, again, len) == 0);
    }
    buf_free(&longer);
}

static void check_time(struct span text)
{
    int64_t ms, again;
    char formatted[CLOCK_TEXT_BYTES];

    if (!time_read(text, &ms))
        return;
    for (size_t i = 0; i < text.len; i++)
        CHECK(text.bytes[i] != '\0' && strchr("0123456789-:.+TtZz ", text.bytes[i]) != NULL);
    /* Years beyond 9999 come of an offset, and cannot be written. */
    if (ms < 0 || ms > INT64_C(253402300799999))
        return;
    clock_format(ms, formatted);
    CHECK(time_read(span_of(formatted), &again) && again == ms);
}

static void check_trace(struct span field)
{
    uint64_t random[3] = {field.len, field.len << 8, 0};
    char text[TRACE_BYTES_MAX + 1];
    struct trace_context read, again;

    if (trace_context_read(field, &read)) {
        struct span begin = {field.bytes, TRACE_BYTES_MAX};

        CHECK(field.len >= begin.len && !text_has_control(begin) && text_is_utf8(begin));
        CHECK(read.is_sampled == trace_is_sampled(begin));
        trace_context_write(&read, text);
        CHECK(memcmp(text, "00-", 3) == 0 && memcmp(text + 2, begin.bytes + 2, begin.len - 4) == 0);
        trace_context_pass(field, &read, text);
        CHECK(trace_context_read(span_of(text), &again) && memcmp(&read, &again, sizeof read) == 0);
    }
    read = trace_context_begin(random, field.len % 2 != 0);
    read = trace_context_child(&read, field.len);
    trace_context_write(&read, text);
    CHECK(trace_context_read(span_of(text), &again) && memcmp(&read, &again, sizeof read) == 0);
}

static void check_etag(struct span field)
{
    const struct span tag = SPAN("\"v42\"");
    struct buf list;

    etag_matches(field, tag);
    media_is_json(field);
    /* A tag in a list is found, whatever whole tags stand before it. */
    buf_init(&list, 1 << 20);
    buf_puts(&list, "\"x\", W/\"y\" ,");
    if (memchr(field.bytes, '"', field.len) == NULL &&
        memchr(field.bytes, ',', field.len) == NULL) {
        buf_puts(&list, "\"");
        buf_put(&list, field.bytes, field.len);
        buf_puts(&list, field.len > 0 && field.bytes[field.len - 1] == '\\' ? "x\"," : "\",");
    }
    buf_puts(&list, " W/\"v42\"");
    CHECK(etag_matches(buf_span(&list), tag));
    buf_free(&list);
}

static void check_origin(struct span list)
{
    struct buf longer;

    buf_init(&longer, 1 << 20);
    buf_put(&longer, list.bytes, list.len);
    buf_puts(&longer, ", https://box.example");
    CHECK(origin_is_allowed(buf_span(&longer), SPAN("https://box.example")));
    if (origin_is_allowed(list, SPAN("https://box.example")))
        CHECK(memchr(list.bytes, '*', list.len) != NULL || list.len >= 19);
    buf_free(&longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);

    if (size == 0)
        return 0;
    switch (fuzz_take_byte(&input) % 9) {
    case 0:
        check_key(input);
        break;
    case 1:
        check_preference(input);
        break;
    case 2:
        check_percent(input, false);
        break;
    case 3:
        check_percent(input, true);
        break;
    case 4:
        check_query(input);
        break;
    case 5:
        check_time(input);
        break;
    case 6:
        check_trace(input);
        break;
    case 7:
        check_etag(input);
        break;
    case 8:
        check_origin(input);
        break;
    }
    return 0;
}
