#include "allocator/handover.h"

#include "base/codec.h"
#include "base/keys.h"
#include "base/log.h"

#define HEAD_BYTES 8 /* of the entry's array, at most */

/* One entry under construction. */
struct entry {
    struct buf requests, packed;
    size_t count, weight;
    uint32_t partition;
    bool is_away; /* what is to go there cannot, just now */
};

size_t handover_mark(struct batch *b, uint32_t show, uint32_t partition)
{
    size_t marked = 0;

    for (size_t i = 0; i < b->count; i++) {
        if (b->request[i].show != show || b->slot[i].origin != ORIGIN_UNDECIDED)
            continue;
        b->slot[i] = (struct slot){.origin = ORIGIN_MOVED, .leader = partition};
        marked++;
    }
    return marked;
}

static enum err append(struct redis *redis, struct entry *entry)
{
    struct key stream = key_requests(entry->partition);
    struct redis_reply *reply = NULL;
    struct span argv[] = {SPAN("XADD"), {stream.text, stream.len}, SPAN("*"),
                          SPAN("b"),    buf_span(&entry->packed),  SPAN("again"),
                          SPAN("1")};

    TRY(redis_do(redis, sizeof argv / sizeof *argv, argv, &reply));
    bool added = redis_kind_of(reply) == REDIS_STRING;
    redis_reply_free(reply);
    return added ? ERR_NONE : ERR_UNAVAILABLE;
}

/* Those that cannot be handed over for long are lost to their deadline, as if they stood in that
 * Redis' stream already. */
static enum err let_go(const struct elsewhere *elsewhere, struct entry *entry)
{
    if (!elsewhere_is_lost(elsewhere, entry->partition)) {
        entry->is_away = true;
        return ERR_UNAVAILABLE;
    }
    log_event(LOG_ERROR, "not_handed_over", "partition", log_u64(entry->partition), "requests",
              log_u64(entry->count), NULL);
    return ERR_NONE;
}

static enum err deliver(struct elsewhere *elsewhere, struct entry *entry)
{
    TRY(elsewhere_go_to(elsewhere, entry->partition));
    enum err err = append(elsewhere->redis, entry);
    if (err) {
        elsewhere_failed(elsewhere, entry->partition);
        return err;
    }
    elsewhere_answered(elsewhere, entry->partition);
    log_event(LOG_INFO, "handed_over", "partition", log_u64(entry->partition), "requests",
              log_u64(entry->count), NULL);
    return ERR_NONE;
}

static enum err flush(struct elsewhere *elsewhere, struct entry *entry)
{
    if (entry->count == 0)
        return ERR_NONE;
    buf_reset(&entry->packed);
    pack_array(&entry->packed, entry->count);
    buf_put(&entry->packed, entry->requests.bytes, entry->requests.len);
    if (entry->packed.failed)
        return ERR_MEMORY;
    if (deliver(elsewhere, entry))
        TRY(let_go(elsewhere, entry));
    buf_reset(&entry->requests);
    entry->count = entry->weight = 0;
    return ERR_NONE;
}

static enum err put(struct elsewhere *elsewhere, struct entry *entry, const struct request *r,
                    struct buf *one)
{
    size_t weight = request_weight(r);

    buf_reset(one);
    request_pack(one, r);
    if (one->failed)
        return ERR_MEMORY;
    if (entry->weight + weight > ENTRY_REQUESTS_MAX ||
        entry->requests.len + one->len > ENTRY_BYTES_MAX - HEAD_BYTES)
        TRY(flush(elsewhere, entry));
    buf_put(&entry->requests, one->bytes, one->len);
    entry->count++;
    entry->weight += weight;
    return ERR_NONE;
}

/* The partition that a request goes to, or 0. Who asked the same goes along: each is answered. */
static uint32_t goes_to(const struct batch *b, size_t at)
{
    const struct slot *slot = &b->slot[at];

    if (slot->origin == ORIGIN_FOLLOWS)
        slot = &b->slot[slot->leader];
    return slot->origin == ORIGIN_MOVED ? slot->leader : 0;
}

static enum err send_to(struct elsewhere *elsewhere, const struct batch *b, struct entry *entry,
                        struct buf *one)
{
    for (size_t i = 0; i < b->count; i++)
        if (goes_to(b, i) == entry->partition)
            TRY(put(elsewhere, entry, &b->request[i], one));
    return flush(elsewhere, entry);
}

/* Is this the first one that goes there? */
static bool is_first(const struct batch *b, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (goes_to(b, i) == goes_to(b, at))
            return false;
    return true;
}

enum err handover_send(struct elsewhere *elsewhere, const struct batch *b, bool *away)
{
    struct entry entry = {0};
    struct buf one;
    enum err err = ERR_NONE;

    buf_init(&one, ENTRY_BYTES_MAX);
    buf_init(&entry.requests, ENTRY_BYTES_MAX);
    buf_init(&entry.packed, ENTRY_BYTES_MAX);
    for (size_t i = 0; !err && i < b->count; i++) {
        if (goes_to(b, i) == 0 || !is_first(b, i))
            continue;
        entry.partition = goes_to(b, i);
        err = send_to(elsewhere, b, &entry, &one);
    }
    *away = entry.is_away;
    buf_free(&entry.packed);
    buf_free(&entry.requests);
    buf_free(&one);
    return err;
}
