#include "news.h"

#include <assert.h>
#include <string.h>

#include "codec.h"

#define RECORD_BYTES_MAX 4096 /* of availability with TIERS_MAX tiers */

static void pack_availability(struct buf *b, const struct availability *a)
{
    struct buf record;

    buf_init(&record, RECORD_BYTES_MAX);
    availability_pack(&record, a);
    pack_array(b, 3);
    pack_uint(b, NEWS_AVAILABILITY);
    pack_uint(b, a->show);
    pack_str(b, record.bytes, record.len);
    b->failed = b->failed || record.failed;
    buf_free(&record);
}

static void pack_queue(struct buf *b, uint32_t show, const struct news_queue *queue)
{
    pack_array(b, 7);
    pack_uint(b, NEWS_QUEUE);
    pack_uint(b, show);
    pack_uint(b, queue->serving);
    pack_uint(b, queue->rate);
    pack_uint(b, queue->left);
    pack_str(b, queue->state, strlen(queue->state));
    pack_uint(b, queue->joined);
}

static void pack_number(struct buf *b, const struct news *news, uint64_t n)
{
    pack_array(b, 3);
    pack_uint(b, news->kind);
    pack_uint(b, news->show);
    pack_uint(b, n);
}

void news_pack(struct buf *b, const struct news *news)
{
    switch (news->kind) {
    case NEWS_AVAILABILITY:
        assert(news->show == news->availability.show);
        pack_availability(b, &news->availability);
        return;
    case NEWS_SEATS:
        pack_number(b, news, news->seats_version);
        return;
    case NEWS_QUEUE:
        pack_queue(b, news->show, &news->queue);
        return;
    case NEWS_SALE:
        pack_number(b, news, news->sale);
        return;
    case NEWS_OTHER:
        break;
    }
    assert(!"news of a kind that this version does not know");
}

static bool is_word(struct span s)
{
    if (s.len > QUEUE_STATE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((s.bytes[i] < 'a' || s.bytes[i] > 'z') && s.bytes[i] != '_')
            return false;
    return true;
}

static bool read_queue(struct value v, size_t count, struct news_queue *queue)
{
    struct span state;

    if (count < 7 || !value_uint(value_at(v, 2), &queue->serving) ||
        !value_u32(value_at(v, 3), &queue->rate) || !value_u32(value_at(v, 4), &queue->left) ||
        !value_str(value_at(v, 5), &state) || !is_word(state) ||
        !value_uint(value_at(v, 6), &queue->joined))
        return false;
    if (state.len > 0)
        memcpy(queue->state, state.bytes, state.len);
    return true;
}

static bool read_availability(struct value v, struct news *news)
{
    struct span record;

    return value_str(value_at(v, 2), &record) &&
           availability_read(record, &news->availability) == ERR_NONE &&
           news->availability.show == news->show;
}

static bool read_sale(struct value v, enum news_sale *sale)
{
    uint64_t what;

    if (!value_uint(value_at(v, 2), &what))
        return false;
    *sale = what <= NEWS_SALE_SOLD_OUT ? (enum news_sale)what : NEWS_SALE_CHANGED;
    return true;
}

static bool read_message(struct value v, struct news *news)
{
    uint64_t kind;
    size_t count;

    if (!value_is_array(v, &count) || count < 2 || !value_uint(value_at(v, 0), &kind) ||
        !value_u32(value_at(v, 1), &news->show))
        return false;
    if (kind == 0 || kind > NEWS_SALE)
        return true;
    if (count < 3)
        return false;
    news->kind = (enum news_kind)kind;
    switch (news->kind) {
    case NEWS_AVAILABILITY:
        return read_availability(v, news);
    case NEWS_SEATS:
        return value_uint(value_at(v, 2), &news->seats_version);
    case NEWS_QUEUE:
        return read_queue(v, count, &news->queue);
    case NEWS_SALE:
        return read_sale(v, &news->sale);
    case NEWS_OTHER:
        break;
    }
    return false;
}

enum err news_read(struct span bytes, struct news *news)
{
    struct tree tree;
    bool right;

    *news = (struct news){.kind = NEWS_OTHER};
    TRY(tree_read(&tree, bytes.bytes, bytes.len));
    right = read_message(tree_root(&tree), news);
    tree_free(&tree);
    return right ? ERR_NONE : ERR_INPUT;
}
