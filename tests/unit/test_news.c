#include "base/codec.h"
#include "base/news.h"
#include "tests/unit/unit.h"

static struct buf packed(const struct news *news)
{
    struct buf b;

    buf_init(&b, 65536);
    news_pack(&b, news);
    assert_false(b.failed);
    return b;
}

static struct news back_from(const struct news *news)
{
    struct buf b = packed(news);
    struct guarded g = guarded_copy(buf_span(&b));
    struct news back;

    memset(&back, 0xff, sizeof back);
    assert_int_equal(news_read(g.span, &back), ERR_NONE);
    assert_int_equal(back.kind, news->kind);
    assert_int_equal(back.show, news->show);
    guarded_free(&g);
    buf_free(&b);
    return back;
}

static void is_refused(struct span s)
{
    struct news news;

    assert_int_equal(news_read(s, &news), ERR_INPUT);
}

static struct news of_availability(size_t tiers)
{
    struct news news = {.kind = NEWS_AVAILABILITY, .show = 7};

    news.availability = (struct availability){.show = 7, .version = UINT64_MAX, .tiers = tiers};
    for (uint32_t i = 0; i < tiers; i++)
        news.availability.tier[i] =
            (struct tier_count){i + 1, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, i};
    return news;
}

static struct news of_queue(void)
{
    return (struct news){.kind = NEWS_QUEUE,
                         .show = 7,
                         .queue = {.serving = UINT64_MAX,
                                   .rate = 600,
                                   .left = UINT32_MAX,
                                   .joined = 12,
                                   .state = "sold_out"}};
}

TEST(availability_survives_the_way)
{
    static const size_t sizes[] = {0, 1, TIERS_MAX};

    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct news news = of_availability(sizes[i]), back = back_from(&news);

        assert_int_equal(back.availability.tiers, sizes[i]);
        assert_true(back.availability.version == UINT64_MAX);
        assert_memory_equal(back.availability.tier, news.availability.tier,
                            sizes[i] * sizeof(news.availability.tier[0]));
    }
}

TEST(the_other_kinds_survive_it_too)
{
    struct news seats = {.kind = NEWS_SEATS, .show = 9, .seats_version = UINT64_MAX};
    struct news sale = {.kind = NEWS_SALE, .show = 9, .sale = NEWS_SALE_SOLD_OUT};
    struct news queue = of_queue(), back;

    assert_true(back_from(&seats).seats_version == UINT64_MAX);
    assert_int_equal(back_from(&sale).sale, NEWS_SALE_SOLD_OUT);
    back = back_from(&queue);
    assert_true(back.queue.serving == UINT64_MAX && back.queue.joined == 12);
    assert_int_equal(back.queue.rate, 600);
    assert_int_equal(back.queue.left, UINT32_MAX);
    assert_string_equal(back.queue.state, "sold_out");
}

TEST(every_truncation_is_refused)
{
    struct news news[] = {of_availability(3),
                          of_queue(),
                          {.kind = NEWS_SEATS, .show = 9, .seats_version = 300},
                          {.kind = NEWS_SALE, .show = 9, .sale = NEWS_SALE_OPENED}};

    for (size_t i = 0; i < COUNT(news); i++) {
        struct buf b = packed(&news[i]);

        each_prefix(buf_span(&b), is_refused);
        buf_putc(&b, '\x01');
        is_refused(buf_span(&b));
        buf_free(&b);
    }
}

TEST(what_a_later_version_says_is_passed_over)
{
    struct news news;

    assert_int_equal(news_read(BYTES("\x92\x63\x07"), &news), ERR_NONE); /* kind 99 */
    assert_int_equal(news.kind, NEWS_OTHER);
    assert_int_equal(news.show, 7);
    assert_int_equal(news_read(BYTES("\x92\x00\x07"), &news), ERR_NONE);
    assert_int_equal(news.kind, NEWS_OTHER);
    assert_int_equal(news_read(BYTES("\x95\x02\x07\x05\xc0\x91\x01"), &news), ERR_NONE);
    assert_true(news.kind == NEWS_SEATS && news.seats_version == 5);
    assert_int_equal(news_read(BYTES("\x98\x03\x07\x05\x06\x08\xa1z\x09\xc0"), &news), ERR_NONE);
    assert_true(news.kind == NEWS_QUEUE && news.queue.joined == 9);
    assert_string_equal(news.queue.state, "z");
    assert_int_equal(news_read(BYTES("\x93\x04\x07\x63"), &news), ERR_NONE);
    assert_true(news.kind == NEWS_SALE && news.sale == NEWS_SALE_CHANGED);
}

TEST(what_is_none_is_refused)
{
    static const struct span wrong[] = {
        BYTES("\xc0"),
        BYTES("\x90"),
        BYTES("\x91\x02"),
        BYTES("\x93\xa1z\x07\x05"),
        BYTES("\x93\x02\xff\x05"),
        BYTES("\x92\x02\x07"),
        BYTES("\x93\x02\x07\xff"),
        BYTES("\x93\x04\x07\xff"),
        BYTES("\x93\x01\x07\x93\x07\x01\x90"),     /* availability, not as a string */
        BYTES("\x93\x01\x08\xa4\x93\x07\x01\x90"), /* of another show */
        BYTES("\x96\x03\x07\x05\x06\x08\xa0"),     /* a queue without who has joined */
        BYTES("\x97\x03\x07\x05\x06\x08\xa1Z\x09"),
        BYTES("\x97\x03\x07\x05\x06\x08\xa1\"\x09"),
        BYTES("\x97\x03\x07\x05\x06\x08\xd9\x20zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\x09"),
    };

    for (size_t i = 0; i < COUNT(wrong); i++)
        is_refused(wrong[i]);
}

int main(void)
{
    return RUN(cmocka_unit_test(availability_survives_the_way),
               cmocka_unit_test(the_other_kinds_survive_it_too),
               cmocka_unit_test(every_truncation_is_refused),
               cmocka_unit_test(what_a_later_version_says_is_passed_over),
               cmocka_unit_test(what_is_none_is_refused));
}
