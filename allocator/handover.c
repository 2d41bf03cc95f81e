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
};

void handover_mark(struct batch *b, uint32_t show, uint32_t partition)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->request[i].show != show || b->slot[i].origin != ORIGIN_UNDECIDED)
            continue;
        b->slot[i] = (struct slot){.origin = ORIGIN_MOVED, .leader = partition};
        b->moved++;
    }
}

static enum err append(struct redis *redis, struct entry *entry)
{
    struct key stream = key_requests(entry->partition);
    struct redis_reply *reply = NULL;

    if (entry->count == 0)
        return ERR_NONE;
    buf_reset(&entry->packed);
    pack_array(&entry->packed, entry->count);
    buf_put(&entry->packed, entry->requests.bytes, entry->requests.len);
    if (entry->packed.failed)
        return ERR_MEMORY;
    TRY(redis_go_to(redis, entry->partition));
    struct span argv[] = {SPAN("XADD"), {stream.text, stream.len}, SPAN("*"),
                          SPAN("b"),    buf_span(&entry->packed),  SPAN("again"),
                          SPAN("1")};
    TRY(redis_do(redis, sizeof argv / sizeof *argv, argv, &reply));
    bool added = redis_kind_of(reply) == REDIS_STRING;
    redis_reply_free(reply);
    if (added)
        log_event(LOG_INFO, "handed_over", "partition", log_u64(entry->partition), "requests",
                  log_u64(entry->count), NULL);
    buf_reset(&entry->requests);
    entry->count = entry->weight = 0;
    return added ? ERR_NONE : ERR_UNAVAILABLE;
}

static enum err put(struct redis *redis, struct entry *entry, const struct request *r,
                    struct buf *one)
{
    size_t weight = request_weight(r);

    buf_reset(one);
    request_pack(one, r);
    if (one->failed)
        return ERR_MEMORY;
    if (entry->weight + weight > ENTRY_REQUESTS_MAX ||
        entry->requests.len + one->len > ENTRY_BYTES_MAX - HEAD_BYTES)
        TRY(append(redis, entry));
    buf_put(&entry->requests, one->bytes, one->len);
    entry->count++;
    entry->weight += weight;
    return ERR_NONE;
}

static enum err send_to(struct redis *redis, const struct batch *b, struct entry *entry,
                        struct buf *one)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->slot[i].origin == ORIGIN_MOVED && b->slot[i].leader == entry->partition)
            TRY(put(redis, entry, &b->request[i], one));
    return append(redis, entry);
}

/* Is this the first one that goes there? */
static bool is_first(const struct batch *b, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (b->slot[i].origin == ORIGIN_MOVED && b->slot[i].leader == b->slot[at].leader)
            return false;
    return true;
}

enum err handover_send(struct redis *redis, const struct batch *b)
{
    struct entry entry = {0};
    struct buf one;
    enum err err = ERR_NONE;

    if (b->moved == 0)
        return ERR_NONE;
    buf_init(&one, ENTRY_BYTES_MAX);
    buf_init(&entry.requests, ENTRY_BYTES_MAX);
    buf_init(&entry.packed, ENTRY_BYTES_MAX);
    for (size_t i = 0; !err && i < b->count; i++) {
        if (b->slot[i].origin != ORIGIN_MOVED || !is_first(b, i))
            continue;
        entry.partition = b->slot[i].leader;
        err = send_to(redis, b, &entry, &one);
    }
    buf_free(&entry.packed);
    buf_free(&entry.requests);
    buf_free(&one);
    return err;
}
