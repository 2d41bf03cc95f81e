#include "room.h"

#include <assert.h>
#include <string.h>

#include "codec.h"
#include "text.h"

enum { FLAG_DRAWS = 1, FLAG_PAUSED = 2 };
#define FIELDS 13
#define TIME_MS_MAX ((INT64_C(1) << 48) - 1)
#define WHILE_MS_MAX 86400000 /* as sql/0010_room.sql has it */

void room_pack(struct buf *b, const struct room *r)
{
    pack_array(b, FIELDS);
    pack_uint(b, (r->draws ? FLAG_DRAWS : 0u) | (r->paused ? FLAG_PAUSED : 0u));
    pack_int(b, r->opens_ms);
    pack_int(b, r->opened_ms);
    pack_uint(b, r->arrivals);
    pack_uint(b, r->serving);
    pack_uint(b, r->rate);
    pack_uint(b, r->left);
    pack_uint(b, r->returning);
    pack_int(b, r->admission_ms);
    pack_int(b, r->no_show_ms);
    pack_str(b, r->commitment, sizeof r->commitment);
    pack_str(b, r->key, r->has_key ? sizeof r->key : 0);
    pack_array(b, r->marks);
    for (size_t i = 0; i < r->marks; i++) {
        pack_array(b, 2);
        pack_int(b, r->mark[i].at_ms);
        pack_uint(b, r->mark[i].serving);
    }
}

static bool at_most(struct value v, int64_t max, int64_t *n)
{
    return value_int(v, n) && *n >= 0 && *n <= max;
}

static bool mark_follows(const struct room *r, const struct room_mark *mark)
{
    const struct room_mark *last = r->marks > 0 ? &r->mark[r->marks - 1] : NULL;

    return r->marks < ROOM_MARKS_MAX && mark->at_ms >= 0 && mark->at_ms <= TIME_MS_MAX &&
           (last == NULL || (mark->at_ms >= last->at_ms && mark->serving >= last->serving));
}

static bool marks_from(struct value v, struct room *r)
{
    size_t count, two;
    struct room_mark mark;

    if (!value_is_array(v, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct value one = value_at(v, i);
        if (!value_is_array(one, &two) || two != 2 || !value_int(value_at(one, 0), &mark.at_ms) ||
            !value_u32(value_at(one, 1), &mark.serving) || !mark_follows(r, &mark))
            return false;
        r->mark[r->marks++] = mark;
    }
    return true;
}

static bool digests_from(struct value commitment, struct value key, struct room *r)
{
    struct span text;

    if (!value_str(commitment, &text) || text.len != sizeof r->commitment)
        return false;
    memcpy(r->commitment, text.bytes, text.len);
    if (!value_str(key, &text) || (text.len != 0 && text.len != sizeof r->key))
        return false;
    r->has_key = text.len > 0;
    if (r->has_key)
        memcpy(r->key, text.bytes, text.len);
    return true;
}

static bool room_from(struct value v, struct room *r)
{
    uint32_t flags;
    size_t count;

    if (!value_is_array(v, &count) || count < FIELDS || !value_u32(value_at(v, 0), &flags) ||
        !at_most(value_at(v, 1), TIME_MS_MAX, &r->opens_ms) ||
        !at_most(value_at(v, 2), TIME_MS_MAX, &r->opened_ms) ||
        !value_u32(value_at(v, 3), &r->arrivals) || !value_u32(value_at(v, 4), &r->serving) ||
        !value_u32(value_at(v, 5), &r->rate) || !value_u32(value_at(v, 6), &r->left) ||
        !value_u32(value_at(v, 7), &r->returning) ||
        !at_most(value_at(v, 8), WHILE_MS_MAX, &r->admission_ms) ||
        !at_most(value_at(v, 9), WHILE_MS_MAX, &r->no_show_ms) ||
        !digests_from(value_at(v, 10), value_at(v, 11), r) || !marks_from(value_at(v, 12), r))
        return false;
    r->draws = (flags & FLAG_DRAWS) != 0;
    r->paused = (flags & FLAG_PAUSED) != 0;
    return true;
}

enum err room_read(struct span bytes, struct room *r)
{
    struct tree tree;

    memset(r, 0, sizeof *r);
    if (tree_read(&tree, bytes.bytes, bytes.len) != ERR_NONE)
        return ERR_INPUT;
    bool right = room_from(tree_root(&tree), r);
    tree_free(&tree);
    return right ? ERR_NONE : ERR_INPUT;
}

uint32_t room_number(const struct room *r, uint32_t arrival)
{
    if (!r->draws)
        return arrival;
    if (r->opened_ms == 0 || !r->has_key || arrival == 0)
        return 0;
    return arrival <= r->arrivals ? draw_number(r->key, r->arrivals, arrival) : arrival;
}

int64_t room_called_ms(const struct room *r, uint32_t number)
{
    for (size_t i = 0; i < r->marks; i++)
        if (r->mark[i].serving >= number)
            return r->mark[i].at_ms;
    return r->marks > 0 ? r->mark[r->marks - 1].at_ms : r->opened_ms;
}

/* How far serving was, so long ago. */
static uint32_t served_until(const struct room *r, int64_t at_ms)
{
    uint32_t serving = 0;

    for (size_t i = 0; i < r->marks && r->mark[i].at_ms <= at_ms; i++)
        serving = r->mark[i].serving;
    return serving;
}

uint32_t room_gone(const struct room *r, int64_t now_ms)
{
    return served_until(r, now_ms - r->no_show_ms);
}

uint32_t room_over(const struct room *r, int64_t now_ms)
{
    return served_until(r, now_ms - r->no_show_ms - r->admission_ms);
}

bool room_is_sold_out(const struct room *r)
{
    return r->left == 0 && r->returning == 0;
}

const char *room_state(const struct room *r)
{
    if (r->opened_ms == 0)
        return "before";
    if (room_is_sold_out(r))
        return "sold_out";
    return r->paused ? "paused" : "open";
}

/* Of the marks that are older than anybody's time, the newest says all. */
static void drop_old_marks(struct room *r, int64_t before_ms)
{
    size_t old = 0;

    while (old + 1 < r->marks &&
           (r->mark[old + 1].at_ms <= before_ms || r->marks - old >= ROOM_MARKS_MAX))
        old++;
    memmove(r->mark, r->mark + old, (r->marks - old) * sizeof r->mark[0]);
    r->marks -= old;
}

void room_serve(struct room *r, int64_t now_ms, uint32_t serving)
{
    int64_t good_ms = r->no_show_ms + r->admission_ms, share_ms = good_ms / ROOM_MARKS;

    assert(serving >= r->serving);
    if (r->marks > 0 && now_ms < r->mark[r->marks - 1].at_ms)
        now_ms = r->mark[r->marks - 1].at_ms;
    r->serving = serving;
    drop_old_marks(r, now_ms - good_ms);
    if (r->marks >= 2 && now_ms - r->mark[r->marks - 2].at_ms < share_ms)
        r->marks--;
    r->mark[r->marks++] = (struct room_mark){now_ms, serving};
}

void room_put_marks(struct buf *b, const struct room *r)
{
    for (size_t i = 0; i < r->marks; i++) {
        if (i > 0)
            buf_putc(b, ' ');
        buf_put_u64(b, (unsigned long long)r->mark[i].at_ms);
        buf_putc(b, ':');
        buf_put_u64(b, r->mark[i].serving);
    }
}

enum err room_read_marks(struct span text, struct room *r)
{
    r->marks = 0;
    while (text.len > 0) {
        struct span word = text_cut(&text, ' '), at_text = text_cut(&word, ':');
        uint64_t at, serving;
        if (!text_u64(at_text, INT64_MAX, &at) || !text_u64(word, UINT32_MAX, &serving))
            return ERR_INPUT;
        struct room_mark mark = {(int64_t)at, (uint32_t)serving};
        if (!mark_follows(r, &mark))
            return ERR_INPUT;
        r->mark[r->marks++] = mark;
    }
    return ERR_NONE;
}
