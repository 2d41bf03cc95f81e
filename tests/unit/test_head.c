#include "base/bounds.h"
#include "http/head.h"
#include "http/parser.h"
#include "tests/unit/unit.h"

#define HOST "Host: a\r\n"

struct good {
    struct span bytes;
    struct head want; /* len, status and why are not looked at */
};

static const struct good good[] = {
    {BYTES("GET / HTTP/1.1\r\n" HOST "\r\n"),
     {.method = METHOD_GET, .method_len = 3, .minor = 1, .fields = 1}},
    {BYTES("GET / HTTP/1.0\r\n\r\n"), {.method = METHOD_GET, .method_len = 3}},
    {BYTES("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"),
     {.skipped = 2, .method = METHOD_GET, .method_len = 3, .minor = 1, .fields = 1}},
    {BYTES("HEAD /a%20b?c=d&e=[f]|{g}^`\"<>\\ HTTP/1.1\r\nhOsT: a\r\n\r\n"),
     {.method = METHOD_HEAD, .method_len = 4, .minor = 1, .fields = 1}},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\n"),
     {.method = METHOD_POST,
      .method_len = 4,
      .minor = 1,
      .fields = 2,
      .has_length = true,
      .content_length = 12}},
    {BYTES("POST / HTTP/1.1\r\nContent-Length:  0012 \r\n" HOST "\r\n"),
     {.method = METHOD_POST,
      .method_len = 4,
      .minor = 1,
      .fields = 2,
      .has_length = true,
      .content_length = 12}},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775807\r\n\r\n"),
     {.method = METHOD_POST,
      .method_len = 4,
      .minor = 1,
      .fields = 2,
      .has_length = true,
      .content_length = INT64_MAX}},
    {BYTES("PUT / HTTP/1.1\r\n" HOST "transfer-encoding:chunked\r\n\r\n"),
     {.method = METHOD_PUT, .method_len = 3, .minor = 1, .fields = 2, .chunked = true}},
    {BYTES("PATCH / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n"),
     {.method = METHOD_PATCH,
      .method_len = 5,
      .minor = 1,
      .fields = 3,
      .has_length = true,
      .content_length = 1,
      .expects_continue = true}},
    {BYTES("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"),
     {.method = METHOD_POST, .method_len = 4, .fields = 1}},
    {BYTES("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"),
     {.method = METHOD_OPTIONS, .method_len = 7, .minor = 1, .fields = 1}},
    {BYTES("DELETE http://a:80/b?c HTTP/1.1\r\nHost: a:80\r\n\r\n"),
     {.method = METHOD_DELETE, .method_len = 6, .minor = 1, .fields = 1}},
    {BYTES("GET HTTPS://[::1]?c HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"),
     {.method = METHOD_GET, .method_len = 3, .minor = 1, .fields = 1}},
    {BYTES("BREW / HTTP/1.1\r\nHost:\r\n\r\n"), /* an empty Host is a Host */
     {.method = METHOD_UNKNOWN, .method_len = 4, .minor = 1, .fields = 1}},
    {BYTES("get / HTTP/1.1\r\n" HOST "\r\n"), /* methods have their case */
     {.method = METHOD_UNKNOWN, .method_len = 3, .minor = 1, .fields = 1}},
    {BYTES("GET / HTTP/1.1\r\n" HOST "X: a\tb \xe9\x80\xff c\r\nX:\r\n!#$%&'*+-.^_`|~0: y\r\n\r\n"),
     {.method = METHOD_GET, .method_len = 3, .minor = 1, .fields = 4}},
    {BYTES("GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
     {.method = METHOD_GET, .method_len = 3, .minor = 1, .fields = 3}},
};

static void is_incomplete(struct span prefix)
{
    struct head head;

    assert_int_equal(head_scan(prefix, &head), HEAD_INCOMPLETE);
}

TEST(a_good_head_is_complete_and_its_prefixes_are_not)
{
    for (size_t i = 0; i < COUNT(good); i++) {
        const struct head *want = &good[i].want;
        struct guarded g = guarded_copy(good[i].bytes);
        struct head got;

        assert_int_equal(head_scan(g.span, &got), HEAD_COMPLETE);
        assert_int_equal(got.len, g.span.len);
        assert_int_equal(got.skipped, want->skipped);
        assert_int_equal(got.method, want->method);
        assert_int_equal(got.method_len, want->method_len);
        assert_int_equal(got.minor, want->minor);
        assert_int_equal(got.fields, want->fields);
        assert_int_equal(got.chunked, want->chunked);
        assert_int_equal(got.has_length, want->has_length);
        assert_true(got.content_length == want->content_length);
        assert_int_equal(got.expects_continue, want->expects_continue);
        guarded_free(&g);
        each_prefix(good[i].bytes, is_incomplete);
    }
}

TEST(what_follows_a_head_is_not_looked_at)
{
    struct span two = BYTES("GET / HTTP/1.1\r\n" HOST "\r\n\x00\x01\x02 anything");
    struct head head;

    assert_int_equal(head_scan(two, &head), HEAD_COMPLETE);
    assert_int_equal(head.len, strlen("GET / HTTP/1.1\r\n" HOST "\r\n"));
}

TEST(http_parser_takes_what_the_scan_takes_and_ends_where_it_ends)
{
    for (size_t i = 0; i < COUNT(good); i++) {
        struct span head = good[i].bytes;
        struct parser_result parsed;

        head.bytes += good[i].want.skipped;
        head.len -= good[i].want.skipped;
        struct guarded g = guarded_copy(head);
        if (!parser_read(g.span, good[i].want.method_len, &parsed))
            fail_msg("row %zu: %.60s", i, head.bytes);
        assert_int_equal(parsed.count, good[i].want.fields);
        guarded_free(&g);
    }
}

TEST(http_parser_finds_target_and_fields)
{
    struct span head = BYTES("BREW /a?b HTTP/1.1\r\nHost:  a \r\nX:\r\nY: c \t d\t\r\n\r\n");
    struct parser_result parsed;

    assert_true(parser_read(head, 4, &parsed));
    assert_span(((struct span){head.bytes + parsed.target_at, parsed.target_len}), BYTES("/a?b"));
    static const struct span want[][2] = {
        {BYTES("Host"), BYTES("a")}, {BYTES("X"), BYTES("")}, {BYTES("Y"), BYTES("c \t d")}};
    assert_int_equal(parsed.count, COUNT(want));
    for (size_t i = 0; i < COUNT(want); i++) {
        const struct parser_field *f = &parsed.field[i];

        assert_span(((struct span){head.bytes + f->name_at, f->name_len}), want[i][0]);
        assert_span(((struct span){head.bytes + f->value_at, f->value_len}), want[i][1]);
    }
}

TEST(who_may_stay_is_said_by_version_and_connection)
{
    static const struct {
        struct span head;
        bool stays;
    } rows[] = {
        {BYTES("GET / HTTP/1.1\r\n" HOST "\r\n"), true},
        {BYTES("GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"), false},
        {BYTES("GET / HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n"), false},
        {BYTES("GET / HTTP/1.0\r\n\r\n"), false},
        {BYTES("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), true},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parser_result parsed;

        assert_true(parser_read(rows[i].head, 3, &parsed));
        assert_int_equal(parsed.keep_alive, rows[i].stays);
    }
}

static const struct {
    struct span bytes;
    int status;
} wrong[] = {
    /* the request line */
    {BYTES("\n"), 400},
    {BYTES("\r\r"), 400},
    {BYTES("\r\n\r\n"), 400},
    {BYTES(" GET / HTTP/1.1\r\n"), 400},
    {BYTES("GET  / HTTP/1.1\r\n"), 400},
    {BYTES("GET\t/ HTTP/1.1\r\n"), 400},
    {BYTES("GET /\tHTTP/1.1\r\n"), 400},
    {BYTES("GET /  HTTP/1.1\r\n"), 400},
    {BYTES("GET / HTTP/1.1 \r\n"), 400},
    {BYTES("GET / HTTP/1.1\n"), 400},
    {BYTES("GET / HTTP/1.1\r\r\n"), 400},
    {BYTES("GET /\r\n"), 400},
    {BYTES("GET\r\n"), 400},
    {BYTES("GET / \r\n"), 400},
    {BYTES("GET / http/1.1\r\n"), 400},
    {BYTES("GET / HTTP/11\r\n"), 400},
    {BYTES("GET / HTTP/1.10\r\n"), 400},
    {BYTES("GET / HTTP/1,1\r\n"), 400},
    {BYTES("GET / HTTPS/1.1\r\n"), 400},
    {BYTES("GET / HTTP/0.9\r\n"), 505},
    {BYTES("GET / HTTP/1.2\r\n"), 505},
    {BYTES("GET / HTTP/2.0\r\n"), 505},
    {BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400}, /* "*" is for OPTIONS */
    {BYTES("G\0T / HTTP/1.1\r\n"), 400},
    {BYTES("G(T / HTTP/1.1\r\n"), 400},
    {BYTES("\x16\x03\x01\x02\x00\x01"), 400}, /* TLS */
    {BYTES("\xc3\x9c / HTTP/1.1\r\n"), 400},
    {BYTES("CONNECT a:80 HTTP/1.1\r\n"), 501},
    /* the target */
    {BYTES("GET a HTTP/1.1\r\n"), 400},
    {BYTES("GET * HTTP/1.1\r\n"), 400},
    {BYTES("OPTIONS *a HTTP/1.1\r\n"), 400},
    {BYTES("GET /a#b HTTP/1.1\r\n"), 400},
    {BYTES("GET /\0 HTTP/1.1\r\n"), 400},
    {BYTES("GET /\x7f HTTP/1.1\r\n"), 400},
    {BYTES("GET /\xc3\x9c HTTP/1.1\r\n"), 400},
    {BYTES("GET ftp://a/ HTTP/1.1\r\n"), 400},
    {BYTES("GET http:// HTTP/1.1\r\n"), 400},
    {BYTES("GET http:///a HTTP/1.1\r\n"), 400},
    {BYTES("GET http://:80/ HTTP/1.1\r\n"), 400},
    {BYTES("GET http://a@b/ HTTP/1.1\r\n"), 400},
    {BYTES("GET http://a:b/ HTTP/1.1\r\n"), 400},
    {BYTES("GET http:/a HTTP/1.1\r\n"), 400},
    /* fields */
    {BYTES("GET / HTTP/1.1\r\n" HOST "X : a\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "X\t: a\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST ": a\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "X\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "X(: a\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "\xc3\x9c: a\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "X: a\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n"), 400}, /* folding */
    {BYTES("GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n Host: a\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "\r\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST "\n"), 400},
    {BYTES("GET / HTTP/1.1\n" HOST "\r\n"), 400},
    /* Host */
    {BYTES("GET / HTTP/1.1\r\n\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\n" HOST HOST "\r\n"), 400},
    {BYTES("GET / HTTP/1.0\r\n" HOST "host: b\r\n\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\nHost: a b\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\nHost: a/b\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\nHost: a@b\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\nHost: a:b\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\nHost: [a\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\nHost: []\r\n"), 400},
    {BYTES("GET / HTTP/1.1\r\nHost: [::1]x\r\n"), 400},
    /* where the body ends: what smuggles requests */
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\ncontent-length: 2\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 1 1\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 1.0\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n"), 413},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n"), 413},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 9999999999999999999999x\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length : 1\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
     400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"),
     400},
    {BYTES("POST / HTTP/1.1\r\n" HOST
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
     400},
    {BYTES("POST / HTTP/1.1\r\n" HOST
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
     400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked;\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
           "chunked\r\n"),
     400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\x0b\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding\r\n : chunked\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n"), 400},
    {BYTES("POST / HTTP/1.1\r\n" HOST "X: y\nTransfer-Encoding: chunked\r\n"), 400},
    {BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"), 400},
    /* Expect */
    {BYTES("POST / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n"), 417},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Expect: 100-continue, x\r\n"), 417},
};

TEST(what_is_wrong_is_refused_with_a_status_and_a_sentence)
{
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct guarded g = guarded_copy(wrong[i].bytes);
        struct head head;
        enum head_verdict verdict = head_scan(g.span, &head);

        if (verdict != HEAD_BAD || head.status != wrong[i].status)
            fail_msg("row %zu: verdict %d, status %d: %.60s", i, (int)verdict, head.status,
                     wrong[i].bytes.bytes);
        assert_true(strlen(head.why) > 0);
        guarded_free(&g);
    }
}

TEST(a_wrong_byte_anywhere_makes_a_head_bad)
{
    static const char head[] = "GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    static const char bytes[] = {'\0', '\n', '\r', '\x7f', '\x01', '\x0b', '\x1b'};
    struct head scanned;

    for (size_t at = 0; at < sizeof head - 1; at++) {
        for (size_t b = 0; b < sizeof bytes; b++) {
            char copy[sizeof head];

            memcpy(copy, head, sizeof head);
            if (copy[at] == bytes[b])
                continue;
            copy[at] = bytes[b];
            assert_int_not_equal(head_scan((struct span){copy, sizeof head - 1}, &scanned),
                                 HEAD_COMPLETE);
        }
    }
}

static void put_fill(struct buf *b, char c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_putc(b, c);
}

static enum head_verdict scan(struct buf *b, struct head *head)
{
    struct guarded g = guarded_copy(buf_span(b));
    enum head_verdict verdict = head_scan(g.span, head);

    guarded_free(&g);
    return verdict;
}

TEST(a_head_may_have_its_bytes_and_not_one_more)
{
    static const char before[] = "GET / HTTP/1.1\r\n" HOST "X: ";
    struct buf b;
    struct head head;

    for (size_t over = 0; over < 2; over++) {
        buf_init(&b, HEAD_BYTES_MAX + 1);
        buf_puts(&b, before);
        put_fill(&b, 'x', HEAD_BYTES_MAX - (sizeof before - 1) - 4 + over);
        buf_puts(&b, "\r\n\r\n");
        assert_int_equal(b.len, HEAD_BYTES_MAX + over);
        assert_int_equal(scan(&b, &head), over ? HEAD_BAD : HEAD_COMPLETE);
        assert_int_equal(head.status, over ? 431 : 0);
        buf_free(&b);
    }
}

TEST(a_target_may_have_its_bytes_and_not_one_more)
{
    struct buf b;
    struct head head;

    for (size_t over = 0; over < 2; over++) {
        buf_init(&b, HEAD_BYTES_MAX);
        buf_puts(&b, "GET /");
        put_fill(&b, 'x', TARGET_BYTES_MAX - 1 + over);
        assert_int_equal(scan(&b, &head), over ? HEAD_BAD : HEAD_INCOMPLETE);
        assert_int_equal(head.status, over ? 414 : 0);
        buf_puts(&b, " HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(scan(&b, &head), over ? HEAD_BAD : HEAD_COMPLETE);
        buf_free(&b);
    }
}

TEST(a_head_may_have_its_fields_and_not_one_more)
{
    struct buf b;
    struct head head;

    for (size_t over = 0; over < 2; over++) {
        buf_init(&b, HEAD_BYTES_MAX);
        buf_puts(&b, "GET / HTTP/1.1\r\n" HOST);
        for (size_t i = 1; i < FIELDS_MAX + over; i++)
            buf_puts(&b, "X: y\r\n");
        buf_puts(&b, "\r\n");
        assert_int_equal(scan(&b, &head), over ? HEAD_BAD : HEAD_COMPLETE);
        assert_int_equal(head.status, over ? 431 : 0);
        buf_free(&b);
    }
}

int main(void)
{
    return RUN(cmocka_unit_test(a_good_head_is_complete_and_its_prefixes_are_not),
               cmocka_unit_test(what_follows_a_head_is_not_looked_at),
               cmocka_unit_test(http_parser_takes_what_the_scan_takes_and_ends_where_it_ends),
               cmocka_unit_test(http_parser_finds_target_and_fields),
               cmocka_unit_test(who_may_stay_is_said_by_version_and_connection),
               cmocka_unit_test(what_is_wrong_is_refused_with_a_status_and_a_sentence),
               cmocka_unit_test(a_wrong_byte_anywhere_makes_a_head_bad),
               cmocka_unit_test(a_head_may_have_its_bytes_and_not_one_more),
               cmocka_unit_test(a_target_may_have_its_bytes_and_not_one_more),
               cmocka_unit_test(a_head_may_have_its_fields_and_not_one_more));
}
