#include "base/answer.h"
#include "tests/unit/unit.h"

static struct answer granted(void)
{
    struct answer a = {
        .code = CODE_GRANTED,
        .at_ms = 1767225600123,
        .op = OP_BOOK,
        .fingerprint = "\x00\xff"
                       "345678",
        .show = 7,
        .has_booking = true,
        .booking = {.id = id_fresh(7, ID_EPOCH_MS + 1000, 30000, 42),
                    .user = SPAN("Zo\xc3\xab"),
                    .state = STATE_CONFIRMED,
                    .created_ms = 1767225600123,
                    .expires_ms = 0,
                    .amount = 30000,
                    .lines = 2,
                    .line = {{1, 3, 10000}, {TIERS_MAX, 0, PRICE_MAX}}},
        .has_available = true,
        .available = 97,
    };

    return a;
}

static struct answer refused(void)
{
    struct answer a = {
        .code = CODE_NOT_ENOUGH, .at_ms = 1, .op = OP_HOLD, .show = 7, .detail = UINT64_MAX};

    return a;
}

static struct answer waits(void)
{
    struct answer a = {.code = CODE_GRANTED,
                       .at_ms = 5,
                       .op = OP_JOIN,
                       .show = 7,
                       .has_waiting = true,
                       .waiting = {.id = id_fresh(7, ID_EPOCH_MS + 1000, 30000, 42),
                                   .user = SPAN("ann"),
                                   .line = {2, 4},
                                   .joined_ms = 5,
                                   .place = 17}};

    return a;
}

static void assert_same(const struct answer *a, const struct answer *b)
{
    assert_int_equal(a->code, b->code);
    assert_true(a->at_ms == b->at_ms);
    assert_int_equal(a->op, b->op);
    assert_memory_equal(a->fingerprint, b->fingerprint, FINGERPRINT_BYTES);
    assert_int_equal(a->show, b->show);
    assert_int_equal(a->has_booking, b->has_booking);
    assert_true(id_equal(a->booking.id, b->booking.id));
    assert_span(a->booking.user, b->booking.user);
    assert_int_equal(a->booking.state, b->booking.state);
    assert_true(a->booking.created_ms == b->booking.created_ms);
    assert_true(a->booking.expires_ms == b->booking.expires_ms);
    assert_true(a->booking.amount == b->booking.amount);
    assert_int_equal(a->booking.lines, b->booking.lines);
    for (size_t i = 0; i < a->booking.lines; i++) {
        assert_int_equal(a->booking.line[i].tier, b->booking.line[i].tier);
        assert_int_equal(a->booking.line[i].quantity, b->booking.line[i].quantity);
        assert_true(a->booking.line[i].price == b->booking.line[i].price);
    }
    assert_span(a->booking.seats, b->booking.seats);
    assert_span(a->conflicts, b->conflicts);
    assert_int_equal(a->has_waiting, b->has_waiting);
    assert_true(id_equal(a->waiting.id, b->waiting.id));
    assert_span(a->waiting.user, b->waiting.user);
    assert_int_equal(a->waiting.line.tier, b->waiting.line.tier);
    assert_int_equal(a->waiting.line.quantity, b->waiting.line.quantity);
    assert_true(a->waiting.joined_ms == b->waiting.joined_ms);
    assert_int_equal(a->waiting.place, b->waiting.place);
    assert_int_equal(a->has_available, b->has_available);
    assert_true(a->available == b->available);
    assert_true(a->detail == b->detail);
}

static struct buf packed(const struct answer *a)
{
    struct buf b;

    buf_init(&b, 4096);
    answer_pack(&b, a);
    assert_false(b.failed);
    return b;
}

static void is_refused(struct span s)
{
    struct answer a;

    assert_int_equal(answer_read(s, &a), ERR_INPUT);
}

TEST(an_answer_survives_the_way)
{
    struct answer answers[3] = {granted(), refused(), waits()};

    for (size_t i = 0; i < COUNT(answers); i++) {
        struct buf b = packed(&answers[i]);
        struct guarded g = guarded_copy(buf_span(&b));
        struct answer back;

        memset(&back, 0xa5, sizeof(back));
        assert_int_equal(answer_read(g.span, &back), ERR_NONE);
        assert_same(&answers[i], &back);
        assert_true(!back.has_booking || (back.booking.user.bytes > g.span.bytes &&
                                          back.booking.user.bytes < g.span.bytes + g.span.len));
        guarded_free(&g);
        buf_free(&b);
    }
}

static struct buf packed_others(size_t count)
{
    struct answer a = granted();
    struct buf b;

    buf_init(&b, 65536);
    pack_array(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        a.booking.id = id_part(a.booking.id, 8 + i);
        booking_pack(&b, &a.booking);
    }
    return b;
}

TEST(several_bookings_survive_the_way)
{
    static struct booking bookings[PARTS_MAX];
    struct buf others = packed_others(2), none = packed_others(0);
    struct answer a = granted(), back;
    struct buf b;
    size_t count = 0;

    a.op = OP_SEVERAL;
    a.others = buf_span(&others);
    b = packed(&a);
    assert_int_equal(answer_read(buf_span(&b), &back), ERR_NONE);
    assert_same(&a, &back);
    assert_int_equal(bookings_read(back.others, bookings, PARTS_MAX, &count), ERR_NONE);
    assert_int_equal(count, 2);
    assert_int_equal(id_show(bookings[1].id), 9);
    assert_int_equal(bookings_read(back.others, bookings, 1, &count), ERR_INPUT);
    each_prefix(buf_span(&b), is_refused);
    buf_free(&b);

    a.others = buf_span(&none); /* none beside the first: it would not be for several */
    b = packed(&a);
    is_refused(buf_span(&b));
    buf_free(&b);
    a.others = SPAN("no bookings");
    b = packed(&a);
    is_refused(buf_span(&b));
    buf_free(&b);
    buf_free(&others);
    buf_free(&none);
}

TEST(a_refusal_of_several_names_the_show)
{
    struct answer a = refused(), back;
    struct buf b;

    a.op = OP_SEVERAL;
    a.refused_show = 9;
    b = packed(&a);
    assert_int_equal(answer_read(buf_span(&b), &back), ERR_NONE);
    assert_same(&a, &back);
    assert_int_equal(back.refused_show, 9);
    buf_free(&b);

    a.code = CODE_SEAT_TAKEN;
    a.conflicts = BYTES("\0\0\0\3\0\0\0\7");
    b = packed(&a);
    assert_int_equal(answer_read(buf_span(&b), &back), ERR_NONE);
    assert_int_equal(back.refused_show, 9);
    assert_span(back.conflicts, a.conflicts);
    each_prefix(buf_span(&b), is_refused);
    buf_free(&b);
    a.conflicts = BYTES("\0\0\0\7\0\0\0\3");
    b = packed(&a);
    is_refused(buf_span(&b));
    buf_free(&b);
}

TEST(what_an_operator_did_is_told)
{
    struct answer a = refused(), back;
    struct buf b;

    a.op = OP_ADMIN;
    a.told = SPAN("{\"state\":\"open\"}");
    b = packed(&a);
    assert_int_equal(answer_read(buf_span(&b), &back), ERR_NONE);
    assert_same(&a, &back);
    assert_span(back.told, a.told);
    each_prefix(buf_span(&b), is_refused);
    buf_free(&b);
    a.told = SPAN("\xff");
    b = packed(&a);
    is_refused(buf_span(&b));
    buf_free(&b);
}

TEST(every_truncation_is_refused)
{
    struct answer answers[3] = {granted(), refused(), waits()};

    for (size_t i = 0; i < COUNT(answers); i++) {
        struct buf b = packed(&answers[i]);

        each_prefix(buf_span(&b), is_refused);
        pack_nil(&b);
        is_refused(buf_span(&b));
        buf_free(&b);
    }
}

TEST(every_field_has_its_kind)
{
    static const struct span wrong[] = {BYTES("\xff"),
                                        BYTES("\xc3"),
                                        BYTES("\x80"),
                                        BYTES("\xa1x"),
                                        BYTES("\xcb\x3f\xf0\0\0\0\0\0\0"),
                                        BYTES("\xc4\x01"
                                              "a")};
    static const struct span right[] = {BYTES("\x01"),
                                        BYTES("\x05"),
                                        BYTES("\x01"),
                                        BYTES("\xa8"
                                              "01234567"),
                                        BYTES("\x07"),
                                        BYTES("\xc0"),
                                        BYTES("\xc0"),
                                        BYTES("\x00")};

    for (size_t at = 0; at < 8; at++) {
        for (size_t i = 0; i <= COUNT(wrong); i++) {
            struct buf b;

            buf_init(&b, 1000);
            pack_array(&b, 8);
            for (size_t j = 0; j < 8; j++) {
                struct span s = j == at && i < COUNT(wrong) ? wrong[i] : right[j];

                buf_put(&b, s.bytes, s.len);
            }
            if (i < COUNT(wrong)) {
                is_refused(buf_span(&b));
            } else {
                struct answer a;

                assert_int_equal(answer_read(buf_span(&b), &a), ERR_NONE);
            }
            buf_free(&b);
        }
    }
}

TEST(every_field_of_a_booking_has_its_kind)
{
    static const struct span right[] = {BYTES("\xb0"
                                              "0123456789abcdef"),
                                        BYTES("\xa1u"),
                                        BYTES("\x03"),
                                        BYTES("\x05"),
                                        BYTES("\x00"),
                                        BYTES("\x0a"),
                                        BYTES("\x91\x93\x01\x01\x0a")};

    for (size_t at = 0; at <= 7; at++) {
        struct buf b;
        struct tree t;
        struct booking booking;

        buf_init(&b, 1000);
        pack_array(&b, 7);
        for (size_t j = 0; j < 7; j++)
            buf_put(&b, j == at ? "\xff" : right[j].bytes, j == at ? 1 : right[j].len);
        assert_int_equal(tree_read(&t, b.bytes, b.len), ERR_NONE);
        assert_int_equal(booking_from(tree_root(&t), &booking), at < 7 ? ERR_INPUT : ERR_NONE);
        tree_free(&t);
        buf_free(&b);
    }
}

#define REFUSED(change) REFUSED_OF(granted, change)
#define REFUSED_OF(sample, change)                                                                 \
    do {                                                                                           \
        struct answer a = sample();                                                                \
        struct buf b;                                                                              \
        change;                                                                                    \
        b = packed(&a);                                                                            \
        is_refused(buf_span(&b));                                                                  \
        buf_free(&b);                                                                              \
    } while (0)

TEST(what_cannot_be_is_refused)
{
    char user[USER_BYTES_MAX + 1];

    memset(user, 'u', sizeof(user));
    REFUSED(a.code = CODES_END);
    REFUSED(a.op = (enum operation)0);
    REFUSED(a.op = (enum operation)(OP_ADMIN + 1));
    REFUSED(a.at_ms = -1);
    REFUSED(a.available = -1);
    REFUSED(a.booking.state = (enum state)0);
    REFUSED(a.booking.state = (enum state)7);
    REFUSED(a.booking.user = SPAN(""));
    REFUSED(a.booking.user = ((struct span){user, sizeof(user)}));
    REFUSED(a.booking.user = SPAN("a\xff"));
    REFUSED(a.booking.created_ms = -1);
    REFUSED(a.booking.expires_ms = -1);
    REFUSED(a.booking.amount = -1);
    REFUSED(a.booking.lines = 0);
    REFUSED(a.booking.line[0].tier = 0);
    REFUSED(a.booking.line[0].tier = TIERS_MAX + 1);
    REFUSED(a.booking.line[0].quantity = QUANTITY_MAX + 1);
    REFUSED(a.booking.line[0].price = -1);
    REFUSED(a.booking.line[0].price = PRICE_MAX + INT64_C(1));
}

TEST(who_cannot_wait_is_refused)
{
    REFUSED_OF(waits, a.waiting.user = SPAN(""));
    REFUSED_OF(waits, a.waiting.line.tier = 0);
    REFUSED_OF(waits, a.waiting.line.tier = TIERS_MAX + 1);
    REFUSED_OF(waits, a.waiting.line.quantity = 0);
    REFUSED_OF(waits, a.waiting.line.quantity = QUANTITY_MAX + 1);
    REFUSED_OF(waits, a.waiting.joined_ms = -1);
}

#define TAKEN(change)                                                                              \
    do {                                                                                           \
        struct answer a = granted();                                                               \
        struct answer back;                                                                        \
        struct buf b;                                                                              \
        change;                                                                                    \
        b = packed(&a);                                                                            \
        assert_int_equal(answer_read(buf_span(&b), &back), ERR_NONE);                              \
        buf_free(&b);                                                                              \
    } while (0)

TEST(what_stands_at_its_bound_is_taken)
{
    char user[USER_BYTES_MAX];

    memset(user, 'u', sizeof(user));
    TAKEN(a.booking.user = ((struct span){user, sizeof(user)}));
    TAKEN(a.booking.lines = 1);
    TAKEN(a.booking.line[0].quantity = QUANTITY_MAX);
    TAKEN(a.booking.line[0].tier = TIERS_MAX);
    TAKEN(a.available = 0);
    TAKEN(a.at_ms = 0);
    TAKEN(a.booking.lines = LINES_MAX;
          for (int i = 0; i < LINES_MAX; i++) a.booking.line[i] = a.booking.line[0]);
}

TEST(seats_come_back)
{
    struct answer a = granted(), b = refused(), back;
    struct buf bytes;

    a.booking.seats = ((struct span){"\0\0\0\1\0\0\0\2", 8});
    bytes = packed(&a);
    assert_int_equal(answer_read(buf_span(&bytes), &back), ERR_NONE);
    assert_same(&a, &back);
    buf_free(&bytes);
    b.code = CODE_SEAT_TAKEN;
    b.conflicts = ((struct span){"\0\0\0\7", 4});
    bytes = packed(&b);
    assert_int_equal(answer_read(buf_span(&bytes), &back), ERR_NONE);
    assert_same(&b, &back);
    buf_free(&bytes);
}

/* Packed as a version would that has so many elements more, each of them one byte. */
static void is_same_with(struct answer a, struct span more)
{
    struct answer back;
    struct buf b = packed(&a);

    b.bytes[0] = (char)(b.bytes[0] + (char)more.len);
    buf_put(&b, more.bytes, more.len);
    assert_int_equal(answer_read(buf_span(&b), &back), ERR_NONE);
    assert_same(&a, &back);
    buf_free(&b);
}

TEST(what_a_later_version_adds_is_passed_over)
{
    struct answer taken = refused(), admin = refused();
    struct booking booking;
    struct tree t;
    static const struct span longer = BYTES("\x9a\xb0"
                                            "0123456789abcdef\xa1u\x03\x05\x00\x0a"
                                            "\x91\x95\x01\x01\x0a\xc0\x90"
                                            "\xc0\x80\x07");

    taken.code = CODE_SEAT_TAKEN;
    taken.conflicts = ((struct span){"\0\0\0\7", 4});
    admin.op = OP_ADMIN;
    admin.told = SPAN("{\"state\":\"open\"}");
    is_same_with(granted(), BYTES("\xc0\x80"));
    is_same_with(granted(), BYTES("\xc0\xc0\x07\x90"));
    is_same_with(refused(), BYTES("\xc0\x07"));
    is_same_with(waits(), BYTES("\xc0\x80"));
    is_same_with(taken, BYTES("\x80"));
    is_same_with(admin, BYTES("\xc0\x07"));
    assert_int_equal(tree_read(&t, longer.bytes, longer.len), ERR_NONE);
    assert_int_equal(booking_from(tree_root(&t), &booking), ERR_NONE);
    assert_true(booking.lines == 1 && booking.line[0].price == 10 && booking.seats.len == 0);
    tree_free(&t);
}

TEST(more_is_told_of_who_waits)
{
    struct answer a;

    assert_int_equal(answer_read(BYTES("\x98\x01\x05\x08\xa8"
                                       "01234567\x07\x98\xb0"
                                       "0123456789abcdef\xa1u\x01\x02\x05\x09\x07\x90\xc0\x00"),
                                 &a),
                     ERR_NONE);
    assert_true(a.has_waiting && !a.has_booking && a.waiting.place == 9);
}

TEST(seats_that_are_none_are_refused)
{
    REFUSED(a.booking.seats = ((struct span){"\0\0\0\2\0\0\0\2", 8}));
    REFUSED(a.conflicts = ((struct span){"\0\0\0", 3}));
}

TEST(an_id_of_another_length_is_refused)
{
    struct tree t;
    struct booking booking;
    struct span s = BYTES("\x97\xaf"
                          "0123456789abcde\xa1u\x03\x05\x00\x0a\x91\x93\x01\x01\x0a");

    assert_int_equal(tree_read(&t, s.bytes, s.len), ERR_NONE);
    assert_int_equal(booking_from(tree_root(&t), &booking), ERR_INPUT);
    tree_free(&t);
}

TEST(more_lines_than_there_may_be_are_refused)
{
    struct answer a = granted();
    struct buf b;
    struct tree t;
    struct booking booking;

    a.booking.lines = 0;
    buf_init(&b, 4096);
    booking_pack(&b, &a.booking);
    b.len--; /* the head of no lines */
    pack_array(&b, LINES_MAX + 1);
    for (uint32_t i = 0; i <= LINES_MAX; i++) {
        pack_array(&b, 3);
        pack_uint(&b, i + 1);
        pack_uint(&b, 1);
        pack_uint(&b, 1);
    }
    assert_int_equal(tree_read(&t, b.bytes, b.len), ERR_NONE);
    assert_int_equal(booking_from(tree_root(&t), &booking), ERR_INPUT);
    tree_free(&t);
    buf_free(&b);
}

TEST(the_quantity_is_of_all_lines)
{
    struct answer a = granted();

    assert_int_equal(booking_quantity(&a.booking), 3);
    a.booking.line[1].quantity = 4;
    assert_int_equal(booking_quantity(&a.booking), 7);
    a.booking.lines = 0;
    assert_int_equal(booking_quantity(&a.booking), 0);
}

TEST(lines_are_read_from_text)
{
    static const char *const wrong[] = {"",        "1",           "1:2",    "1:2:x", "33:1:1",
                                        "1:2:3:4", "1:2:3;2:2:3", "1:-2:3", "2:0:5"};
    struct booking booking;

    assert_true(booking_lines_read(BYTES("1:2:300,4:0:5,32:1:0"), &booking));
    assert_int_equal(booking.lines, 2);
    assert_int_equal(booking.line[0].tier, 1);
    assert_int_equal(booking.line[0].quantity, 2);
    assert_int_equal(booking.line[0].price, 300);
    assert_int_equal(booking.line[1].tier, 32);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(booking_lines_read(span_of(wrong[i]), &booking));
    assert_false(booking_lines_read(
        BYTES("1:1:1,2:1:1,3:1:1,4:1:1,5:1:1,6:1:1,7:1:1,8:1:1,9:1:1,10:1:1,11:1:1"), &booking));
}

TEST(changed_bytes_never_lead_beyond_the_end)
{
    struct answer a = granted();
    struct buf b = packed(&a);

    for (size_t at = 0; at < b.len; at++) {
        for (unsigned c = 0; c < 256; c++) {
            char was = b.bytes[at];
            struct answer back;

            b.bytes[at] = (char)c;
            if (answer_read(buf_span(&b), &back) == ERR_NONE) {
                assert_non_null(code_name(back.code));
                assert_true(back.booking.lines <= LINES_MAX);
            }
            b.bytes[at] = was;
        }
    }
    buf_free(&b);
}

int main(void)
{
    return RUN(
        cmocka_unit_test(lines_are_read_from_text), cmocka_unit_test(an_answer_survives_the_way),
        cmocka_unit_test(several_bookings_survive_the_way),
        cmocka_unit_test(a_refusal_of_several_names_the_show),
        cmocka_unit_test(what_an_operator_did_is_told),
        cmocka_unit_test(every_truncation_is_refused), cmocka_unit_test(every_field_has_its_kind),
        cmocka_unit_test(every_field_of_a_booking_has_its_kind),
        cmocka_unit_test(what_cannot_be_is_refused), cmocka_unit_test(who_cannot_wait_is_refused),
        cmocka_unit_test(what_stands_at_its_bound_is_taken), cmocka_unit_test(seats_come_back),
        cmocka_unit_test(what_a_later_version_adds_is_passed_over),
        cmocka_unit_test(more_is_told_of_who_waits),
        cmocka_unit_test(seats_that_are_none_are_refused),
        cmocka_unit_test(an_id_of_another_length_is_refused),
        cmocka_unit_test(more_lines_than_there_may_be_are_refused),
        cmocka_unit_test(the_quantity_is_of_all_lines),
        cmocka_unit_test(changed_bytes_never_lead_beyond_the_end));
}
