#include "tests/unit/unit.h"
#include "trace/record.h"

#define IDS "{\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":\"00f067aa0ba902b7\","

static struct trace_record a_record(void)
{
    struct trace_record r = {.kind = TRACE_SERVER,
                             .name = "POST /book",
                             .begin_us = 1777836600000001,
                             .end_us = 1777836600000250};

    trace_context_read(SPAN("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), &r.context);
    return r;
}

static void assert_encoded(const struct trace_record *r, const char *want)
{
    struct buf out;

    buf_init(&out, TRACE_RECORD_BYTES_MAX);
    trace_encode(&out, r);
    assert_string_equal(buf_text(&out), want);
    buf_free(&out);
}

TEST(a_span_is_what_the_protocol_says)
{
    struct trace_record r = a_record();

    assert_encoded(&r, IDS "\"flags\":257,\"name\":\"POST /book\",\"kind\":2,"
                           "\"startTimeUnixNano\":\"1777836600000001000\","
                           "\"endTimeUnixNano\":\"1777836600000250000\","
                           "\"attributes\":[],\"status\":{}}");
    memset(r.parent, 0xab, sizeof r.parent);
    r.is_error = true;
    trace_put_text(&r, "http.route", SPAN("/book"));
    trace_put_text(&r, "left.out", SPAN(""));
    trace_put_number(&r, "http.response.status_code", 503);
    trace_put_number(&r, "least", INT64_MIN);
    assert_encoded(&r,
                   IDS "\"parentSpanId\":\"abababababababab\",\"flags\":769,"
                       "\"name\":\"POST /book\",\"kind\":2,"
                       "\"startTimeUnixNano\":\"1777836600000001000\","
                       "\"endTimeUnixNano\":\"1777836600000250000\",\"attributes\":["
                       "{\"key\":\"http.route\",\"value\":{\"stringValue\":\"/book\"}},"
                       "{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"503\"}},"
                       "{\"key\":\"least\",\"value\":{\"intValue\":\"-9223372036854775808\"}}],"
                       "\"status\":{\"code\":2}}");
    r.kind = TRACE_INTERNAL; /* its parent is not another process */
    r.attributes = 0;
    r.end_us = 5; /* a clock that was set back */
    assert_encoded(&r, IDS "\"parentSpanId\":\"abababababababab\",\"flags\":257,"
                           "\"name\":\"POST /book\",\"kind\":1,"
                           "\"startTimeUnixNano\":\"1777836600000001000\","
                           "\"endTimeUnixNano\":\"1777836600000001000\","
                           "\"attributes\":[],\"status\":{\"code\":2}}");
}

TEST(a_value_cannot_break_out_and_is_bounded)
{
    struct trace_record r = a_record();
    char longest[4096];
    struct buf out;

    trace_put_text(&r, "a", SPAN("\"},{\"key\":\n\xff\\"));
    buf_init(&out, TRACE_RECORD_BYTES_MAX);
    trace_encode(&out, &r);
    assert_non_null(strstr(buf_text(&out), "\"\\\"},{\\\"key\\\":\\u000a\\ufffd\\\\\"}}"));
    memset(longest, '\n', sizeof longest);
    for (size_t i = 0; i < 2 * TRACE_ATTRIBUTES_MAX; i++)
        trace_put_text(&r, "usher.attribute", (struct span){longest, sizeof longest});
    assert_int_equal(r.attributes, TRACE_ATTRIBUTES_MAX);
    buf_reset(&out);
    trace_encode(&out, &r);
    assert_false(out.failed);
    buf_free(&out);
}

TEST(what_stands_around_them_is_whole)
{
    struct buf out;

    buf_init(&out, TRACE_RECORD_BYTES_MAX);
    trace_encode_head(&out, "usher-gateway", "gw \"1\"", "1.2.3");
    buf_puts(&out, "SPANS");
    trace_encode_tail(&out);
    assert_string_equal(
        buf_text(&out),
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
        "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"usher-gateway\"}},"
        "{\"key\":\"service.namespace\",\"value\":{\"stringValue\":\"usher\"}},"
        "{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"gw \\\"1\\\"\"}},"
        "{\"key\":\"service.version\",\"value\":{\"stringValue\":\"1.2.3\"}}]},"
        "\"scopeSpans\":[{\"scope\":{\"name\":\"usher\",\"version\":\"1.2.3\"},\"spans\":["
        "SPANS]}]}]}");
    buf_free(&out);
}

int main(void)
{
    return RUN(cmocka_unit_test(a_span_is_what_the_protocol_says),
               cmocka_unit_test(a_value_cannot_break_out_and_is_bounded),
               cmocka_unit_test(what_stands_around_them_is_whole));
}
