/* What each operation may have as arguments, and what it may not. */
#include "tests/unit/request_sample.h"

#define REFUSED(op, change)                                                                        \
    do {                                                                                           \
        struct request r = sample(op);                                                             \
        change;                                                                                    \
        assert_int_equal(written_and_read(&r), ERR_INPUT);                                         \
    } while (0)

#define TAKEN(op, change)                                                                          \
    do {                                                                                           \
        struct request r = sample(op);                                                             \
        change;                                                                                    \
        assert_int_equal(written_and_read(&r), ERR_NONE);                                          \
    } while (0)

TEST(lines_stay_within_their_bounds)
{
    for (int i = 0; i < 2; i++) {
        enum operation op = i == 0 ? OP_BOOK : OP_HOLD;

        REFUSED(op, r.lines = 0);
        REFUSED(op, r.line[0].tier = 0);
        REFUSED(op, r.line[0].tier = TIERS_MAX + 1);
        REFUSED(op, r.line[0].tier = UINT32_MAX);
        REFUSED(op, r.line[0].quantity = 0);
        REFUSED(op, r.line[0].quantity = QUANTITY_MAX + 1);
        REFUSED(op, r.line[0].quantity = UINT32_MAX);
        REFUSED(op, r.line[0].tier = r.line[1].tier);
        TAKEN(op, r.lines = 1);
    }
}

TEST(a_booking_has_at_most_lines_max_lines)
{
    struct request r = sample(OP_BOOK);
    struct buf b;

    r.lines = LINES_MAX;
    for (uint32_t i = 0; i < LINES_MAX; i++)
        r.line[i] = (struct line){i + 1, 1};
    assert_int_equal(written_and_read(&r), ERR_NONE);

    r.lines = 0;
    b = entry_of(&r);
    b.len--; /* the head of no lines */
    pack_array(&b, LINES_MAX + 1);
    for (uint32_t i = 0; i <= LINES_MAX; i++) {
        pack_array(&b, 2);
        pack_uint(&b, i + 1);
        pack_uint(&b, 1);
    }
    is_refused(buf_span(&b));
    buf_free(&b);
}

static enum err read_several(const struct request *r, size_t max)
{
    struct buf b = entry_of(r);
    struct request back;
    size_t count = 0;
    enum err err = entry_read(buf_span(&b), &back, max, &count);

    if (!err)
        assert_same(r, &back);
    buf_free(&b);
    return err;
}

TEST(one_for_several_shows_weighs_as_many)
{
    struct request r = sample(OP_SEVERAL), book = sample(OP_BOOK);

    assert_int_equal(request_weight(&r), 4);
    assert_int_equal(request_weight(&book), 1);
    assert_int_equal(request_parts_of_show(&r, 0), 2);
    assert_int_equal(request_parts_of_show(&r, 2), 1);
    assert_int_equal(read_several(&r, 4), ERR_NONE);
    assert_int_equal(read_several(&r, 3), ERR_BOUND);
    r.take = OP_BOOK;
    assert_int_equal(read_several(&r, 4), ERR_NONE);
}

#define SEVERAL_REFUSED(...)                                                                       \
    do {                                                                                           \
        struct request r = sample(OP_SEVERAL);                                                     \
        __VA_ARGS__;                                                                               \
        assert_int_equal(read_several(&r, PARTS_MAX + 1), ERR_INPUT);                              \
    } while (0)

TEST(several_shows_come_in_their_order)
{
    SEVERAL_REFUSED(r.take = OP_CANCEL);
    SEVERAL_REFUSED(r.parts = 1);
    SEVERAL_REFUSED(r.parts = 2);             /* its own show alone */
    SEVERAL_REFUSED(r.show = 5);              /* not its own first */
    SEVERAL_REFUSED(r.part[1].line.tier = 2); /* the same tier twice */
    SEVERAL_REFUSED(r.part[1].line.tier = 1); /* tiers ascend */
    SEVERAL_REFUSED(r.part[2].show = 10);     /* shows ascend */
    SEVERAL_REFUSED(r.part[3].show = 7);      /* its own, again */
    SEVERAL_REFUSED(r.part[3].show = 5);      /* the same tier of another twice */
    SEVERAL_REFUSED(r.part[2].show = 0);
    SEVERAL_REFUSED(r.part[3].show = UINT32_MAX);
    SEVERAL_REFUSED(r.part[0].line.tier = 0);
    SEVERAL_REFUSED(r.part[3].line.tier = TIERS_MAX + 1);
    SEVERAL_REFUSED(r.part[0].line.quantity = 0);
    SEVERAL_REFUSED(r.part[0].line.quantity = QUANTITY_MAX + 1);
    SEVERAL_REFUSED(r.user.len = 0);
}

TEST(seats_of_several_shows_stand_with_the_first_row_of_each)
{
    static char many[(BOOKING_SEATS_MAX - 1) * SEAT_POSITION_BYTES];

    SEVERAL_REFUSED(r.part[1].seats = BYTES("\0\0\0\3"));
    SEVERAL_REFUSED(r.part[0].seats = BYTES("\0\0\0\2\0\0\0\1"));
    SEVERAL_REFUSED(r.part[0].seats = BYTES("\0\0\1"));
    for (uint32_t i = 1; i < BOOKING_SEATS_MAX; i++) {
        many[4 * i - 2] = (char)(i >> 8);
        many[4 * i - 1] = (char)i;
    }
    SEVERAL_REFUSED(r.part[0].seats = (struct span){many, sizeof many};
                    r.part[3].seats = BYTES("\0\0\0\1\0\0\0\2"));
    struct request r = sample(OP_SEVERAL);
    r.part[0].seats = (struct span){many, sizeof many};
    assert_int_equal(read_several(&r, PARTS_MAX), ERR_NONE); /* as many as there may be */
}

TEST(several_shows_have_their_bounds)
{
    struct request r = sample(OP_SEVERAL);

    r.parts = PARTS_MAX;
    for (uint32_t i = 0; i < PARTS_MAX; i++)
        r.part[i] = (struct show_line){.show = 7 + i, .line = {1, 1}};
    assert_int_equal(read_several(&r, PARTS_MAX), ERR_NONE);
    for (uint32_t i = 0; i < LINES_MAX; i++)
        r.part[i] = (struct show_line){.show = 7, .line = {i + 1, 1}};
    assert_int_equal(read_several(&r, PARTS_MAX), ERR_NONE);
    r.part[LINES_MAX] = (struct show_line){.show = 7, .line = {LINES_MAX + 1, 1}};
    assert_int_equal(read_several(&r, PARTS_MAX), ERR_INPUT);
    request_set_fingerprint(&r); /* the largest request has one */
}

TEST(texts_stay_within_their_bounds)
{
    char text[USER_BYTES_MAX + 1];

    memset(text, 'x', sizeof(text));
    TAKEN(OP_BOOK, r.user = ((struct span){text, USER_BYTES_MAX}));
    REFUSED(OP_BOOK, r.user = ((struct span){text, USER_BYTES_MAX + 1}));
    REFUSED(OP_BOOK, r.user = BYTES("a\0b"));
    REFUSED(OP_BOOK, r.user = SPAN("a\xff"));
    REFUSED(OP_CANCEL, r.user = SPAN("a\n"));
    TAKEN(OP_BOOK, r.reply_to = ((struct span){text, GATEWAY_NAME_BYTES_MAX}));
    REFUSED(OP_BOOK, r.reply_to = ((struct span){text, GATEWAY_NAME_BYTES_MAX + 1}));
    REFUSED(OP_BOOK, r.reply_to = SPAN("a\nb"));
    TAKEN(OP_BOOK, r.trace = ((struct span){text, TRACE_BYTES_MAX}));
    REFUSED(OP_BOOK, r.trace = ((struct span){text, TRACE_BYTES_MAX + 1}));
    REFUSED(OP_BOOK, r.trace = BYTES("\0"));
}

TEST(a_line_is_a_pair)
{
    static const struct span arguments[] = {BYTES("\x91\x01"),
                                            BYTES("\x91\xc0"),
                                            BYTES("\x91\xa2"
                                                  "ab"),
                                            BYTES("\x91\x90"),
                                            BYTES("\x91\x91\x01"),
                                            BYTES("\x91\x93\x01\x01\x01"),
                                            BYTES("\x91\x92\xc0\x01"),
                                            BYTES("\x91\x92\x01\xc0"),
                                            BYTES("\x91\x92\x01\x01")};

    for (size_t i = 0; i < COUNT(arguments); i++) {
        struct request r = sample(OP_BOOK);
        struct buf b;

        r.lines = 0;
        b = entry_of(&r);
        b.len--; /* the head of no lines */
        buf_put(&b, arguments[i].bytes, arguments[i].len);
        assert_int_equal(read_one(buf_span(&b)), i + 1 < COUNT(arguments) ? ERR_INPUT : ERR_NONE);
        buf_free(&b);
    }
}

TEST(only_who_takes_places_must_be_named)
{
    REFUSED(OP_BOOK, r.user = SPAN(""));
    REFUSED(OP_HOLD, r.user = SPAN(""));
    REFUSED(OP_JOIN, r.user = SPAN(""));
    TAKEN(OP_LEAVE, r.user = SPAN(""));
    TAKEN(OP_CONFIRM, r.user = SPAN(""));
    TAKEN(OP_CANCEL, r.user = SPAN(""));
    TAKEN(OP_EXTEND, r.user = SPAN(""));
    TAKEN(OP_PAY, r.user = SPAN(""));
    TAKEN(OP_SETTLE, r.user = SPAN(""));
    TAKEN(OP_REFRESH, r.user = SPAN(""));
    REFUSED(OP_ADMIN, r.user = SPAN(""));
}

TEST(what_an_operator_does_has_a_name_and_stands_alone)
{
    static char much[SETTINGS_BYTES_MAX + 1];
    struct request admin = sample(OP_ADMIN);

    memset(much, ' ', sizeof much);
    TAKEN(OP_ADMIN, r.has_booking = false);
    TAKEN(OP_ADMIN, r.settings = SPAN(""));
    TAKEN(OP_ADMIN, r.settings = ((struct span){much, SETTINGS_BYTES_MAX}));
    REFUSED(OP_ADMIN, r.settings = ((struct span){much, SETTINGS_BYTES_MAX + 1}));
    REFUSED(OP_ADMIN, r.settings = SPAN("\xff"));
    REFUSED(OP_ADMIN, r.action = SPAN(""));
    REFUSED(OP_ADMIN, r.action = ((struct span){much, ACTION_BYTES_MAX + 1}));
    assert_int_equal(request_weight(&admin), BATCH_REQUESTS_MAX);
    assert_true(request_names_booking(&admin));
    admin.has_booking = false;
    assert_false(request_names_booking(&admin));
}

TEST(shows_and_times_are_not_negative_and_not_huge)
{
    REFUSED(OP_BOOK, r.show = 0);
    REFUSED(OP_BOOK, r.show = (uint32_t)INT32_MAX + 1);
    TAKEN(OP_BOOK, r.show = 1);
    TAKEN(OP_BOOK, r.show = INT32_MAX);
    REFUSED(OP_BOOK, r.deadline_ms = -1);
    TAKEN(OP_BOOK, r.deadline_ms = INT64_MAX);
}

TEST(a_settlement_says_one_of_three_things)
{
    TAKEN(OP_SETTLE, r.result = RESULT_SUCCEEDED);
    TAKEN(OP_SETTLE, r.result = RESULT_GIVEN_UP);
    REFUSED(OP_SETTLE, r.result = (enum result)0);
    REFUSED(OP_SETTLE, r.result = (enum result)4);
    REFUSED(OP_SETTLE, r.reason = SPAN("two\nlines"));
    REFUSED(OP_SETTLE, r.reference = SPAN("\xff"));
}

TEST(a_part_to_cancel_may_be_all_of_it)
{
    TAKEN(OP_CANCEL, r.line[0] = ((struct line){0, 0}));
    TAKEN(OP_CANCEL, r.line[0] = ((struct line){TIERS_MAX, QUANTITY_MAX}));
    REFUSED(OP_CANCEL, r.line[0].tier = TIERS_MAX + 1);
    REFUSED(OP_CANCEL, r.line[0].quantity = QUANTITY_MAX + 1);
}

TEST(seats_may_be_named)
{
    TAKEN(OP_BOOK, r.seats = SEATS(3));
    TAKEN(OP_HOLD, r.seats = SEATS(1));
    TAKEN(OP_CANCEL, r.seats = SEATS(2); r.line[0] = ((struct line){0, 0}));
    REFUSED(OP_CANCEL, r.seats = SEATS(2)); /* beside a part that is told by number */
    REFUSED(OP_BOOK, r.lines = 0; r.seats = SEATS(1));
    REFUSED(OP_BOOK, r.seats = ((struct span){sample_positions, 5}));
    REFUSED(OP_BOOK, r.seats = ((struct span){"\1\0\0\0", 4})); /* beyond every map */
    REFUSED(OP_BOOK, r.seats = ((struct span){"\0\0\0\2\0\0\0\1", 8}));
}

TEST(who_waits_waits_for_something)
{
    TAKEN(OP_JOIN, r.line[0] = ((struct line){TIERS_MAX, QUANTITY_MAX}));
    REFUSED(OP_JOIN, r.line[0].tier = 0);
    REFUSED(OP_JOIN, r.line[0].tier = TIERS_MAX + 1);
    REFUSED(OP_JOIN, r.line[0].quantity = 0);
    REFUSED(OP_JOIN, r.line[0].quantity = QUANTITY_MAX + 1);
}

/* The same bytes under another operation have the wrong arguments. */
TEST(arguments_belong_to_their_operation)
{
    static const enum operation others[][2] = {
        {OP_BOOK, OP_CONFIRM},   {OP_BOOK, OP_CANCEL},    {OP_BOOK, OP_REFRESH},
        {OP_CONFIRM, OP_BOOK},   {OP_CONFIRM, OP_CANCEL}, {OP_CONFIRM, OP_REFRESH},
        {OP_CANCEL, OP_EXTEND},  {OP_CANCEL, OP_HOLD},    {OP_REFRESH, OP_BOOK},
        {OP_REFRESH, OP_CANCEL}, {OP_REFRESH, OP_EXTEND}, {OP_PAY, OP_CONFIRM},
        {OP_CONFIRM, OP_PAY},    {OP_SETTLE, OP_CANCEL},  {OP_CANCEL, OP_SETTLE},
        {OP_REFRESH, OP_CANCEL}, {OP_REFRESH, OP_EXTEND}, {OP_JOIN, OP_BOOK},
        {OP_JOIN, OP_LEAVE},     {OP_LEAVE, OP_JOIN},     {OP_LEAVE, OP_CANCEL},
        {OP_ADMIN, OP_CANCEL},   {OP_CANCEL, OP_ADMIN},   {OP_ADMIN, OP_SETTLE},
    };

    for (size_t i = 0; i < COUNT(others); i++) {
        struct request r = sample(others[i][0]);
        struct buf b = entry_of(&r);

        assert_int_equal(b.bytes[19], others[i][0]);
        b.bytes[19] = (char)others[i][1];
        is_refused(buf_span(&b));
        buf_free(&b);
    }
}

int main(void)
{
    return RUN(cmocka_unit_test(lines_stay_within_their_bounds),
               cmocka_unit_test(a_booking_has_at_most_lines_max_lines),
               cmocka_unit_test(one_for_several_shows_weighs_as_many),
               cmocka_unit_test(several_shows_come_in_their_order),
               cmocka_unit_test(seats_of_several_shows_stand_with_the_first_row_of_each),
               cmocka_unit_test(several_shows_have_their_bounds),
               cmocka_unit_test(texts_stay_within_their_bounds), cmocka_unit_test(a_line_is_a_pair),
               cmocka_unit_test(only_who_takes_places_must_be_named),
               cmocka_unit_test(what_an_operator_does_has_a_name_and_stands_alone),
               cmocka_unit_test(shows_and_times_are_not_negative_and_not_huge),
               cmocka_unit_test(a_settlement_says_one_of_three_things),
               cmocka_unit_test(a_part_to_cancel_may_be_all_of_it),
               cmocka_unit_test(seats_may_be_named),
               cmocka_unit_test(who_waits_waits_for_something),
               cmocka_unit_test(arguments_belong_to_their_operation));
}
