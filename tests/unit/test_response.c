#include "http/response.h"
#include "tests/unit/unit.h"

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define HEAD_BYTES_MAX_HERE 1024

static void check(const struct response *response, enum response_connection connection,
                  const char *want)
{
    struct response_date date = {0};
    struct buf out;

    response_date_set(&date, 784111777);
    buf_init(&out, HEAD_BYTES_MAX_HERE);
    response_put_head(&out, response, &date, connection);
    assert_string_equal(buf_text(&out), want);
    buf_free(&out);
}

TEST(a_head_says_what_follows)
{
    check(&(struct response){.status = 200, .content_type = "text/plain", .body = SPAN("ok")},
          RESPONSE_IMPLICIT,
          "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n");
    check(&(struct response){.status = 404, .headers = SPAN("X: a\r\nY: b\r\n")}, RESPONSE_CLOSE,
          "HTTP/1.1 404 Not Found\r\n" DATE
          "Content-Length: 0\r\nConnection: close\r\nX: a\r\nY: b\r\n\r\n");
}

TEST(statuses_without_a_body_have_no_length)
{
    check(&(struct response){.status = 204}, RESPONSE_KEEP_ALIVE,
          "HTTP/1.1 204 No Content\r\n" DATE "Connection: keep-alive\r\n\r\n");
    check(&(struct response){.status = 304, .headers = SPAN("ETag: \"a\"\r\n")}, RESPONSE_IMPLICIT,
          "HTTP/1.1 304 Not Modified\r\n" DATE "ETag: \"a\"\r\n\r\n");
}

TEST(a_status_without_words_is_sent_without)
{
    check(&(struct response){.status = 299}, RESPONSE_IMPLICIT,
          "HTTP/1.1 299 \r\n" DATE "Content-Length: 0\r\n\r\n");
}

TEST(the_date_changes_with_the_second)
{
    struct response_date date = {0};

    response_date_set(&date, 0);
    assert_string_equal(date.line, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
    response_date_set(&date, 951782400);
    assert_string_equal(date.line, "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n");
}

TEST(a_stream_has_no_length)
{
    static const struct {
        int status;
        const char *head;
    } rows[] = {
        {200, "HTTP/1.1 200 OK\r\n" DATE "Connection: close\r\nA: b\r\n\r\n"},
        {101, "HTTP/1.1 101 Switching Protocols\r\n" DATE "A: b\r\n\r\n"},
    };
    struct response_date date = {0};
    struct buf out;

    buf_init(&out, 4096);
    response_date_set(&date, 784111777);
    for (size_t i = 0; i < COUNT(rows); i++) {
        buf_reset(&out);
        response_put_stream_head(
            &out, &(struct response){.status = rows[i].status, .headers = SPAN("A: b\r\n")}, &date);
        assert_string_equal(buf_text(&out), rows[i].head);
    }
    buf_free(&out);
}

static void put_field_without_end(int64_t unused)
{
    (void)unused;
    check(&(struct response){.status = 200, .headers = SPAN("X: a")}, RESPONSE_IMPLICIT, "");
}

TEST(fields_that_do_not_end_are_a_mistake_of_ours)
{
    assert_true(aborts(put_field_without_end, 0));
}

int main(void)
{
    return RUN(cmocka_unit_test(a_head_says_what_follows),
               cmocka_unit_test(statuses_without_a_body_have_no_length),
               cmocka_unit_test(a_status_without_words_is_sent_without),
               cmocka_unit_test(the_date_changes_with_the_second),
               cmocka_unit_test(a_stream_has_no_length),
               cmocka_unit_test(fields_that_do_not_end_are_a_mistake_of_ours));
}
