/* Entries of the stream as a whole, and the fingerprints of what is in them. */
#include "tests/unit/request_sample.h"

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

/* It may be what makes another request of it: an allocator of an earlier version does not guess. */
TEST(what_a_later_version_asks_is_refused)
{
    for (int op = 1; op < OPERATIONS_END; op++) {
        struct request r = sample((enum operation)op);
        struct buf b = entry_of(&r);

        b.bytes[1]++; /* behind the arguments, an admission that is none */
        pack_nil(&b);
        is_refused(buf_span(&b));
        b.bytes[1]++;
        pack_nil(&b);
        is_refused(buf_span(&b));
        buf_free(&b);
    }
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

TEST(seats_are_part_of_what_is_asked)
{
    struct request one = sample(OP_BOOK), other = sample(OP_BOOK);

    one.seats = SEATS(1);
    other.seats = SEATS(2);
    request_set_fingerprint(&one);
    request_set_fingerprint(&other);
    assert_memory_not_equal(one.fingerprint, other.fingerprint, FINGERPRINT_BYTES);
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
    return RUN(cmocka_unit_test(every_operation_survives_the_stream),
               cmocka_unit_test(an_admission_goes_along_and_is_no_part_of_what_is_asked),
               cmocka_unit_test(every_truncation_is_refused),
               cmocka_unit_test(every_field_has_its_kind),
               cmocka_unit_test(bytes_of_another_length_are_refused),
               cmocka_unit_test(what_a_later_version_asks_is_refused),
               cmocka_unit_test(what_is_no_entry_is_refused),
               cmocka_unit_test(an_entry_beyond_the_bound_is_refused),
               cmocka_unit_test(more_requests_than_asked_for_are_a_bound),
               cmocka_unit_test(one_bad_request_spoils_the_entry),
               cmocka_unit_test(an_operation_that_is_none_is_refused),
               cmocka_unit_test(seats_are_part_of_what_is_asked),
               cmocka_unit_test(the_fingerprint_is_of_what_is_asked_and_of_nothing_else),
               cmocka_unit_test(whatever_is_asked_otherwise_has_another_fingerprint),
               cmocka_unit_test(the_fingerprint_is_a_hash_known_elsewhere),
               cmocka_unit_test(the_largest_request_has_a_fingerprint));
}
