/* The generator's pure parts: percentiles, reading answers, and judging them. */
#include "bench/generator/errand.h"
#include "bench/generator/histogram.h"
#include "bench/generator/listener.h"
#include "bench/generator/response.h"
#include "bench/generator/seats.h"
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

TEST(a_list_is_what_stands_between_its_brackets)
{
    struct span json = SPAN("{\"seats\" : [ \"A-1\" ],\"n\":1,\"none\":[],\"cut\":[\"x\"");

    assert_span(json_list(json, "seats"), SPAN("\"A-1\""));
    assert_span(json_list(json, "none"), SPAN(""));
    assert_null(json_list(json, "n").bytes);
    assert_null(json_list(json, "cut").bytes);
    assert_null(json_list(json, "no").bytes);
}

TEST(a_pattern_names_every_seat_once)
{
    static const struct {
        const char *text, *first, *second, *last;
        uint32_t count;
    } rows[] = {
        {"{A..J}-{1..10}", "A-1", "A-2", "J-10", 100},
        {"{7..7}", "7", NULL, "7", 1},
        {"S{0..1}R{1..500}-{1..100}!", "S0R1-1!", "S0R1-2!", "S1R500-100!", 100000},
        {"box", "box", NULL, "box", 1},
    };
    char name[SEAT_NAME_BYTES];
    struct seat_pattern p;

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(seat_pattern_read(&p, rows[i].text));
        assert_int_equal(p.count, rows[i].count);
        seat_pattern_name(&p, 0, name);
        assert_string_equal(name, rows[i].first);
        if (rows[i].second != NULL) {
            seat_pattern_name(&p, 1, name);
            assert_string_equal(name, rows[i].second);
        }
        seat_pattern_name(&p, p.count - 1, name);
        assert_string_equal(name, rows[i].last);
    }
}

TEST(what_is_no_pattern_is_refused)
{
    static const char *const bad[] = {
        "",
        "{",
        "{1..}",
        "{..2}",
        "{1..2",
        "{2..1}",
        "{A..b}",
        "{1..Z}",
        "{A..2}",
        "{AB..C}",
        "1}",
        "a\"b",
        "{1-2}",
        "{-1..2}",
        "{1..99999999}",
        "{1..10000}-{1..10000}",
        "{1..2}{1..2}{1..2}{1..2}{1..2}",
        "0123456789012345678901234567890123456789012345678901234567890123",
    };
    struct seat_pattern p;

    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(seat_pattern_read(&p, bad[i]));
}

TEST(every_seat_has_one_turn)
{
    static const char *const patterns[] = {"x", "{1..2}", "{1..3}", "{1..100}", "{1..1597}"};
    struct seat_pattern p;

    for (size_t i = 0; i < COUNT(patterns); i++) {
        bool seen[1597] = {false};
        assert_true(seat_pattern_read(&p, patterns[i]));
        for (uint32_t turn = 0; turn < p.count; turn++) {
            uint32_t seat = seat_pattern_turn(&p, turn);
            assert_true(seat < p.count && !seen[seat]);
            seen[seat] = true;
        }
    }
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

static struct seat_mark marks[3 * 10];

/* At turn 12 of two processes: the third seat in turn, of the second show. */
static struct errand seat_errand(enum errand_kind kind, struct errand_world *hall)
{
    struct errand e;

    *hall = world;
    hall->processes = 2;
    hall->racers = 1;
    hall->mark = marks;
    memset(marks, 0, sizeof(marks));
    assert_true(seat_pattern_read(&hall->seats, "R-{0..9}"));
    errand_begin(&e, kind, hall, 1, 0, 6);
    return e;
}

#define SEAT_HELD(user, seats)                                                                     \
    "{\"id\":\"b1\",\"user\":\"" user "\",\"quantity\":1,\"status\":\"HELD\",\"seats\":" seats "}"
#define TAKEN(code, seats) "{\"code\":\"" code "\",\"conflicts\":" seats "}"

TEST(a_seat_is_asked_for_by_its_id)
{
    struct errand_world hall;
    struct errand e = seat_errand(ERRAND_SEAT, &hall);
    struct buf out;

    buf_init(&out, 4096);
    errand_write(&e, &hall, "h:1", &out);
    assert_string_equal(buf_text(&out),
                        "POST /v1/shows/hall-2/bookings HTTP/1.1\r\nHost: h:1\r\n"
                        "Content-Type: application/json\r\nContent-Length: 46\r\n\r\n"
                        "{\"user\":\"sff-0-6\",\"seats\":[\"R-4\"],\"hold\":true}");
    buf_free(&out);
}

TEST(a_seat_is_right_only_if_it_is_the_one_asked_for)
{
    static const struct {
        int status;
        enum verdict alone, race;
        const char *body;
    } rows[] = {
        {201, VERDICT_DONE, VERDICT_DONE, SEAT_HELD("sff-0-6", "[\"R-4\"]")},
        {201, VERDICT_WRONG, VERDICT_WRONG, SEAT_HELD("sff-0-6", "[\"R-5\"]")},
        {201, VERDICT_WRONG, VERDICT_WRONG, SEAT_HELD("sff-0-6", "[\"R-4\",\"R-5\"]")},
        {201, VERDICT_WRONG, VERDICT_WRONG, SEAT_HELD("sff-0-6", "[]")},
        {201, VERDICT_WRONG, VERDICT_WRONG, SEAT_HELD("sff-0-7", "[\"R-4\"]")},
        {201, VERDICT_WRONG, VERDICT_WRONG, BOOKED("sff-0-6", "HELD")},
        {409, VERDICT_WRONG, VERDICT_REFUSED, TAKEN("SEAT_TAKEN", "[\"R-4\"]")},
        {409, VERDICT_WRONG, VERDICT_WRONG, TAKEN("SEAT_TAKEN", "[\"R-5\"]")},
        {409, VERDICT_WRONG, VERDICT_WRONG, TAKEN("SEAT_TAKEN", "[]")},
        {409, VERDICT_WRONG, VERDICT_WRONG, TAKEN("SOLD_OUT", "[\"R-4\"]")},
        {202, VERDICT_QUEUED, VERDICT_QUEUED, "{}"},
        {500, VERDICT_WRONG, VERDICT_WRONG, "{}"},
    };
    struct errand_world hall;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct response_seen r = answer(rows[i].status, "\r\n", rows[i].body);
        struct errand e = seat_errand(ERRAND_SEAT, &hall);
        assert_int_equal(errand_check(&e, &r), rows[i].alone);
        e = seat_errand(ERRAND_RACE, &hall);
        assert_int_equal(errand_check(&e, &r), rows[i].race);
    }
}

TEST(a_seat_is_granted_once)
{
    struct errand_world hall;
    struct errand e = seat_errand(ERRAND_RACE, &hall);
    struct response_seen held = answer(201, "\r\n", SEAT_HELD("sff-0-6", "[\"R-4\"]"));

    assert_int_equal(errand_check(&e, &held), VERDICT_DONE);
    assert_int_equal(errand_check(&e, &held), VERDICT_WRONG);
}

TEST(a_seat_refused_to_all_is_denied_unless_one_has_no_answer)
{
    struct errand_world hall;
    struct errand e = seat_errand(ERRAND_RACE, &hall);
    struct response_seen taken = answer(409, "\r\n", TAKEN("SEAT_TAKEN", "[\"R-4\"]"));

    assert_int_equal(seat_marks_denied(marks, COUNT(marks)), 0);
    assert_int_equal(errand_check(&e, &taken), VERDICT_REFUSED);
    assert_int_equal(seat_marks_denied(marks, COUNT(marks)), 1);
    errand_abandon(&e);
    assert_int_equal(seat_marks_denied(marks, COUNT(marks)), 0);
}

TEST(racers_go_for_the_same_seat)
{
    struct errand_world hall;
    struct errand e = seat_errand(ERRAND_RACE, &hall), other;

    hall.racers = 4;
    errand_begin(&e, ERRAND_RACE, &hall, 1, 0, 6);
    errand_begin(&other, ERRAND_RACE, &hall, 1, 1, 7);
    assert_string_equal(e.seat, other.seat);
    assert_int_equal(e.show, other.show);
    errand_begin(&other, ERRAND_RACE, &hall, 1, 0, 8);
    assert_string_not_equal(e.seat, other.seat);
}

static struct listener_moments moments;
static int64_t behind[8];
static size_t tellings;

static void on_told(void *context, int64_t behind_us)
{
    assert_null(context);
    behind[tellings++] = behind_us;
}

static bool hears(struct listener *l, struct buf *in, const char *text, int64_t now_us)
{
    buf_puts(in, text);
    return listener_read(l, in, &moments, now_us, on_told, NULL);
}

#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 2000\n\n"
#define EVENT(left, version)                                                                       \
    "id: 1-2\ndata: {\"type\":\"availability\",\"available\":" left ",\"version\":" version        \
    ",\"tiers\":{}}\n\n"

TEST(a_listener_is_behind_from_what_another_was_told_first)
{
    struct listener one = {.has_head = false}, other = {.has_head = false};
    struct buf in[2];

    buf_init(&in[0], 16384);
    buf_init(&in[1], 16384);
    assert_true(hears(&one, &in[0], STREAM EVENT("9", "10"), 1000));
    assert_true(hears(&other, &in[1], STREAM EVENT("9", "10"), 1000));
    assert_true(hears(&one, &in[0], EVENT("8", "11") EVENT("7", "12"), 2000));
    assert_true(hears(&one, &in[0], EVENT("6", "15"), 3000));
    assert_true(hears(&other, &in[1], EVENT("6", "15"), 3500)); /* has missed 11, of 2000 */
    assert_int_equal(tellings, 6);
    assert_memory_equal(behind, ((int64_t[]){-1, -1, 0, 0, 0, 1500}), 6 * sizeof behind[0]);
    assert_true(other.version == 15 && other.available == 6 && !other.is_over);
    assert_true(hears(&other, &in[1],
                      "id: x\ndata: {\"type\":\"sale\",\"state\":\"sold_out\"}\n\n:\n\n", 4000));
    assert_true(other.is_over && in[1].len == 0 && tellings == 6);
    buf_free(&in[0]);
    buf_free(&in[1]);
}

TEST(events_may_come_in_pieces)
{
    static const char text[] = STREAM EVENT("9", "3") ":\n\n" EVENT("8", "4");
    struct listener l = {.has_head = false};
    struct buf in;

    tellings = 0;
    buf_init(&in, 16384);
    for (size_t i = 0; text[i] != '\0'; i++)
        assert_true(hears(&l, &in, (char[]){text[i], '\0'}, 5000));
    assert_true(tellings == 2 && l.version == 4 && l.available == 8 && in.len == 0);
    buf_free(&in);
}

TEST(what_is_no_stream_is_bad)
{
    static const char *const wrong[] = {
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
        STREAM "data: {\"type\":\"availability\",\"available\":3}\n\n",
    };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct listener l = {.has_head = false};
        struct buf in;

        buf_init(&in, 16384);
        assert_false(hears(&l, &in, wrong[i], 1));
        buf_free(&in);
    }
}

int main(void)
{
    return RUN(
        cmocka_unit_test(a_percentile_is_never_below_the_truth_and_at_most_a_64th_above),
        cmocka_unit_test(a_histogram_takes_any_number),
        cmocka_unit_test(an_answer_is_whole_only_when_its_body_is),
        cmocka_unit_test(what_is_no_answer_is_bad),
        cmocka_unit_test(a_member_is_found_by_its_whole_name),
        cmocka_unit_test(a_request_names_its_show_and_its_user),
        cmocka_unit_test(a_booking_is_right_only_if_it_is_what_was_asked_for),
        cmocka_unit_test(a_confirmation_must_be_of_the_same_booking),
        cmocka_unit_test(a_repetition_must_be_the_first_answer_byte_for_byte),
        cmocka_unit_test(a_list_is_what_stands_between_its_brackets),
        cmocka_unit_test(a_pattern_names_every_seat_once),
        cmocka_unit_test(what_is_no_pattern_is_refused), cmocka_unit_test(every_seat_has_one_turn),
        cmocka_unit_test(a_seat_is_asked_for_by_its_id),
        cmocka_unit_test(a_seat_is_right_only_if_it_is_the_one_asked_for),
        cmocka_unit_test(a_seat_is_granted_once),
        cmocka_unit_test(a_seat_refused_to_all_is_denied_unless_one_has_no_answer),
        cmocka_unit_test(racers_go_for_the_same_seat),
        cmocka_unit_test(a_listener_is_behind_from_what_another_was_told_first),
        cmocka_unit_test(events_may_come_in_pieces), cmocka_unit_test(what_is_no_stream_is_bad));
}
