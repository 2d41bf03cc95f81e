#include "allocator/loading.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define PART_BYTES_MAX (4u << 20)
#define PARTS_PENDING_MAX 4 /* parts on their way to Redis */

void loading_init(struct loading *l, struct rebuild *r, const struct tenure *t)
{
    memset(l, 0, sizeof *l);
    l->r = r;
    l->t = t;
    l->stamped_ms = clock_mono_us() / 1000;
    buf_init(&l->main.bytes, PART_BYTES_MAX);
    buf_init(&l->holds.bytes, PART_BYTES_MAX);
    buf_init(&l->waiters.bytes, PART_BYTES_MAX);
}

void loading_free(struct loading *l)
{
    buf_free(&l->main.bytes);
    buf_free(&l->holds.bytes);
    buf_free(&l->waiters.bytes);
}

void part_start(struct part *part, const char *kind, uint32_t show)
{
    if (show > 0)
        snprintf(part->what, sizeof part->what, "%s:%" PRIu32, kind, show);
    else
        snprintf(part->what, sizeof part->what, "%s", kind);
    buf_reset(&part->bytes);
    part->pairs = 0;
}

void part_end_span(struct part *part, size_t at)
{
    assert(part->pairs < PART_PAIRS);
    part->span[part->pairs].at = at;
    part->span[part->pairs++].len = part->bytes.len - at;
}

void part_put(struct part *part, const void *bytes, size_t n)
{
    size_t at = part->bytes.len;

    buf_put(&part->bytes, bytes, n);
    part_end_span(part, at);
}

void part_put_number(struct part *part, uint64_t n)
{
    size_t at = part->bytes.len;

    buf_put_u64(&part->bytes, n);
    part_end_span(part, at);
}

static enum err wait_until(struct loading *l, size_t pending_max)
{
    while (redis_pending(l->r->redis) > pending_max)
        TRY(decider_load_taken(l->r->decider));
    return ERR_NONE;
}

/* A long rebuild is not a hung owner. */
static enum err stamp_if_due(struct loading *l)
{
    int64_t now = clock_mono_us() / 1000;

    if (now - l->stamped_ms < l->r->heartbeat_ms)
        return ERR_NONE;
    l->stamped_ms = now;
    return ledger_stamp(l->r->ledger, l->t, l->t->now_ms);
}

enum err part_send(struct loading *l, struct part *part)
{
    static struct span pairs[PART_PAIRS];

    if (part->bytes.failed)
        return ERR_MEMORY;
    if (part->pairs == 0)
        return ERR_NONE;
    for (size_t i = 0; i < part->pairs; i++)
        pairs[i] = (struct span){part->bytes.bytes + part->span[i].at, part->span[i].len};
    TRY(decider_load_send(l->r->decider, l->t, part->what, part->pairs, pairs));
    TRY(redis_flush(l->r->redis));
    buf_reset(&part->bytes);
    part->pairs = 0;
    TRY(stamp_if_due(l));
    return wait_until(l, PARTS_PENDING_MAX);
}

enum err part_send_if_full(struct loading *l, struct part *part)
{
    return part->pairs + 2 > PART_PAIRS ? part_send(l, part) : ERR_NONE;
}

enum err loading_wait(struct loading *l)
{
    return wait_until(l, 0);
}

enum err loading_take_pair(void *context, struct span line)
{
    struct loading *l = context;
    struct span field[2];

    if (postgres_copy_split(line, field, 2) != 2)
        return ERR_INPUT;
    for (int i = 0; i < 2; i++)
        part_put(&l->main, field[i].bytes, field[i].len);
    return part_send_if_full(l, &l->main);
}
