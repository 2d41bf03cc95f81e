#include "base/availability.h"
#include "base/codec.h"
#include "tests/unit/unit.h"

static struct availability sample(size_t tiers)
{
    struct availability a = {.show = 7, .version = UINT64_MAX, .tiers = tiers};

    for (uint32_t i = 0; i < tiers; i++)
        a.tier[i] = (struct tier_count){i + 1, UINT32_MAX, i, i + 10, i + 20, i + 30};
    return a;
}

static struct buf packed(const struct availability *a)
{
    struct buf b;

    buf_init(&b, 65536);
    availability_pack(&b, a);
    assert_false(b.failed);
    return b;
}

static void is_refused(struct span s)
{
    struct availability a;

    assert_int_equal(availability_read(s, &a), ERR_INPUT);
}

TEST(it_survives_the_way)
{
    static const size_t sizes[] = {0, 1, TIERS_MAX};

    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct availability a = sample(sizes[i]);
        struct availability back = {.tiers = 99};
        struct buf b = packed(&a);
        struct guarded g = guarded_copy(buf_span(&b));

        assert_int_equal(availability_read(g.span, &back), ERR_NONE);
        assert_int_equal(back.show, 7);
        assert_true(back.version == UINT64_MAX);
        assert_int_equal(back.tiers, sizes[i]);
        assert_memory_equal(back.tier, a.tier, sizes[i] * sizeof(a.tier[0]));
        guarded_free(&g);
        buf_free(&b);
    }
}

TEST(every_truncation_is_refused)
{
    struct availability a = sample(3);
    struct buf b = packed(&a);

    each_prefix(buf_span(&b), is_refused);
    buf_putc(&b, '\x01');
    is_refused(buf_span(&b));
    buf_free(&b);
}

TEST(what_is_none_is_refused)
{
    static const struct span wrong[] = {
        BYTES("\xc0"),
        BYTES("\x92\x07\x01"),
        BYTES("\x93\xff\x01\x90"),
        BYTES("\x93\xcf\x00\x00\x00\x01\x00\x00\x00\x00\x01\x90"), /* a show beyond 32 bits */
        BYTES("\x93\x07\xff\x90"),
        BYTES("\x93\x07\x01\xc0"),
        BYTES("\x93\x07\x01\x91\xc0"),
        BYTES("\x93\x07\x01\x91\x95\x01\x02\x03\x04\x05"),
        BYTES("\x93\x07\x01\x91\x96\x00\x02\x03\x04\x05\x06"), /* tier 0 */
        BYTES("\x93\x07\x01\x91\x96\x21\x02\x03\x04\x05\x06"), /* tier 33 */
        BYTES("\x93\x07\x01\x91\x96\x01\xff\x03\x04\x05\x06"),
        BYTES("\x93\x07\x01\x91\x96\x01\x02\xff\x04\x05\x06"),
        BYTES("\x93\x07\x01\x91\x96\x01\x02\x03\xff\x05\x06"),
        BYTES("\x93\x07\x01\x91\x96\x01\x02\x03\x04\xff\x06"),
        BYTES("\x93\x07\x01\x91\x96\x01\x02\x03\x04\x05\xff"),
    };
    struct availability a;

    for (size_t i = 0; i < COUNT(wrong); i++)
        is_refused(wrong[i]);
    assert_int_equal(availability_read(BYTES("\x93\x07\x01\x91\x96\x01\x02\x03\x04\x05\x06"), &a),
                     ERR_NONE);
}

TEST(what_a_later_version_adds_is_passed_over)
{
    struct availability a;

    assert_int_equal(
        availability_read(BYTES("\x95\x07\x01\x91\x98\x01\x02\x03\x04\x05\x06\xc0\x90\xa1z\x80"),
                          &a),
        ERR_NONE);
    assert_true(a.show == 7 && a.version == 1 && a.tiers == 1);
    assert_true(a.tier[0].tier == 1 && a.tier[0].blocked == 6);
}

TEST(more_tiers_than_there_may_be_are_refused)
{
    struct buf b;

    buf_init(&b, 65536);
    pack_array(&b, 3);
    pack_uint(&b, 7);
    pack_uint(&b, 1);
    pack_array(&b, TIERS_MAX + 1);
    for (int i = 0; i <= TIERS_MAX; i++) {
        pack_array(&b, 6);
        for (int j = 0; j < 6; j++)
            pack_uint(&b, 1);
    }
    is_refused(buf_span(&b));
    buf_free(&b);
}

int main(void)
{
    return RUN(cmocka_unit_test(it_survives_the_way), cmocka_unit_test(every_truncation_is_refused),
               cmocka_unit_test(what_is_none_is_refused),
               cmocka_unit_test(what_a_later_version_adds_is_passed_over),
               cmocka_unit_test(more_tiers_than_there_may_be_are_refused));
}
