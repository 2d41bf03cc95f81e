#include "base/codec.h"
#include "base/request.h"
#include "base/seats.h"
#include "tests/unit/unit.h"

#define OPERATIONS_END (OP_ADMIN + 1)
#define TRACE "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"

static struct request sample(enum operation op)
{
    struct request r = {
        .id = id_fresh(7, ID_EPOCH_MS + 1000, 30000, 42),
        .op = op,
        .show = 7,
        .user = SPAN("Zo\xc3\xab"),
        .deadline_ms = 1767225600000,
        .fingerprint = "\x00\xff"
                       "345678",
        .reply_to = SPAN("gateway-1"),
        .trace = SPAN(TRACE),
    };

    switch (op) {
    case OP_BOOK:
    case OP_HOLD:
        r.lines = 2;
        r.line[0] = (struct line){1, 3};
        r.line[1] = (struct line){TIERS_MAX, QUANTITY_MAX};
        break;
    case OP_JOIN:
        r.lines = 1;
        r.line[0] = (struct line){3, 2};
        break;
    case OP_CONFIRM:
    case OP_EXTEND:
    case OP_LEAVE:
        r.booking = id_fresh(7, ID_EPOCH_MS, 30000, 41);
        break;
    case OP_CANCEL:
        r.booking = id_fresh(7, ID_EPOCH_MS, 30000, 41);
        r.line[0] = (struct line){2, 1};
        break;
    case OP_PAY:
        r.booking = id_fresh(7, ID_EPOCH_MS, 30000, 41);
        r.method = SPAN("pm_1");
        break;
    case OP_SETTLE:
        r.booking = id_fresh(7, ID_EPOCH_MS, 30000, 41);
        r.payment = id_fresh(7, ID_EPOCH_MS, 30000, 40);
        r.result = RESULT_FAILED;
        r.reference = SPAN("pi_1");
        r.reason = SPAN("card_declined");
        break;
    case OP_REFRESH:
        break;
    case OP_ADMIN:
        r.action = SPAN("booking.cancel");
        r.settings = SPAN("{\"reason\":\"rain\"}");
        r.booking = id_fresh(7, ID_EPOCH_MS, 30000, 41);
        r.has_booking = true;
        break;
    case OP_SEVERAL:
        r.take = OP_HOLD;
        r.parts = 4;
        r.part[0] =
            (struct show_line){.show = 7, .line = {2, 1}, .seats = BYTES("\0\0\0\1\0\0\0\2")};
        r.part[1] = (struct show_line){.show = 7, .line = {3, 1}};
        r.part[2] = (struct show_line){.show = 5, .line = {1, QUANTITY_MAX}};
        r.part[3] = (struct show_line){.show = 9, .line = {1, 2}, .seats = BYTES("\0\0\0\7")};
        break;
    }
    return r;
}

static void assert_same(const struct request *a, const struct request *b)
{
    assert_true(id_equal(a->id, b->id));
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->show, b->show);
    assert_span(a->user, b->user);
    assert_true(a->deadline_ms == b->deadline_ms);
    assert_memory_equal(a->fingerprint, b->fingerprint, FINGERPRINT_BYTES);
    assert_span(a->reply_to, b->reply_to);
    assert_span(a->trace, b->trace);
    assert_int_equal(a->lines, b->lines);
    assert_memory_equal(a->line, b->line, sizeof(a->line));
    assert_true(id_equal(a->booking, b->booking));
    assert_span(a->seats, b->seats);
    assert_int_equal(a->take, b->take);
    assert_int_equal(a->parts, b->parts);
    for (size_t i = 0; i < a->parts; i++) {
        assert_int_equal(a->part[i].show, b->part[i].show);
        assert_memory_equal(&a->part[i].line, &b->part[i].line, sizeof(a->part[i].line));
        assert_span(a->part[i].seats, b->part[i].seats);
    }
    assert_span(a->method, b->method);
    assert_true(id_equal(a->payment, b->payment));
    assert_int_equal(a->result, b->result);
    assert_span(a->reference, b->reference);
    assert_span(a->reason, b->reason);
}

/* An entry of one request; owned by the caller. */
static struct buf entry_of(const struct request *r)
{
    struct buf b;

    buf_init(&b, ENTRY_BYTES_MAX);
    pack_array(&b, 1);
    request_pack(&b, r);
    assert_false(b.failed);
    return b;
}

static enum err read_one(struct span s)
{
    static struct request r[BATCH_REQUESTS_MAX]; /* room for one that stands alone */
    struct guarded g = guarded_copy(s);
    size_t count = 0;
    enum err err = entry_read(g.span, r, BATCH_REQUESTS_MAX, &count);

    guarded_free(&g);
    return err;
}

static enum err written_and_read(const struct request *r)
{
    struct buf b = entry_of(r);
    enum err err = read_one(buf_span(&b));

    buf_free(&b);
    return err;
}

static void is_refused(struct span s)
{
    assert_int_equal(read_one(s), ERR_INPUT);
}

TEST(every_operation_survives_the_stream)
{
    struct request r[OPERATIONS_END];
    struct request back[OPERATIONS_END];
    struct buf b, entry;
    size_t count = 0, sent = 0, weight = 0;

    buf_init(&b, ENTRY_BYTES_MAX);
    buf_init(&entry, ENTRY_BYTES_MAX);
    for (int op = 0; op < OPERATIONS_END; op++) {
        if (operation_name((enum operation)op) == NULL)
            continue;
        if (op == OP_ADMIN)
            continue; /* stands alone */
        r[sent] = sample((enum operation)op);
        weight += request_weight(&r[sent]);
        request_pack(&b, &r[sent++]);
    }
    pack_array(&entry, sent);
    buf_put(&entry, b.bytes, b.len);
    assert_int_equal(entry_read(buf_span(&entry), back, weight, &count), ERR_NONE);
    assert_int_equal(count, sent);
    for (size_t i = 0; i < sent; i++)
        assert_same(&r[i], &back[i]);
    buf_free(&b);
    buf_free(&entry);
}

TEST(an_admission_goes_along_and_is_no_part_of_what_is_asked)
{
    struct request r = sample(OP_BOOK), read;
    struct buf b;
    size_t count;

    buf_init(&b, 4096);
    request_set_fingerprint(&r);
    pack_array(&b, 1);
    r.admission = 17;
    r.admitted_ms = 1767225600001;
    request_pack(&b, &r);
    assert_int_equal(entry_read(buf_span(&b), &read, 1, &count), ERR_NONE);
    assert_int_equal(read.admission, 17);
    assert_true(read.admitted_ms == 1767225600001);
    request_set_fingerprint(&read);
    assert_memory_equal(read.fingerprint, r.fingerprint, FINGERPRINT_BYTES);
    /* Only who takes places has any use for one. */
    r = sample(OP_CONFIRM);
    r.admission = 17;
    buf_reset(&b);
    pack_array(&b, 1);
    request_pack(&b, &r);
    assert_int_equal(entry_read(buf_span(&b), &read, 1, &count), ERR_INPUT);
    buf_free(&b);
}

TEST(every_truncation_is_refused)
{
    for (int op = 0; op < OPERATIONS_END; op++) {
        if (operation_name((enum operation)op) == NULL)
            continue;
        struct request r = sample((enum operation)op);
        struct buf b = entry_of(&r);

        each_prefix(buf_span(&b), is_refused);
        buf_putc(&b, '\0');
        is_refused(buf_span(&b));
        buf_free(&b);
    }
}

/* Any one field replaced by a value of another kind, or left out, or one too many. */
TEST(every_field_has_its_kind)
{
    static const struct span wrong[] = {BYTES("\xc0"),
                                        BYTES("\xff"),
                                        BYTES("\xc3"),
                                        BYTES("\x80"),
                                        BYTES("\xcb\x3f\xf0\0\0\0\0\0\0"),
                                        BYTES("\xc4\x01"
                                              "a")};
    static const struct span right[] = {BYTES("\xb0"
                                              "0123456789abcdef"),
                                        BYTES("\x01"),
                                        BYTES("\x07"),
                                        BYTES("\xa1"
                                              "u"),
                                        BYTES("\x00"),
                                        BYTES("\xa8"
                                              "01234567"),
                                        BYTES("\xa1"
                                              "g"),
                                        BYTES("\xa0"),
                                        BYTES("\x91\x92\x01\x01"),
                                        BYTES("\xc0")};

    for (size_t at = 0; at < 9; at++) {
        for (size_t i = 0; i <= COUNT(wrong); i++) {
            struct buf b;

            buf_init(&b, 1000);
            buf_puts(&b, "\x91\x99");
            for (size_t j = 0; j < 9; j++) {
                struct span s = j == at && i < COUNT(wrong) ? wrong[i] : right[j];

                buf_put(&b, s.bytes, s.len);
            }
            assert_int_equal(read_one(buf_span(&b)), i < COUNT(wrong) ? ERR_INPUT : ERR_NONE);
            buf_free(&b);
        }
    }
    for (size_t fields = 0; fields <= 10; fields++) {
        struct buf b;

        buf_init(&b, 1000);
        buf_putc(&b, '\x91');
        pack_array(&b, fields);
        for (size_t j = 0; j < fields; j++)
            buf_put(&b, right[j].bytes, right[j].len);
        assert_int_equal(read_one(buf_span(&b)), fields == 9 ? ERR_NONE : ERR_INPUT);
        buf_free(&b);
    }
}

TEST(bytes_of_another_length_are_refused)
{
    is_refused(BYTES("\x91\x99\xaf"
                     "0123456789abcde\x01\x07\xa1u\x00\xa8"
                     "01234567\xa1g\xa0\x90"));
    is_refused(BYTES("\x91\x99\xb0"
                     "0123456789abcdef\x06\x07\xa1u\x00\xa7"
                     "0123456\xa1g\xa0\x90"));
    is_refused(BYTES("\x91\x99\xb0"
                     "0123456789abcdef\x06\x07\xa1u\x00\xa9"
                     "012345678\xa1g\xa0\x90"));
    assert_int_equal(read_one(BYTES("\x91\x99\xb0"
                                    "0123456789abcdef\x06\x07\xa1u\x00\xa8"
                                    "01234567\xa1g\xa0\x90")),
                     ERR_NONE);
}

TEST(what_is_no_entry_is_refused)
{
    is_refused(BYTES("\xc0"));
    is_refused(BYTES("\x90")); /* nobody enqueues nothing */
    is_refused(BYTES("\x80"));
    is_refused(BYTES("\x91\xc0"));
    is_refused(BYTES("\x91\x90"));
    is_refused(BYTES("\xdd\xff\xff\xff\xff"));
}

TEST(an_entry_beyond_the_bound_is_refused)
{
    char *big = malloc(ENTRY_BYTES_MAX + 1);

    memset(big, '\xa0', ENTRY_BYTES_MAX + 1);
    is_refused((struct span){big, ENTRY_BYTES_MAX + 1});
    free(big);
}

TEST(more_requests_than_asked_for_are_a_bound)
{
    struct request r = sample(OP_BOOK);
    struct request back[2];
    struct buf b;
    size_t count = 0;

    buf_init(&b, ENTRY_BYTES_MAX);
    pack_array(&b, 3);
    for (int i = 0; i < 3; i++)
        request_pack(&b, &r);
    assert_int_equal(entry_read(buf_span(&b), back, 2, &count), ERR_BOUND);
    buf_free(&b);
}

TEST(one_bad_request_spoils_the_entry)
{
    struct request r = sample(OP_BOOK);
    struct request back[2];
    struct buf b;
    size_t count = 0;

    buf_init(&b, ENTRY_BYTES_MAX);
    pack_array(&b, 2);
    request_pack(&b, &r);
    r.line[1].quantity = 0;
    request_pack(&b, &r);
    assert_int_equal(entry_read(buf_span(&b), back, 2, &count), ERR_INPUT);
    buf_free(&b);
}

TEST(an_operation_that_is_none_is_refused)
{
    struct request r = sample(OP_BOOK);
    struct buf b = entry_of(&r);

    assert_int_equal(b.bytes[19], OP_BOOK); /* two heads, and the id with its own */
    b.bytes[19] = 0;
    is_refused(buf_span(&b));
    b.bytes[19] = OPERATIONS_END;
    is_refused(buf_span(&b));
    b.bytes[19] = 127;
    is_refused(buf_span(&b));
    buf_free(&b);
}

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

static const char positions[] = "\0\0\0\1\0\0\0\2\0\3\0\1";
#define SEATS(n) ((struct span){positions, 4 * (n)})

TEST(seats_may_be_named)
{
    TAKEN(OP_BOOK, r.seats = SEATS(3));
    TAKEN(OP_HOLD, r.seats = SEATS(1));
    TAKEN(OP_CANCEL, r.seats = SEATS(2); r.line[0] = ((struct line){0, 0}));
    REFUSED(OP_CANCEL, r.seats = SEATS(2)); /* beside a part that is told by number */
    REFUSED(OP_BOOK, r.lines = 0; r.seats = SEATS(1));
    REFUSED(OP_BOOK, r.seats = ((struct span){positions, 5}));
    REFUSED(OP_BOOK, r.seats = ((struct span){"\1\0\0\0", 4})); /* beyond every map */
    REFUSED(OP_BOOK, r.seats = ((struct span){"\0\0\0\2\0\0\0\1", 8}));
}

TEST(seats_are_part_of_what_is_asked)
{
    struct request one = sample(OP_BOOK), other = sample(OP_BOOK);

    one.seats = SEATS(1);
    other.seats = SEATS(2);
    request_set_fingerprint(&one);
    request_set_fingerprint(&other);
    assert_memory_not_equal(one.fingerprint, other.fingerprint, FINGERPRINT_BYTES);
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

TEST(the_fingerprint_is_of_what_is_asked_and_of_nothing_else)
{
    struct request a = sample(OP_BOOK);
    struct request b = sample(OP_BOOK);

    request_set_fingerprint(&a);
    b.id = id_fresh(7, ID_EPOCH_MS + 5, 0, 0);
    b.deadline_ms++;
    b.reply_to = SPAN("gateway-2");
    b.trace = SPAN("");
    request_set_fingerprint(&b);
    assert_memory_equal(a.fingerprint, b.fingerprint, FINGERPRINT_BYTES);
}

#define DIFFERS(op_, change)                                                                       \
    do {                                                                                           \
        struct request a = sample(op_);                                                            \
        struct request r = sample(op_);                                                            \
        change;                                                                                    \
        request_set_fingerprint(&a);                                                               \
        request_set_fingerprint(&r);                                                               \
        assert_memory_not_equal(a.fingerprint, r.fingerprint, FINGERPRINT_BYTES);                  \
    } while (0)

TEST(whatever_is_asked_otherwise_has_another_fingerprint)
{
    DIFFERS(OP_BOOK, r.op = OP_HOLD);
    DIFFERS(OP_BOOK, r.show = 8);
    DIFFERS(OP_BOOK, r.user = SPAN("ann"));
    DIFFERS(OP_BOOK, r.lines = 1);
    DIFFERS(OP_BOOK, r.line[0].tier = 2);
    DIFFERS(OP_BOOK, r.line[1].quantity = 1);
    DIFFERS(OP_CONFIRM, r.booking.bytes[15] ^= 1);
    DIFFERS(OP_CANCEL, r.line[0].quantity = 0);
}

TEST(the_fingerprint_is_a_hash_known_elsewhere)
{
    struct request r = {
        .op = OP_BOOK, .show = 7, .user = SPAN("ann"), .lines = 1, .line = {{1, 2}}};
    static const unsigned char want[FINGERPRINT_BYTES] = {0x42, 0xe3, 0x47, 0xa7,
                                                          0x75, 0x9f, 0xd8, 0x15};

    request_set_fingerprint(&r); /* of the bytes 94 01 07 a3 61 6e 6e 91 92 01 02 */
    assert_memory_equal(r.fingerprint, want, FINGERPRINT_BYTES);
}

TEST(the_largest_request_has_a_fingerprint)
{
    struct request r = sample(OP_BOOK);
    char user[USER_BYTES_MAX];

    memset(user, 'u', sizeof(user));
    r.user = (struct span){user, sizeof(user)};
    r.show = INT32_MAX;
    r.lines = LINES_MAX;
    for (uint32_t i = 0; i < LINES_MAX; i++)
        r.line[i] = (struct line){UINT32_MAX, UINT32_MAX};
    request_set_fingerprint(&r);
}

int main(void)
{
    return RUN(
        cmocka_unit_test(every_operation_survives_the_stream),
        cmocka_unit_test(an_admission_goes_along_and_is_no_part_of_what_is_asked),
        cmocka_unit_test(every_truncation_is_refused), cmocka_unit_test(every_field_has_its_kind),
        cmocka_unit_test(bytes_of_another_length_are_refused),
        cmocka_unit_test(what_is_no_entry_is_refused),
        cmocka_unit_test(an_entry_beyond_the_bound_is_refused),
        cmocka_unit_test(more_requests_than_asked_for_are_a_bound),
        cmocka_unit_test(one_bad_request_spoils_the_entry),
        cmocka_unit_test(an_operation_that_is_none_is_refused),
        cmocka_unit_test(lines_stay_within_their_bounds),
        cmocka_unit_test(a_booking_has_at_most_lines_max_lines),
        cmocka_unit_test(one_for_several_shows_weighs_as_many),
        cmocka_unit_test(what_an_operator_does_has_a_name_and_stands_alone),
        cmocka_unit_test(several_shows_come_in_their_order),
        cmocka_unit_test(several_shows_have_their_bounds),
        cmocka_unit_test(seats_of_several_shows_stand_with_the_first_row_of_each),
        cmocka_unit_test(texts_stay_within_their_bounds), cmocka_unit_test(a_line_is_a_pair),
        cmocka_unit_test(only_who_takes_places_must_be_named),
        cmocka_unit_test(shows_and_times_are_not_negative_and_not_huge),
        cmocka_unit_test(a_settlement_says_one_of_three_things),
        cmocka_unit_test(a_part_to_cancel_may_be_all_of_it),
        cmocka_unit_test(who_waits_waits_for_something),
        cmocka_unit_test(arguments_belong_to_their_operation),
        cmocka_unit_test(the_fingerprint_is_of_what_is_asked_and_of_nothing_else),
        cmocka_unit_test(whatever_is_asked_otherwise_has_another_fingerprint),
        cmocka_unit_test(seats_may_be_named), cmocka_unit_test(seats_are_part_of_what_is_asked),
        cmocka_unit_test(the_fingerprint_is_a_hash_known_elsewhere),
        cmocka_unit_test(the_largest_request_has_a_fingerprint));
}
