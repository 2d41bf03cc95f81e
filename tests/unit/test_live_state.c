#include <stdio.h>

#include "base/seats.h"
#include "gateway/live_state.h"
#include "tests/unit/unit.h"

#define NOW_MS 1903960700000

static struct tier tiers[] = {
    {.number = 1, .code = "VIP", .price = 10000, .capacity = 4, .available = 4},
    {.number = 2, .code = "S\"", .price = 2550, .capacity = 10, .available = 10},
};
static struct show show = {
    .number = 7, .slug = "gala", .state = "open", .currency = "USD", .tiers = 2, .tier = tiers};
static struct availability record = {
    .show = 7, .version = 41, .tiers = 2, .tier = {{1, 4, 3, 0, 1, 0}, {2, 10, 0, 6, 4, 0}}};

static struct live_state s;
static struct buf out;

static int set_up(void **state)
{
    (void)state;
    live_state_init(&s);
    buf_init(&out, LIVE_BURST_BYTES_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    live_state_free(&s);
    buf_free(&out);
    return 0;
}

/* What who has seen this is told, as text; `events` of them. */
static const char *told(const struct live_way *way, struct live_seen *seen, size_t events)
{
    buf_reset(&out);
    assert_int_equal(live_state_is_seen(&s, way, seen), events == 0);
    assert_int_equal(live_state_put(&s, &show, way, seen, &out), events);
    assert_true(live_state_is_seen(&s, way, seen));
    assert_false(out.failed);
    return buf_text(&out);
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

TEST(availability_is_told_once)
{
    struct live_seen seen = {0};

    assert_true(live_state_set_counts(&s, &show, &record, NOW_MS));
    assert_false(live_state_set_counts(&s, &show, &record, NOW_MS));
    const char *text = told(&live_as_sse, &seen, 1);
    assert_true(has(text,
                    "data: {\"type\":\"availability\",\"available\":3,\"show\":\"gala\","
                    "\"show_id\":7,\"version\":41,\"tiers\":{\"VIP\":{\"price\":10000,"
                    "\"currency\":\"USD\",\"capacity\":4,\"available\":3,\"held\":0,\"booked\":1,"
                    "\"blocked\":0},\"S\\\"\":{\"price\":2550,\"currency\":\"USD\",\"capacity\":10,"
                    "\"available\":0,\"held\":6,\"booked\":4,\"blocked\":0}}}\n\n"));
    assert_memory_equal(text, "id: 0-", 6);
    told(&live_as_sse, &seen, 0);
}

TEST(only_the_newest_is_told)
{
    struct live_seen seen = {0};
    struct availability a = record;

    live_state_set_counts(&s, &show, &a, NOW_MS);
    told(&live_as_sse, &seen, 1);
    for (a.version = 50; a.version < 60; a.version++)
        assert_true(live_state_set_counts(&s, &show, &a, NOW_MS));
    assert_true(has(told(&live_as_sse, &seen, 1), "\"version\":59,"));
}

TEST(the_seeds_hear_of_numbers_alone)
{
    struct live_seen seen = {0};
    struct availability a = record;

    live_state_set_counts(&s, &show, &a, NOW_MS);
    live_state_set_sale(&s, &show, &a, NOW_MS);
    assert_true(has(told(&live_as_seeds_sse, &seen, 1),
                    "\ndata: {\"type\":\"availability\",\"available\":3}\n\n"));
    a.version++;
    assert_true(live_state_set_counts(&s, &show, &a, NOW_MS));
    told(&live_as_seeds_sse, &seen, 0);
    a.tier[0].available--;
    live_state_set_counts(&s, &show, &a, NOW_MS);
    assert_true(has(told(&live_as_seeds_sse, &seen, 1), "\"available\":2}"));
}

TEST(a_sale_has_one_word)
{
    struct show other = show;
    struct availability none = record;

    none.tier[0].available = 0;
    assert_string_equal(live_sale_word(&other, &record, NOW_MS), "opened");
    assert_string_equal(live_sale_word(&other, &none, NOW_MS), "sold_out");
    other.opens_ms = NOW_MS + 1;
    assert_string_equal(live_sale_word(&other, &none, NOW_MS), "not_opened");
    assert_string_equal(live_sale_word(&other, &none, NOW_MS + 1), "sold_out");
    other.closes_ms = NOW_MS + 5;
    assert_string_equal(live_sale_word(&other, &record, NOW_MS + 4), "opened");
    assert_string_equal(live_sale_word(&other, &record, NOW_MS + 5), "closed");
    strcpy(other.state, "draft");
    assert_string_equal(live_sale_word(&other, &record, NOW_MS + 1), "not_opened");
    strcpy(other.state, "paused");
    assert_string_equal(live_sale_word(&other, &record, NOW_MS + 1), "paused");
    strcpy(other.state, "closed");
    assert_string_equal(live_sale_word(&other, &record, NOW_MS), "closed");
}

TEST(sale_and_queue_are_told_whole)
{
    struct live_seen seen = {0};
    struct news_queue queue = {
        .serving = 120, .rate = 60, .left = 98, .joined = 400, .state = "open"};

    show.opens_ms = 1903960800000;
    live_state_set_sale(&s, &show, &record, NOW_MS);
    show.opens_ms = 0;
    assert_true(live_state_set_queue(&s, &show, &queue));
    assert_false(live_state_set_queue(&s, &show, &queue));
    const char *text = told(&live_as_sse, &seen, 2);
    assert_true(has(text, "data: {\"type\":\"sale\",\"show\":\"gala\",\"show_id\":7,"
                          "\"state\":\"not_opened\",\"opens_at\":\"2030-05-02T14:00:00"));
    assert_true(has(text, "\"closes_at\":null}\n\n"));
    assert_true(has(text, "data: {\"type\":\"queue\",\"show\":\"gala\",\"show_id\":7,"
                          "\"state\":\"open\",\"serving\":120,\"rate\":60,\"left\":98,"
                          "\"joined\":400}\n\n"));
}

/* The id of each event is what has been seen when it was taken, and no more. */
TEST(who_breaks_off_between_two_events_lacks_the_second)
{
    struct live_seen seen = {0}, resumed;

    live_state_set_counts(&s, &show, &record, NOW_MS);
    live_state_set_sale(&s, &show, &record, NOW_MS);
    const char *text = told(&live_as_sse, &seen, 2);
    size_t len = strcspn(text + 4, "\n");
    assert_true(live_seen_read((struct span){text + 4, len}, &live_as_sse, &resumed));
    assert_false(has(told(&live_as_sse, &resumed, 1), "availability"));
    assert_memory_equal(&resumed, &seen, sizeof seen);
}

TEST(ids_are_read_as_they_are_written)
{
    static const char *const wrong[] = {"",
                                        "1",
                                        "-00000000-00000000-00000000",
                                        "1-00000000-00000000",
                                        "1-00000000-00000000-0000000g",
                                        "1-00000000-00000000-00000000-00000000",
                                        "1-00000000-00000000-00000000x",
                                        "99999999999999999999-00000000-00000000-00000000",
                                        "1_00000000-00000000-00000000"};
    struct live_seen seen = {.seats = UINT64_MAX, .part = {1, UINT32_MAX, 0x12345678}}, read;
    char id[LIVE_ID_BYTES];

    live_seen_format(&seen, &live_as_sse, id);
    assert_string_equal(id, "18446744073709551615-00000001-ffffffff-12345678");
    assert_true(live_seen_read(span_of(id), &live_as_sse, &read));
    assert_memory_equal(&read, &seen, sizeof seen);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_false(live_seen_read(span_of(wrong[i]), &live_as_sse, &read));
        assert_memory_equal(&read, &(struct live_seen){0}, sizeof read);
    }
}

/* A map of n seats, A-1 to A-n. */
static struct seatmap *map_of(int n)
{
    struct buf lines;

    buf_init(&lines, 1 << 20);
    for (int i = 1; i <= n; i++)
        buf_putf(&lines, "%s%d\t1\t0\tA-%d\t\tA\t%d\t\t", i > 1 ? "\n" : "", i, i, i);
    struct seatmap *map = seatmap_new(buf_span(&lines));
    buf_free(&lines);
    assert_non_null(map);
    return map;
}

#define SEATS 1000
static unsigned char status[SEATS], marked[SEATS];

static void begin_seats(int n, uint64_t version)
{
    memset(status, 0, sizeof status);
    memset(marked, 0, sizeof marked);
    show.seatmap = map_of(n);
    assert_true(live_state_set_seats(&s, &show, status, version));
}

static void end_seats(void)
{
    seatmap_free((struct seatmap *)(uintptr_t)show.seatmap);
    show.seatmap = NULL;
}

TEST(seats_begin_with_all_that_are_taken)
{
    struct live_seen seen = {0};

    begin_seats(3, 0);
    assert_true(has(told(&live_as_sse, &seen, 1),
                    "data: {\"type\":\"seats\",\"show\":\"gala\",\"show_id\":7,\"since\":0,"
                    "\"version\":0,\"complete\":true,\"seats\":[]}\n\n"));
    marked[1] = 1 + SEAT_HELD;
    assert_true(live_state_change_seats(&s, &show, marked, 12));
    assert_true(has(told(&live_as_sse, &seen, 1),
                    "\"since\":0,\"version\":12,\"complete\":false,\"seats\":["
                    "{\"id\":\"A-2\",\"status\":\"held\"}]}\n\n"));
    marked[1] = 1 + SEAT_BOOKED;
    marked[2] = 1 + SEAT_BLOCKED;
    assert_true(live_state_change_seats(&s, &show, marked, 15));
    assert_true(has(told(&live_as_sse, &seen, 1),
                    "\"since\":12,\"version\":15,\"complete\":false,\"seats\":["
                    "{\"id\":\"A-2\",\"status\":\"booked\"},"
                    "{\"id\":\"A-3\",\"status\":\"blocked\"}]}\n\n"));
    struct live_seen late = {0};
    assert_true(has(told(&live_as_sse, &late, 1),
                    "\"since\":0,\"version\":15,\"complete\":true,\"seats\":["
                    "{\"id\":\"A-2\",\"status\":\"booked\"},"
                    "{\"id\":\"A-3\",\"status\":\"blocked\"}]}\n\n"));
    assert_memory_equal(&late, &seen, sizeof seen);
    end_seats();
}

/* A version is of all shows of a partition. */
TEST(a_version_without_a_change_is_nobodys_news)
{
    struct live_seen seen = {0};

    begin_seats(3, 5);
    told(&live_as_sse, &seen, 1);
    assert_false(live_state_change_seats(&s, &show, marked, 6));
    assert_false(live_state_set_seats(&s, &show, status, 6));
    told(&live_as_sse, &seen, 0);
    marked[0] = 1 + SEAT_HELD;
    live_state_change_seats(&s, &show, marked, 11);
    assert_true(has(told(&live_as_sse, &seen, 1), "\"since\":5,\"version\":11,"));
    end_seats();
}

/* Whoever has read the map in between saw it taken. */
TEST(a_seat_that_is_what_it_was_is_told_nevertheless)
{
    struct live_seen seen = {0};

    begin_seats(3, 5);
    told(&live_as_sse, &seen, 1);
    marked[2] = 1 + SEAT_AVAILABLE;
    assert_true(live_state_change_seats(&s, &show, marked, 7));
    assert_true(has(told(&live_as_sse, &seen, 1),
                    "\"seats\":[{\"id\":\"A-3\",\"status\":\"available\"}]}"));
    assert_true(live_state_set_seats(&s, &show, status, 9)); /* Redis was rebuilt */
    assert_true(has(told(&live_as_sse, &seen, 1), "\"version\":9,\"complete\":true,\"seats\":[]"));
    end_seats();
}

static void change_one(int i)
{
    memset(marked, 0, sizeof marked);
    marked[i % 3] = (unsigned char)(1 + (i / 3 % 2 ? SEAT_AVAILABLE : SEAT_HELD));
    assert_true(live_state_change_seats(&s, &show, marked, 100 + (uint64_t)i));
}

TEST(who_lacks_some_changes_gets_them_in_order)
{
    struct live_seen seen = {0}, early;

    begin_seats(3, 99);
    told(&live_as_sse, &seen, 1);
    early = seen;
    for (int i = 0; i < 5; i++)
        change_one(i);
    const char *text = told(&live_as_sse, &seen, 5);
    assert_true(has(text, "\"since\":99,\"version\":100,"));
    assert_true(has(text, "\"since\":103,\"version\":104,"));
    early.seats = 103; /* has seen 102: what came to another gateway */
    text = told(&live_as_sse, &early, 2);
    assert_true(has(text, "\"since\":102,\"version\":103,"));
    end_seats();
}

TEST(who_lacks_more_than_is_kept_gets_all)
{
    struct live_seen seen = {0}, early;

    begin_seats(3, 99);
    told(&live_as_sse, &seen, 1);
    early = seen;
    for (int i = 0; i < LIVE_CHANGES_MAX; i++)
        change_one(i);
    told(&live_as_sse, &seen, LIVE_CHANGES_MAX);
    seen = early;
    change_one(LIVE_CHANGES_MAX);
    assert_true(has(told(&live_as_sse, &seen, 1), "\"complete\":true"));
    end_seats();
}

TEST(what_is_too_much_for_an_event_is_to_be_read_anew)
{
    struct live_seen seen = {0}, late = {0};

    begin_seats(600, 5);
    told(&live_as_sse, &seen, 1);
    memset(marked, 1 + SEAT_BOOKED, sizeof marked);
    assert_true(live_state_change_seats(&s, &show, marked, 6));
    assert_true(has(told(&live_as_sse, &late, 1),
                    "data: {\"type\":\"resync\",\"show\":\"gala\",\"show_id\":7,\"version\":6}\n"));
    memset(marked, 0, sizeof marked);
    marked[599] = 1 + SEAT_AVAILABLE;
    assert_true(live_state_change_seats(&s, &show, marked, 7));
    assert_true(has(told(&live_as_sse, &late, 1), "\"since\":6,\"version\":7,"));
    told(&live_as_sse, &seen, 2);
    end_seats();
}

/* 1000 seats at once make a text that is not kept: those who lack it get all. */
TEST(a_change_that_is_too_long_empties_the_history)
{
    struct live_seen seen = {0};

    begin_seats(SEATS, 5);
    told(&live_as_sse, &seen, 1);
    for (uint64_t round = 0; round < 3; round++) {
        memset(marked, 1 + (round % 2 ? SEAT_AVAILABLE : SEAT_BOOKED), sizeof marked);
        assert_true(live_state_change_seats(&s, &show, marked, 6 + round));
        assert_true(s.seats.log.len <= LIVE_CHANGES_BYTES_MAX);
    }
    told(&live_as_sse, &seen, 1);
    end_seats();
}

TEST(an_id_from_the_future_is_taken_for_the_present)
{
    struct live_seen seen = {.seats = UINT64_MAX};

    begin_seats(3, 5);
    live_state_limit(&s, &seen);
    told(&live_as_sse, &seen, 0);
    marked[0] = 1 + SEAT_HELD;
    live_state_change_seats(&s, &show, marked, 6);
    told(&live_as_sse, &seen, 1);
    end_seats();
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    return RUN(
        T(availability_is_told_once), T(only_the_newest_is_told),
        T(the_seeds_hear_of_numbers_alone), T(a_sale_has_one_word),
        T(sale_and_queue_are_told_whole), T(who_breaks_off_between_two_events_lacks_the_second),
        T(ids_are_read_as_they_are_written), T(seats_begin_with_all_that_are_taken),
        T(a_version_without_a_change_is_nobodys_news),
        T(a_seat_that_is_what_it_was_is_told_nevertheless),
        T(who_lacks_some_changes_gets_them_in_order), T(who_lacks_more_than_is_kept_gets_all),
        T(what_is_too_much_for_an_event_is_to_be_read_anew),
        T(a_change_that_is_too_long_empties_the_history),
        T(an_id_from_the_future_is_taken_for_the_present));
}
