/* What is published about a show. What is taken comes back the same when packed. */
#include "base/news.h"

#include "tests/fuzz/fuzz.h"

static void check_bounds(const struct news *news)
{
    CHECK(news->kind <= NEWS_SALE);
    if (news->kind == NEWS_AVAILABILITY)
        CHECK(news->availability.show == news->show && news->availability.tiers <= TIERS_MAX);
    if (news->kind == NEWS_QUEUE) {
        CHECK(strlen(news->queue.state) <= QUEUE_STATE_BYTES_MAX);
        CHECK(news->queue.state[strspn(news->queue.state, "abcdefghijklmnopqrstuvwxyz_")] == '\0');
    }
    if (news->kind == NEWS_SALE)
        CHECK(news->sale <= NEWS_SALE_SOLD_OUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct news news, again;
    struct buf first, second;

    if (news_read(fuzz_span(data, size), &news) != ERR_NONE)
        return 0;
    check_bounds(&news);
    if (news.kind == NEWS_OTHER)
        return 0;
    buf_init(&first, 65536);
    buf_init(&second, 65536);
    news_pack(&first, &news);
    CHECK(!first.failed);
    CHECK(news_read(buf_span(&first), &again) == ERR_NONE);
    CHECK(again.kind == news.kind && again.show == news.show);
    news_pack(&second, &again);
    CHECK(span_equal(buf_span(&first), buf_span(&second)));
    buf_free(&first);
    buf_free(&second);
    return 0;
}
