#include "base/bounds.h"
#include "base/id.h"
#include "tests/unit/unit.h"

#define NOW (ID_EPOCH_MS + 123456789012)

TEST(a_fresh_id_tells_what_it_was_made_of)
{
    struct id id = id_fresh(4000000007u, NOW, 30000, UINT64_MAX);

    assert_true(id_show(id) == 4000000007u);
    assert_false(id_is_keyed(id));
    assert_true(id_made_ms(id) == NOW);
    assert_true(id_deadline_ms(id) == NOW + 32000); /* rounded up to units of four seconds */
}

TEST(deadlines_are_rounded_up_and_never_down)
{
    for (int64_t ms = 0; ms <= DEADLINE_MS_MAX; ms += 499) {
        int64_t told = id_deadline_ms(id_fresh(1, NOW, ms, 0)) - NOW;

        assert_true(told >= ms && told < ms + ID_DEADLINE_UNIT_MS);
    }
    assert_true(id_deadline_ms(id_fresh(1, NOW, DEADLINE_MS_MAX, 0)) == NOW + DEADLINE_MS_MAX);
    assert_true(id_deadline_ms(id_fresh(1, NOW, 0, 0)) == NOW);
}

static void make_with_deadline(int64_t deadline_ms)
{
    id_fresh(1, NOW, deadline_ms, 0);
}

TEST(a_deadline_beyond_the_bound_is_a_programming_error)
{
    assert_true(aborts(make_with_deadline, DEADLINE_MS_MAX + 1));
    assert_true(aborts(make_with_deadline, -1));
    assert_false(aborts(make_with_deadline, DEADLINE_MS_MAX));
}

TEST(the_layout_is_the_documented_one)
{
    struct id id = id_fresh(0x01020304, ID_EPOCH_MS + 0x1ffffffffff, 600000, 0x3fffffffffff);
    static const unsigned char want[ID_BYTES] = {1,    2,    3,    4,    0x7f, 0xff, 0xff, 0xff,
                                                 0xff, 0xe5, 0xbf, 0xff, 0xff, 0xff, 0xff, 0xff};

    /* 41 bits of time, then 150 units of deadline, then 46 random bits. */
    assert_memory_equal(id.bytes, want, ID_BYTES);
}

TEST(a_clock_out_of_range_is_cut_to_it)
{
    assert_true(id_made_ms(id_fresh(1, 0, 0, 0)) == ID_EPOCH_MS);
    assert_true(id_made_ms(id_fresh(1, INT64_MAX, 0, 0)) == ID_EPOCH_MS + 0x1ffffffffff);
    assert_false(id_is_keyed(id_fresh(1, INT64_MAX, DEADLINE_MS_MAX, UINT64_MAX)));
}

TEST(fresh_ids_of_a_show_grow_with_time)
{
    struct id before = id_fresh(7, NOW, DEADLINE_MS_MAX, UINT64_MAX);
    struct id after = id_fresh(7, NOW + 1, 0, 0);
    struct id other = id_fresh(8, ID_EPOCH_MS, 0, 0);

    assert_true(memcmp(before.bytes, after.bytes, ID_BYTES) < 0);
    assert_true(memcmp(after.bytes, other.bytes, ID_BYTES) < 0);
}

TEST(the_same_key_is_the_same_request)
{
    struct id a = id_keyed(7, SPAN("ann"), SPAN("/book"), SPAN("k1"));

    assert_true(id_is_keyed(a));
    assert_int_equal(id_show(a), 7);
    assert_true(id_equal(a, id_keyed(7, SPAN("ann"), SPAN("/book"), SPAN("k1"))));
    assert_false(id_equal(a, id_keyed(8, SPAN("ann"), SPAN("/book"), SPAN("k1"))));
    assert_false(id_equal(a, id_keyed(7, SPAN("bob"), SPAN("/book"), SPAN("k1"))));
    assert_false(id_equal(a, id_keyed(7, SPAN("ann"), SPAN("/hold"), SPAN("k1"))));
    assert_false(id_equal(a, id_keyed(7, SPAN("ann"), SPAN("/book"), SPAN("k2"))));
}

TEST(the_parts_of_a_key_do_not_run_together)
{
    struct id a = id_keyed(7, SPAN("ann/"), SPAN("book"), SPAN("k1"));

    assert_false(id_equal(a, id_keyed(7, SPAN("ann"), SPAN("/book"), SPAN("k1"))));
    assert_false(id_equal(a, id_keyed(7, SPAN("ann/"), SPAN("bookk"), SPAN("1"))));
    assert_false(id_equal(id_keyed(7, span_of(NULL), SPAN("a"), SPAN("")),
                          id_keyed(7, SPAN("a"), SPAN(""), SPAN(""))));
}

TEST(a_keyed_id_is_a_hash_known_elsewhere)
{
    /* SHA-256 of "\0\0\0\3ann\0\0\0\5/book\0\0\0\2k1", its first twelve bytes, highest bit set. */
    char text[ID_TEXT_BYTES];

    id_format(id_keyed(7, SPAN("ann"), SPAN("/book"), SPAN("k1")), text);
    assert_string_equal(text, "000000fpxtv855767zk1w13c6g");
}

TEST(a_part_of_a_request_has_its_own_id)
{
    struct id fresh = id_fresh(7, NOW, 30000, 1);
    struct id keyed = id_keyed(7, SPAN("ann"), SPAN("/book"), SPAN("k1"));
    struct id part = id_part(fresh, 8);

    assert_int_equal(id_show(part), 8);
    assert_memory_equal(part.bytes + 4, fresh.bytes + 4, ID_BYTES - 4);
    part = id_part(keyed, 8);
    assert_int_equal(id_show(part), 8);
    assert_true(id_is_keyed(part));
    /* Not what the same key would name for that show alone. */
    assert_false(id_equal(part, id_keyed(8, SPAN("ann"), SPAN("/book"), SPAN("k1"))));
    assert_false(id_equal(part, id_part(keyed, 9)));
    assert_true(id_equal(part, id_part(keyed, 8)));
}

TEST(text_and_back_is_the_same_id)
{
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t random = i * UINT64_C(0x9e3779b97f4a7c15);
        struct id id = id_fresh((uint32_t)random, NOW + (int64_t)i, (int64_t)i * 600, random);
        struct id back;
        char text[ID_TEXT_BYTES];

        id_format(id, text);
        assert_int_equal(strlen(text), ID_TEXT_BYTES - 1);
        assert_int_equal(id_parse(span_of(text), &back), ERR_NONE);
        assert_true(id_equal(id, back));
    }
}

TEST(known_texts)
{
    struct id id;
    char text[ID_TEXT_BYTES];

    memset(id.bytes, 0, ID_BYTES);
    id_format(id, text);
    assert_string_equal(text, "00000000000000000000000000");
    memset(id.bytes, 0xff, ID_BYTES);
    id_format(id, text);
    assert_string_equal(text, "7zzzzzzzzzzzzzzzzzzzzzzzzz");
    memset(id.bytes, 0, ID_BYTES);
    id.bytes[15] = 33;
    id_format(id, text);
    assert_string_equal(text, "00000000000000000000000011");
}

TEST(text_keeps_the_order)
{
    char before[ID_TEXT_BYTES];
    char after[ID_TEXT_BYTES];

    id_format(id_fresh(7, NOW, 600000, UINT64_MAX), before);
    id_format(id_fresh(7, NOW + 1, 0, 0), after);
    assert_true(strcmp(before, after) < 0);
}

TEST(upper_case_is_taken)
{
    struct id lower;
    struct id upper;

    assert_int_equal(id_parse(SPAN("01abcdefghjkmnpqrstvwxyz23"), &lower), ERR_NONE);
    assert_int_equal(id_parse(SPAN("01ABCDEFGHJKMNPQRSTVWXYZ23"), &upper), ERR_NONE);
    assert_true(id_equal(lower, upper));
}

TEST(every_other_byte_is_refused)
{
    const char *alphabet = "0123456789abcdefghjkmnpqrstvwxyzABCDEFGHJKMNPQRSTVWXYZ";

    for (int c = 0; c < 256; c++) {
        for (size_t at = 0; at < 26; at++) {
            char text[26];
            bool right =
                c != 0 && strchr(alphabet, c) != NULL && (at > 0 || (c >= '0' && c <= '7'));
            struct id id;

            memset(text, '1', sizeof(text));
            text[at] = (char)c;
            assert_int_equal(id_parse((struct span){text, sizeof(text)}, &id),
                             right ? ERR_NONE : ERR_INPUT);
        }
    }
}

static void is_refused(struct span s)
{
    struct id id = {{0}};

    assert_int_equal(id_parse(s, &id), ERR_INPUT);
    assert_int_equal(id.bytes[0], 0);
}

TEST(a_text_of_another_length_is_refused)
{
    each_prefix(SPAN("01abcdefghjkmnpqrstvwxyz23"), is_refused);
    is_refused(SPAN("01abcdefghjkmnpqrstvwxyz234"));
    is_refused(BYTES("01abcdefghjkmnpqrstvwxyz23\0"));
    is_refused(span_of(NULL));
}

TEST(hashes_differ)
{
    enum { IDS = 4096, SLOTS = 4096 };
    static unsigned char load[SLOTS];
    unsigned most = 0;

    for (unsigned i = 0; i < IDS; i++) {
        struct id id = id_fresh(7, NOW, 30000, i); /* the worst case: they differ in twelve bits */
        unsigned slot = (unsigned)(id_hash(id) % SLOTS);

        load[slot]++;
        most = load[slot] > most ? load[slot] : most;
    }
    assert_true(most <= 10);
}

TEST(an_id_is_a_uuid_too)
{
    static const struct span wrong[] = {
        BYTES(""),
        BYTES("00000001-0203-0405-0607-08090a0b0c0"),
        BYTES("00000001-0203-0405-0607-08090a0b0c0d0"),
        BYTES("00000001-0203-0405-0607-08090a0b0cxx"),
    };
    struct id id = {{0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}}, same;
    char text[UUID_BYTES];

    id_format_uuid(id, text);
    assert_string_equal(text, "00000001-0203-0405-0607-08090a0b0c0d");
    assert_int_equal(id_from_uuid(span_of(text), &same), ERR_NONE);
    assert_true(id_equal(id, same));
    assert_int_equal(id_from_uuid(BYTES("0000000102030405060708090a0b0c0d"), &same), ERR_NONE);
    assert_true(id_equal(id, same));
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(id_from_uuid(wrong[i], &same), ERR_INPUT);
}

TEST(an_owned_id_tells_its_owner_and_all_that_it_told)
{
    struct id fresh = id_fresh(7, NOW, 30000, UINT64_MAX);
    struct id keyed = id_keyed(7, SPAN("ann"), SPAN("/book"), SPAN("k1"));

    for (int i = 0; i < 2; i++) {
        struct id id = i == 0 ? fresh : keyed, owned = id_owned(id, SPAN("ann"));
        assert_true(id_is_owned(owned, SPAN("ann")));
        assert_false(id_is_owned(owned, SPAN("bob")));
        assert_false(id_is_owned(owned, SPAN("")));
        assert_false(id_is_owned(id, SPAN("ann")));
        assert_true(id_equal(owned, id_owned(owned, SPAN("ann"))));
        assert_false(id_equal(owned, id_owned(id, SPAN("bob"))));
        assert_memory_equal(owned.bytes, id.bytes, 12);
        assert_true(id_is_keyed(owned) == id_is_keyed(id));
    }
    assert_true(id_made_ms(id_owned(fresh, SPAN("ann"))) == NOW);
    assert_true(id_deadline_ms(id_owned(fresh, SPAN("ann"))) == id_deadline_ms(fresh));
    /* Twelve of the last 32 bits stay random. */
    assert_int_equal(id_owned(fresh, SPAN("ann")).bytes[12], 0xff);
}

int main(void)
{
    return RUN(cmocka_unit_test(an_id_is_a_uuid_too),
               cmocka_unit_test(a_fresh_id_tells_what_it_was_made_of),
               cmocka_unit_test(deadlines_are_rounded_up_and_never_down),
               cmocka_unit_test(a_deadline_beyond_the_bound_is_a_programming_error),
               cmocka_unit_test(the_layout_is_the_documented_one),
               cmocka_unit_test(a_clock_out_of_range_is_cut_to_it),
               cmocka_unit_test(fresh_ids_of_a_show_grow_with_time),
               cmocka_unit_test(the_same_key_is_the_same_request),
               cmocka_unit_test(the_parts_of_a_key_do_not_run_together),
               cmocka_unit_test(a_keyed_id_is_a_hash_known_elsewhere),
               cmocka_unit_test(a_part_of_a_request_has_its_own_id),
               cmocka_unit_test(text_and_back_is_the_same_id), cmocka_unit_test(known_texts),
               cmocka_unit_test(text_keeps_the_order), cmocka_unit_test(upper_case_is_taken),
               cmocka_unit_test(every_other_byte_is_refused),
               cmocka_unit_test(a_text_of_another_length_is_refused),
               cmocka_unit_test(hashes_differ),
               cmocka_unit_test(an_owned_id_tells_its_owner_and_all_that_it_told));
}
