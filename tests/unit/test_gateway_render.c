#include "gateway/problem.h"
#include "gateway/render.h"
#include "tests/unit/unit.h"

#define NOW_MS 1903960700000

static struct tier tiers[] = {
    {.number = 1,
     .code = "VIP",
     .price = 10000,
     .capacity = 100,
     .available = 97,
     .held = 1,
     .booked = 2},
    {.number = 2, .code = "STD", .price = 2550, .capacity = 10, .available = 10},
};
static struct show show = {
    .number = 7,
    .partition = 1,
    .slug = "gala",
    .name = (char[]){"The \"Gala\""},
    .category = "concert",
    .state = "open",
    .currency = "USD",
    .starts_ms = 1903960800000,
    .max_per_booking = 8,
    .hold_ms = 600000,
    .hold_ms_max = 1200000,
    .tiers = 2,
    .tier = tiers,
};
static struct booking booking = {
    .user = {"ann", 3},
    .state = STATE_CONFIRMED,
    .created_ms = 1903960800123,
    .amount = 20000,
    .lines = 1,
    .line = {{1, 2, 10000}},
};

static struct buf out;

static const char *rendered(void)
{
    const char *text = buf_text(&out);

    assert_non_null(text);
    buf_reset(&out);
    return text;
}

TEST(text_is_escaped)
{
    static const struct {
        struct span text;
        const char *json;
    } rows[] = {
        {BYTES(""), "\"\""},
        {BYTES("plain"), "\"plain\""},
        {BYTES("a\"b\\c"), "\"a\\\"b\\\\c\""},
        {BYTES("\x01\n\x1f\x7f"), "\"\\u0001\\u000a\\u001f\\u007f\""},
        {BYTES("z\xc3\xbcrich"), "\"z\xc3\xbcrich\""},
        {BYTES("\0"), "\"\\u0000\""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct guarded g = guarded_copy(rows[i].text);
        render_text(&out, g.span);
        assert_string_equal(rendered(), rows[i].json);
        guarded_free(&g);
    }
}

TEST(money_is_told_in_whole_units)
{
    static const struct {
        int64_t minor;
        const char *currency, *text;
    } rows[] = {
        {10000, "USD", "100"}, {2550, "USD", "25.5"}, {5, "EUR", "0.05"},  {0, "USD", "0"},
        {700, "JPY", "700"},   {1500, "KWD", "1.5"},  {1, "KWD", "0.001"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        render_whole_units(&out, rows[i].minor, rows[i].currency);
        assert_string_equal(rendered(), rows[i].text);
    }
}

TEST(a_booking_of_one_line)
{
    render_booking(&out, &show, &booking);
    assert_string_equal(
        rendered(),
        "{\"id\":\"00000000000000000000000000\",\"show\":\"gala\",\"show_id\":7,\"user\":\"ann\","
        "\"tier\":\"VIP\",\"items\":[{\"tier\":\"VIP\",\"quantity\":2,\"price\":10000,"
        "\"amount\":20000}],\"quantity\":2,\"amount\":20000,\"currency\":\"USD\","
        "\"status\":\"CONFIRMED\",\"created_at\":\"2030-05-02T14:00:00.123Z\",\"expires_at\":"
        "null}");
}

TEST(only_a_hold_expires)
{
    struct booking held = booking;

    held.state = STATE_HELD;
    held.expires_ms = 1903960800123 + 1000;
    render_booking(&out, &show, &held);
    assert_non_null(strstr(rendered(), "\"expires_at\":\"2030-05-02T14:00:01.123Z\""));
    held.state = STATE_EXPIRED;
    render_booking(&out, &show, &held);
    assert_non_null(strstr(rendered(), "\"expires_at\":null"));
}

TEST(a_booking_of_several_lines_has_no_tier_of_its_own)
{
    struct booking several = booking;

    several.lines = 2;
    several.line[1] = (struct booking_line){9, 1, 5};
    render_booking(&out, &show, &several);
    const char *text = rendered();
    assert_null(strstr(text, "\"ann\",\"tier\""));
    assert_non_null(strstr(text, "{\"tier\":\"9\",\"quantity\":1,\"price\":5,\"amount\":5}"));
    assert_non_null(strstr(text, "\"quantity\":3"));
}

TEST(a_show_with_its_rules)
{
    render_show(&out, &show, NOW_MS);
    assert_string_equal(
        rendered(),
        "{\"id\":7,\"slug\":\"gala\",\"name\":\"The \\\"Gala\\\"\",\"category\":\"concert\","
        "\"series\":null,\"state\":\"open\",\"starts_at\":\"2030-05-02T14:00:00.000Z\","
        "\"ends_at\":null,\"sales_open_at\":null,"
        "\"sales_close_at\":null,\"currency\":\"USD\",\"rules\":{\"max_per_user\":null,"
        "\"max_per_booking\":8,\"hold_seconds\":600,\"hold_seconds_max\":1200,"
        "\"payment\":\"optional\"},\"tiers\":["
        "{\"tier\":\"VIP\",\"price\":10000,\"currency\":\"USD\",\"capacity\":100},"
        "{\"tier\":\"STD\",\"price\":2550,\"currency\":\"USD\",\"capacity\":10}]}");
}

TEST(availability_adds_up)
{
    struct availability a;

    show_availability(&show, &a);
    render_availability(&out, &show, &a, NOW_MS);
    assert_string_equal(
        rendered(),
        "{\"show\":\"gala\",\"show_id\":7,\"version\":0,\"tiers\":[{\"tier\":\"VIP\","
        "\"price\":10000,\"currency\":\"USD\",\"capacity\":100,\"available\":97,\"held\":1,"
        "\"booked\":2,\"blocked\":0},{\"tier\":\"STD\",\"price\":2550,\"currency\":\"USD\","
        "\"capacity\":10,\"available\":10,\"held\":0,\"booked\":0,\"blocked\":0}],"
        "\"available\":107}");
}

TEST(a_problem_has_all_members)
{
    problem_render(&out, &(struct problem){.status = 409,
                                           .code = CODE_SOLD_OUT,
                                           .instance = SPAN("/v1/requests/x")});
    assert_string_equal(rendered(),
                        "{\"type\":\"urn:usher:problem:sold-out\",\"title\":\"Sold out\","
                        "\"status\":409,\"detail\":\"Sold Out\",\"instance\":\"/v1/requests/x\","
                        "\"code\":\"SOLD_OUT\",\"error\":\"Sold Out\"}");
    problem_render(
        &out, &(struct problem){
                  .status = 422, .code = CODE_INVALID, .error = "One thing", .detail = "Another"});
    assert_string_equal(rendered(), "{\"type\":\"urn:usher:problem:invalid\",\"title\":\"Invalid\","
                                    "\"status\":422,\"detail\":\"Another\",\"code\":\"INVALID\","
                                    "\"error\":\"One thing\"}");
}

TEST(every_status_has_a_code)
{
    static const int statuses[] = {400, 404, 405, 408, 413, 415, 429, 431, 500, 501, 503, 504};

    for (size_t i = 0; i < COUNT(statuses); i++)
        assert_non_null(code_name(problem_code_for(statuses[i])));
    assert_int_equal(problem_code_for(503), CODE_OVERLOADED);
}

TEST(tiers_are_read_from_text)
{
    struct show s = {0};

    assert_int_equal(
        show_set_tiers(&s, SPAN("1:10000:100:97:1:2:0:0:s30=12000,t1903960700000=15000:VIP\n"
                                "2:0:5:5:0:0:0:1::Standing: no, here")),
        ERR_NONE);
    assert_int_equal(s.tiers, 2);
    assert_int_equal(show_tier(&s, 1)->available, 97);
    assert_string_equal(show_tier(&s, 2)->code, "Standing: no, here");
    assert_true(show_tier(&s, 2)->has_seats && show_has_seats(&s));
    assert_false(show_tier(&s, 1)->has_seats);
    assert_int_equal(tier_price_now(show_tier(&s, 1), NOW_MS - 1), 12000);
    assert_int_equal(tier_price_now(show_tier(&s, 1), NOW_MS), 15000);
    assert_int_equal(tier_price_now(show_tier(&s, 2), NOW_MS), 0);
    assert_ptr_equal(show_tier_named(&s, SPAN("VIP")), show_tier(&s, 1));
    assert_null(show_tier_named(&s, SPAN("vip")));
    assert_null(show_tier(&s, 3));
    assert_int_equal(show_set_tiers(&s, SPAN("")), ERR_NONE);
    assert_int_equal(s.tiers, 0);
    show_free(&s);
}

TEST(what_are_no_tiers_is_refused)
{
    static const char *const wrong[] = {
        "1",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:0:VIP",
        "1:2:3:4:5:6:7:0::",
        "1:2:3:4:5:6:7:0:s1001=5:VIP",
        "x:2:3:4:5:6:7:0::VIP",
        "1:-2:3:4:5:6:7:0::VIP",
        "1:2:3:4:5:6:7:0::012345678901234567890123456789012",
    };
    struct show s = {0};

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct guarded g = guarded_copy(span_of(wrong[i]));
        assert_int_equal(show_set_tiers(&s, g.span), ERR_INPUT);
        guarded_free(&g);
    }
    assert_null(s.tier);
}

TEST(counts_are_taken_over_by_number)
{
    struct tier mine[] = {{.number = 2, .available = 1}, {.number = 5, .available = 2}};
    struct show s = {.tiers = 2, .tier = mine};
    struct availability a = {.tiers = 2, .tier = {{5, 9, 8, 1, 0, 0}, {7, 1, 1, 0, 0, 0}}};

    show_set_counts(&s, &a);
    assert_int_equal(mine[0].available, 1);
    assert_int_equal(mine[1].available, 8);
    assert_int_equal(mine[1].held, 1);
}

int main(void)
{
    int failed;

    buf_init(&out, 4096);
    failed = RUN(
        cmocka_unit_test(text_is_escaped), cmocka_unit_test(money_is_told_in_whole_units),
        cmocka_unit_test(a_booking_of_one_line), cmocka_unit_test(only_a_hold_expires),
        cmocka_unit_test(a_booking_of_several_lines_has_no_tier_of_its_own),
        cmocka_unit_test(a_show_with_its_rules), cmocka_unit_test(availability_adds_up),
        cmocka_unit_test(a_problem_has_all_members), cmocka_unit_test(every_status_has_a_code),
        cmocka_unit_test(tiers_are_read_from_text), cmocka_unit_test(what_are_no_tiers_is_refused),
        cmocka_unit_test(counts_are_taken_over_by_number));
    buf_free(&out);
    return failed;
}
