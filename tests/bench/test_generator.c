/* The generator's pure parts: percentiles, reading answers, and judging them. */
#include "bench/generator/errand.h"
#include "bench/generator/histogram.h"
#include "bench/generator/response.h"
#include "tests/unit/unit.h"

static const struct errand_world world = {
    .show = "hall", .shows = 3, .sold_out = "full", .tier = "A", .seed = 255};

TEST(a_percentile_is_never_below_the_truth_and_at_most_a_64th_above)
{
    static struct histogram h;

    for (int64_t us = 1; us <= 100000; us++)
        histogram_add(&h, us);
    for (int percent = 1; percent <= 100; percent++) {
        uint64_t truth = (uint64_t)percent * 1000;
        uint64_t said = histogram_percentile(&h, percent / 100.0);
        assert_true(said >= truth && said <= truth + truth / 64 + 1);
    }
    assert_int_equal(h.max_us, 100000);
    assert_int_equal(histogram_percentile(&h, 1), 100000);
    assert_true(histogram_mean_us(&h) > 50000 && histogram_mean_us(&h) < 50001);
}

TEST(a_histogram_takes_any_number)
{
    static struct histogram h, sum;

    histogram_add(&h, -5);
    histogram_add(&h, INT64_MAX);
    histogram_merge(&sum, &h);
    assert_int_equal(sum.count, 2);
    assert_int_equal(histogram_percentile(&sum, 0.5), 0);
    assert_int_equal(histogram_percentile(&(struct histogram){0}, 0.5), 0);
}

TEST(an_answer_is_whole_only_when_its_body_is)
{
    static const char text[] = "HTTP/1.1 201 Created\r\nContent-Type: x\r\ncontent-length:  4\r\n"
                               "Connection: close\r\n\r\nbodyNEXT";
    size_t whole = sizeof(text) - 1 - 4, used = 0;
    struct response_seen r;

    for (size_t n = 0; n < whole; n++) {
        struct guarded g = guarded_copy((struct span){text, n});
        assert_int_equal(response_read(g.span, &r, &used), RESPONSE_PART);
        munmap(g.pages, g.size);
    }
    assert_int_equal(response_read(SPAN(text), &r, &used), RESPONSE_WHOLE);
    assert_int_equal(used, whole);
    assert_int_equal(r.status, 201);
    assert_span(r.body, SPAN("body"));
    assert_true(r.close);
    assert_span(response_field(&r, "CONTENT-TYPE"), SPAN("x"));
    assert_null(response_field(&r, "Content").bytes);
}

TEST(what_is_no_answer_is_bad)
{
    static const char *const bad[] = {
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    };
    struct response_seen r;
    size_t used;

    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(response_read(span_of(bad[i]), &r, &used), RESPONSE_BAD);
}

TEST(a_member_is_found_by_its_whole_name)
{
    struct span json = SPAN("{\"id2\":\"x\",\"a\":{\"id\" : \"y\"},\"n\": 12}");

    assert_span(json_member(json, "id"), SPAN("y"));
    assert_span(json_member(json, "n"), SPAN("12"));
    assert_null(json_member(json, "y").bytes);
    assert_null(json_member(SPAN("{\"id\":\"cut"), "id").bytes);
    assert_null(json_member(SPAN(""), "id").bytes);
}

static struct response_seen answer(int status, const char *head, const char *body)
{
    return (struct response_seen){.status = status, .head = span_of(head), .body = span_of(body)};
}

static struct errand errand(enum errand_kind kind)
{
    struct errand e;

    errand_begin(&e, kind, &world, 2, 7, 42);
    return e;
}

TEST(a_request_names_its_show_and_its_user)
{
    struct errand e = errand(ERRAND_DUPLICATE);
    struct buf out;

    buf_init(&out, 4096);
    errand_write(&e, &world, "h:1", &out);
    assert_string_equal(buf_text(&out),
                        "POST /v1/shows/hall-2/bookings HTTP/1.1\r\nHost: h:1\r\n"
                        "Idempotency-Key: sff-7-42\r\nContent-Type: application/json\r\n"
                        "Content-Length: 43\r\n\r\n"
                        "{\"user\":\"sff-7-42\",\"tier\":\"A\",\"quantity\":1}");
    buf_free(&out);
}

#define BOOKED(user, status)                                                                       \
    "{\"id\":\"b1\",\"user\":\"" user "\",\"quantity\":1,\"status\":\"" status "\"}"

TEST(a_booking_is_right_only_if_it_is_what_was_asked_for)
{
    static const struct {
        int status;
        enum verdict verdict;
        const char *head, *body;
    } rows[] = {
        {201, VERDICT_DONE, "\r\n", BOOKED("sff-7-42", "CONFIRMED")},
        {200, VERDICT_WRONG, "\r\n", BOOKED("sff-7-42", "CONFIRMED")},
        {201, VERDICT_WRONG, "\r\n", BOOKED("sff-7-43", "CONFIRMED")},
        {201, VERDICT_WRONG, "\r\n", BOOKED("sff-7-42", "HELD")},
        {201, VERDICT_WRONG, "\r\n",
         "{\"user\":\"sff-7-42\",\"quantity\":1,\"status\":\"CONFIRMED\"}"},
        {409, VERDICT_REFUSED, "\r\n", "{\"code\":\"SOLD_OUT\"}"},
        {409, VERDICT_WRONG, "\r\n", "{\"code\":\"ALREADY_BOOKED\"}"},
        {503, VERDICT_BUSY, "\r\nRetry-After: 1\r\n", ""},
        {503, VERDICT_WRONG, "\r\n", ""},
        {202, VERDICT_QUEUED, "\r\n", ""},
        {504, VERDICT_TIMED_OUT, "\r\n", "{\"code\":\"TIMED_OUT\"}"},
        {500, VERDICT_WRONG, "\r\n", ""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct errand e = errand(ERRAND_BOOK);
        struct response_seen r = answer(rows[i].status, rows[i].head, rows[i].body);
        assert_int_equal(errand_check(&e, &r), rows[i].verdict);
    }
}

TEST(a_confirmation_must_be_of_the_same_booking)
{
    struct errand e = errand(ERRAND_HOLD_CONFIRM);
    struct response_seen held = answer(201, "\r\n", BOOKED("sff-7-42", "HELD"));
    struct response_seen right = answer(200, "\r\n", BOOKED("sff-7-42", "CONFIRMED"));
    struct response_seen other =
        answer(200, "\r\n",
               "{\"id\":\"b2\",\"user\":\"sff-7-42\",\"quantity\":1,\"status\":\"CONFIRMED\"}");

    assert_int_equal(errand_check(&e, &held), VERDICT_DONE);
    assert_true(errand_advance(&e));
    assert_int_equal(errand_check(&e, &other), VERDICT_WRONG);
    assert_int_equal(errand_check(&e, &right), VERDICT_DONE);
    assert_false(errand_advance(&e));
}

TEST(a_repetition_must_be_the_first_answer_byte_for_byte)
{
    static const char body[] = BOOKED("sff-7-42", "CONFIRMED");
    struct errand e = errand(ERRAND_DUPLICATE);
    struct response_seen first = answer(201, "\r\n", body);
    struct response_seen again = answer(201, "\r\nIdempotent-Replayed: true\r\n", body);
    struct response_seen unmarked = answer(201, "\r\n", body);
    struct response_seen changed =
        answer(201, "\r\nIdempotent-Replayed: true\r\n", BOOKED("sff-7-42", "CONFIRMED") " ");

    assert_int_equal(errand_check(&e, &first), VERDICT_DONE);
    assert_true(errand_advance(&e));
    assert_int_equal(errand_check(&e, &unmarked), VERDICT_WRONG);
    assert_int_equal(errand_check(&e, &changed), VERDICT_WRONG);
    assert_int_equal(errand_check(&e, &again), VERDICT_DONE);
}

int main(void)
{
    return RUN(cmocka_unit_test(a_percentile_is_never_below_the_truth_and_at_most_a_64th_above),
               cmocka_unit_test(a_histogram_takes_any_number),
               cmocka_unit_test(an_answer_is_whole_only_when_its_body_is),
               cmocka_unit_test(what_is_no_answer_is_bad),
               cmocka_unit_test(a_member_is_found_by_its_whole_name),
               cmocka_unit_test(a_request_names_its_show_and_its_user),
               cmocka_unit_test(a_booking_is_right_only_if_it_is_what_was_asked_for),
               cmocka_unit_test(a_confirmation_must_be_of_the_same_booking),
               cmocka_unit_test(a_repetition_must_be_the_first_answer_byte_for_byte));
}
