/* Changes of numbered seats: a short history of them as ready-made texts. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/seats.h"
#include "gateway/live_state.h"
#include "gateway/render.h"
#include "gateway/seat_status.h"

static void put_beginning(struct buf *b, const struct show *show, uint64_t since, uint64_t version,
                          bool complete)
{
    buf_putf(b,
             "\"type\":\"seats\",\"show\":\"%s\",\"show_id\":%" PRIu32 ",\"since\":%" PRIu64
             ",\"version\":%" PRIu64 ",\"complete\":%s,\"seats\":[",
             show->slug, show->number, since, version, complete ? "true" : "false");
}

static void put_seat(struct buf *b, const struct seatmap *map, size_t at, unsigned char status)
{
    if (b->len > 0 && b->bytes[b->len - 1] == '}')
        buf_putc(b, ',');
    buf_puts(b, "{\"id\":");
    render_text(b, span_of(seatmap_text(map, &map->seat[at], SEAT_TEXT_ID)));
    buf_putf(b, ",\"status\":\"%s\"}", seat_status_word(status));
}

static void forget_changes(struct live_seats *s)
{
    s->changes = 0;
    buf_reset(&s->log);
}

static void drop_oldest_change(struct live_seats *s)
{
    size_t len = s->change[0].len;

    buf_drop(&s->log, len);
    s->changes--;
    memmove(&s->change[0], &s->change[1], s->changes * sizeof s->change[0]);
    for (size_t i = 0; i < s->changes; i++)
        s->change[i].at -= len;
}

/* Behind the history, which must lead up to `since`. One that is too long empties it: whoever
 * lacks it is given all. */
static void keep_change(struct live_seats *s, const struct buf *text, uint64_t since)
{
    if (text->failed || text->len > LIVE_CHANGES_BYTES_MAX) {
        forget_changes(s);
        return;
    }
    assert(s->changes == 0 || s->change[s->changes - 1].version == since);
    while (s->changes == LIVE_CHANGES_MAX || text->len > LIVE_CHANGES_BYTES_MAX - s->log.len)
        drop_oldest_change(s);
    s->change[s->changes++] = (struct live_change){
        .since = since, .version = s->told, .at = s->log.len, .len = text->len};
    buf_put(&s->log, text->bytes, text->len);
    assert(!s->log.failed);
}

/* They are known from now on; there is no history. */
static bool begin(struct live_seats *s, const struct seatmap *map, const unsigned char *status,
                  uint64_t version)
{
    unsigned char *copy = malloc(map->count + 1);

    if (copy == NULL)
        return false;
    memcpy(copy, status, map->count);
    free(s->status);
    s->status = copy;
    s->count = map->count;
    s->version = s->told = version;
    s->are_known = true;
    s->complete_version = 0;
    forget_changes(s);
    return true;
}

/* Nobody who was told of them is told how they came to be as they are: between two looks a seat may
 * have been taken and given back, and whoever saw it taken elsewhere must hear of it. */
bool live_seats_set(struct live_seats *s, const struct show *show, const unsigned char *status,
                    uint64_t version)
{
    const struct seatmap *map = show->seatmap;

    if (s->are_known && s->version == version && s->count == map->count &&
        memcmp(s->status, status, map->count) == 0)
        return false;
    return begin(s, map, status, version);
}

/* Those that have changed are told even if they are again what they were, for the same reason. */
bool live_seats_change(struct live_seats *s, const struct show *show, const unsigned char *marked,
                       uint64_t version)
{
    uint64_t since = s->told;
    bool any = false;
    struct buf text;

    assert(s->are_known && s->count == show->seatmap->count);
    buf_init(&text, LIVE_CHANGES_BYTES_MAX + 1);
    put_beginning(&text, show, since, version, false);
    for (size_t i = 0; i < s->count; i++) {
        if (marked[i] == 0)
            continue;
        s->status[i] = (unsigned char)(marked[i] - 1);
        put_seat(&text, show->seatmap, i, s->status[i]);
        any = true;
    }
    buf_putc(&text, ']');
    s->version = version;
    if (any) {
        s->told = version;
        keep_change(s, &text, since);
    }
    buf_free(&text);
    return any;
}

/* Every seat that is not available; the others are. */
static void make_complete(struct live_seats *s, const struct show *show)
{
    buf_reset(&s->complete);
    put_beginning(&s->complete, show, 0, s->told, true);
    for (size_t i = 0; i < s->count && !s->complete.failed; i++)
        if (s->status[i] != SEAT_AVAILABLE)
            put_seat(&s->complete, show->seatmap, i, s->status[i]);
    buf_putc(&s->complete, ']');
    s->is_too_long = s->complete.failed;
    s->complete_version = s->told;
}

static void put_all(struct live_seats *s, const struct show *show, const struct live_way *way,
                    struct live_seen *seen, struct buf *out)
{
    char id[LIVE_ID_BYTES];
    struct buf text;

    if (s->complete_version != s->told || s->told == 0)
        make_complete(s, show);
    seen->seats = s->told + 1;
    live_seen_format(seen, way, id);
    if (!s->is_too_long) {
        way->put(out, id, buf_span(&s->complete));
        return;
    }
    buf_init(&text, LIVE_COMPLETE_BYTES_MAX);
    buf_putf(&text,
             "\"type\":\"resync\",\"show\":\"%s\",\"show_id\":%" PRIu32 ",\"version\":%" PRIu64,
             show->slug, show->number, s->told);
    way->put(out, id, buf_span(&text));
    buf_free(&text);
}

size_t live_seats_put(struct live_seats *s, const struct show *show, const struct live_way *way,
                      struct live_seen *seen, struct buf *out)
{
    char id[LIVE_ID_BYTES];
    size_t events = 0;

    if (s->changes == 0 || seen->seats <= s->change[0].since) {
        put_all(s, show, way, seen, out);
        return 1;
    }
    for (size_t i = 0; i < s->changes; i++) {
        const struct live_change *c = &s->change[i];
        if (c->version < seen->seats)
            continue;
        seen->seats = c->version + 1;
        live_seen_format(seen, way, id);
        way->put(out, id, (struct span){s->log.bytes + c->at, c->len});
        events++;
    }
    return events;
}
