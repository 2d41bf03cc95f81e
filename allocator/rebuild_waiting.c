#include "allocator/rebuild_waiting.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/id.h"
#include "base/keys.h"
#include "base/text.h"

#define SQL_BYTES_MAX 512

/* id, tier, quantity, user, joined, position: by size, so that one order follows another. */
#define WAITING_SQL                                                                                \
    "SELECT encode(uuid_send(id), 'hex'), tier, quantity, user_id, joined_ms, position"            \
    " FROM waitlist WHERE show = %" PRIu32 " AND status = 'WAITING'"                               \
    " ORDER BY tier, quantity, position"
#define SIZES_SQL                                                                                  \
    "SELECT tier || ':' || quantity, count(*) FROM waitlist WHERE show = %" PRIu32                 \
    " AND status = 'WAITING' GROUP BY tier, quantity"

struct waiter {
    struct id id;
    char user[2 * USER_BYTES_MAX];
    size_t user_len;
    uint64_t tier, quantity, joined_ms, position;
};

static bool read_waiter(struct span line, struct waiter *w)
{
    struct span field[6];

    if (postgres_copy_split(line, field, 6) != 6 || field[0].len != 2 * ID_BYTES ||
        !text_unhex(field[0], w->id.bytes) || !text_u64(field[1], TIERS_MAX, &w->tier) ||
        !text_u64(field[2], QUANTITY_MAX, &w->quantity) || field[3].len > sizeof w->user ||
        !text_u64(field[4], INT64_MAX, &w->joined_ms) ||
        !text_u64(field[5], INT64_MAX, &w->position))
        return false;
    w->user_len = postgres_copy_unescape(field[3], w->user);
    return true;
}

/* An entry as lua/waiting.lua keeps it. */
static enum err put_entry(struct loading *l, const struct waiter *w)
{
    struct part *part = &l->main;

    part_put(part, w->id.bytes, ID_BYTES);
    size_t at = part->bytes.len;
    pack_array(&part->bytes, 5);
    pack_uint(&part->bytes, w->tier);
    pack_uint(&part->bytes, w->quantity);
    pack_str(&part->bytes, w->user, w->user_len);
    pack_uint(&part->bytes, w->joined_ms);
    pack_uint(&part->bytes, w->position);
    part_end_span(part, at);
    return part_send_if_full(l, part);
}

static enum err put_waiter(struct loading *l, const struct waiter *w)
{
    struct part *part = &l->waiters;
    size_t at = part->bytes.len;

    buf_putf(&part->bytes, "%" PRIu64 ":", w->tier);
    buf_put(&part->bytes, w->user, w->user_len);
    part_end_span(part, at);
    part_put(part, w->id.bytes, ID_BYTES);
    return part_send_if_full(l, part);
}

static enum err put_order(struct loading *l, const struct waiter *w)
{
    struct part *part = &l->holds;
    char what[WHAT_BYTES_MAX];

    snprintf(what, sizeof what, "order:%" PRIu32 ":%" PRIu64 ":%" PRIu64, id_show(w->id), w->tier,
             w->quantity);
    if (strcmp(what, part->what) != 0) {
        TRY(part_send(l, part));
        part_start(part, what, 0);
    }
    part_put_number(part, w->position);
    part_put(part, w->id.bytes, ID_BYTES);
    return part_send_if_full(l, part);
}

static enum err take_waiter(void *context, struct span line)
{
    struct loading *l = context;
    struct waiter w = {.user_len = 0};

    if (!read_waiter(line, &w))
        return ERR_INPUT;
    TRY(put_entry(l, &w));
    TRY(put_waiter(l, &w));
    return put_order(l, &w);
}

/* There may be places that nobody was offered yet. */
static enum err put_offers(struct loading *l, uint32_t show)
{
    part_start(&l->main, "offers", 0);
    part_put_number(&l->main, show);
    return part_send(l, &l->main);
}

enum err rebuild_waiting(struct loading *l, uint32_t show)
{
    char sql[SQL_BYTES_MAX];

    part_start(&l->main, "waiting", show);
    part_start(&l->waiters, "waiters", show);
    part_start(&l->holds, "", 0);
    snprintf(sql, sizeof sql, WAITING_SQL, show);
    TRY(postgres_copy_out(l->r->ledger->reader, sql, take_waiter, l));
    TRY(part_send(l, &l->main));
    TRY(part_send(l, &l->waiters));
    TRY(part_send(l, &l->holds));
    if (l->holds.what[0] == '\0')
        return ERR_NONE;
    part_start(&l->main, "sizes", show);
    snprintf(sql, sizeof sql, SIZES_SQL, show);
    TRY(postgres_copy_out(l->r->ledger->reader, sql, loading_take_pair, l));
    TRY(part_send(l, &l->main));
    return put_offers(l, show);
}

static struct span key_of(struct buf *b, struct span prefix, const char *kind, struct span show,
                          struct span size)
{
    buf_reset(b);
    buf_put(b, prefix.bytes, prefix.len);
    buf_puts(b, kind);
    buf_put(b, show.bytes, show.len);
    if (size.len > 0)
        buf_putc(b, ':');
    buf_put(b, size.bytes, size.len);
    return buf_span(b);
}

static enum err unlink_key(struct redis *redis, struct span key)
{
    struct redis_reply *reply = NULL;
    struct span argv[] = {SPAN("UNLINK"), key};

    TRY(redis_do(redis, 2, argv, &reply));
    redis_reply_free(reply);
    return ERR_NONE;
}

/* The sizes tell which orders there are. */
enum err rebuild_drop_waiting(struct redis *redis, struct span prefix, struct span show)
{
    static const char *const kinds[] = {"waiting:", "waiters:", "sizes:", "passed:"};
    struct redis_reply *sizes = NULL;
    struct buf name;
    enum err err;

    buf_init(&name, KEY_NAME_BYTES_MAX + 64);
    struct span ask[] = {SPAN("HKEYS"), key_of(&name, prefix, "sizes:", show, SPAN(""))};
    err = redis_do(redis, 2, ask, &sizes);
    for (size_t i = 0; !err && i < redis_count(sizes); i++)
        err = unlink_key(redis,
                         key_of(&name, prefix, "order:", show, redis_text(redis_at(sizes, i))));
    redis_reply_free(sizes);
    for (size_t i = 0; !err && i < sizeof kinds / sizeof *kinds; i++)
        err = unlink_key(redis, key_of(&name, prefix, kinds[i], show, SPAN("")));
    buf_free(&name);
    return err;
}
