#include "gateway/live_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gateway/render.h"

#define TEXT_BYTES_MAX 16384

static void put_sse(struct buf *out, const char *id, struct span text);

const struct live_way live_as_sse = {
    .parts = 1u << LIVE_COUNTS | 1u << LIVE_SALE | 1u << LIVE_QUEUE, .seats = true, .put = put_sse};
const struct live_way live_as_seeds_sse = {.parts = 1u << LIVE_AVAILABLE, .put = put_sse};

static void put_sse(struct buf *out, const char *id, struct span text)
{
    buf_puts(out, "id: ");
    buf_puts(out, id);
    buf_puts(out, "\ndata: {");
    buf_put(out, text.bytes, text.len);
    buf_puts(out, "}\n\n");
}

void live_state_init(struct live_state *s)
{
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < LIVE_PARTS; i++)
        buf_init(&s->text[i], TEXT_BYTES_MAX);
    buf_init(&s->seats.log, LIVE_CHANGES_BYTES_MAX);
    buf_init(&s->seats.complete, LIVE_COMPLETE_BYTES_MAX);
}

void live_state_free(struct live_state *s)
{
    for (size_t i = 0; i < LIVE_PARTS; i++)
        buf_free(&s->text[i]);
    buf_free(&s->seats.log);
    buf_free(&s->seats.complete);
    free(s->seats.status);
}

/* Never 0, which stands for none. */
static uint32_t hash_of(struct span text)
{
    uint32_t hash = 2166136261;

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.bytes[i]) * 16777619;
    return hash != 0 ? hash : 1;
}

/* The text of the part was made anew. */
static bool note_part(struct live_state *s, enum live_part part)
{
    uint32_t hash = hash_of(buf_span(&s->text[part]));

    assert(!s->text[part].failed);
    if (hash == s->hash[part])
        return false;
    s->hash[part] = hash;
    s->number++;
    return true;
}

static void put_beginning(struct buf *b, const char *type, const struct show *show)
{
    buf_reset(b);
    buf_putf(b, "\"type\":\"%s\",\"show\":\"%s\",\"show_id\":%" PRIu32, type, show->slug,
             show->number);
}

static uint64_t places_left(const struct availability *a)
{
    uint64_t left = 0;

    for (size_t i = 0; i < a->tiers; i++)
        left += a->tier[i].available;
    return left;
}

bool live_state_set_counts(struct live_state *s, const struct show *show,
                           const struct availability *a, int64_t now_ms)
{
    struct buf *b = &s->text[LIVE_COUNTS], *seeds = &s->text[LIVE_AVAILABLE];
    uint64_t left = places_left(a);

    buf_reset(b);
    buf_putf(b,
             "\"type\":\"availability\",\"available\":%" PRIu64
             ",\"show\":\"%s\",\"show_id\":%" PRIu32 ",\"version\":%" PRIu64 ",\"tiers\":{",
             left, show->slug, show->number, a->version);
    for (size_t i = 0; i < a->tiers; i++) {
        if (i > 0)
            buf_putc(b, ',');
        render_tier_code(b, show, a->tier[i].tier);
        buf_puts(b, ":{");
        render_tier_count(b, show, &a->tier[i], now_ms);
        buf_putc(b, '}');
    }
    buf_putc(b, '}');
    buf_reset(seeds);
    buf_putf(seeds, "\"type\":\"availability\",\"available\":%" PRIu64, left);
    bool is_new = note_part(s, LIVE_COUNTS);
    return note_part(s, LIVE_AVAILABLE) || is_new;
}

/* What a person who looks at the show would want to know first. */
const char *live_sale_word(const struct show *show, const struct availability *a, int64_t now_ms)
{
    bool is_closed = show->closes_ms != 0 && now_ms >= show->closes_ms;

    if (is_closed || strcmp(show->state, "closed") == 0)
        return "closed";
    if (strcmp(show->state, "draft") == 0 || now_ms < show->opens_ms)
        return "not_opened";
    if (strcmp(show->state, "open") != 0)
        return "paused";
    return places_left(a) == 0 ? "sold_out" : "opened";
}

bool live_state_set_sale(struct live_state *s, const struct show *show,
                         const struct availability *a, int64_t now_ms)
{
    struct buf *b = &s->text[LIVE_SALE];

    put_beginning(b, "sale", show);
    buf_putf(b, ",\"state\":\"%s\",\"opens_at\":", live_sale_word(show, a, now_ms));
    render_time(b, show->opens_ms);
    buf_puts(b, ",\"closes_at\":");
    render_time(b, show->closes_ms);
    return note_part(s, LIVE_SALE);
}

bool live_state_set_queue(struct live_state *s, const struct show *show,
                          const struct news_queue *queue)
{
    struct buf *b = &s->text[LIVE_QUEUE];

    put_beginning(b, "queue", show);
    buf_putf(b,
             ",\"state\":\"%s\",\"serving\":%" PRIu64 ",\"rate\":%" PRIu32 ",\"left\":%" PRIu32
             ",\"joined\":%" PRIu64,
             queue->state, queue->serving, queue->rate, queue->left, queue->joined);
    return note_part(s, LIVE_QUEUE);
}

bool live_state_set_seats(struct live_state *s, const struct show *show,
                          const unsigned char *status, uint64_t version)
{
    bool is_new = live_seats_set(&s->seats, show, status, version);

    s->number += is_new;
    return is_new;
}

bool live_state_change_seats(struct live_state *s, const struct show *show,
                             const unsigned char *marked, uint64_t version)
{
    bool is_new = live_seats_change(&s->seats, show, marked, version);

    s->number += is_new;
    return is_new;
}

void live_state_limit(const struct live_state *s, struct live_seen *seen)
{
    if (s->seats.are_known && seen->seats > s->seats.version)
        seen->seats = s->seats.told + 1;
}

bool live_state_is_seen(const struct live_state *s, const struct live_way *way,
                        const struct live_seen *seen)
{
    for (size_t i = 0; i < LIVE_PARTS; i++)
        if (way->parts & 1u << i && s->hash[i] != 0 && s->hash[i] != seen->part[i])
            return false;
    return !way->seats || !s->seats.are_known || seen->seats > s->seats.told;
}

size_t live_state_put(struct live_state *s, const struct show *show, const struct live_way *way,
                      struct live_seen *seen, struct buf *out)
{
    char id[LIVE_ID_BYTES];
    size_t events = 0;

    for (size_t i = 0; i < LIVE_PARTS; i++) {
        if (!(way->parts & 1u << i) || s->hash[i] == seen->part[i] || s->hash[i] == 0)
            continue;
        seen->part[i] = s->hash[i];
        live_seen_format(seen, way, id);
        way->put(out, id, buf_span(&s->text[i]));
        events++;
    }
    if (way->seats && s->seats.are_known && seen->seats <= s->seats.told)
        events += live_seats_put(&s->seats, show, way, seen, out);
    return events;
}

void live_seen_format(const struct live_seen *seen, const struct live_way *way,
                      char id[LIVE_ID_BYTES])
{
    int n = snprintf(id, LIVE_ID_BYTES, "%" PRIu64, seen->seats);

    for (size_t i = 0; i < LIVE_PARTS; i++)
        if (way->parts & 1u << i)
            n += snprintf(id + n, LIVE_ID_BYTES - (size_t)n, "-%08" PRIx32, seen->part[i]);
    assert(n < LIVE_ID_BYTES);
}

static bool read_hash(struct span *rest, uint32_t *hash)
{
    static const char digits[] = "0123456789abcdef";

    if (rest->len < 9 || rest->bytes[0] != '-')
        return false;
    *hash = 0;
    for (size_t i = 1; i < 9; i++) {
        const char *digit = memchr(digits, rest->bytes[i], sizeof digits - 1);
        if (digit == NULL)
            return false;
        *hash = *hash << 4 | (uint32_t)(digit - digits);
    }
    *rest = (struct span){rest->bytes + 9, rest->len - 9};
    return true;
}

bool live_seen_read(struct span id, const struct live_way *way, struct live_seen *seen)
{
    struct live_seen read = {0};
    const char *dash = id.len > 0 ? memchr(id.bytes, '-', id.len) : NULL;
    size_t digits = dash != NULL ? (size_t)(dash - id.bytes) : 0;
    struct span rest = {id.bytes + digits, id.len - digits};

    *seen = read;
    if (!text_u64((struct span){id.bytes, digits}, UINT64_MAX, &read.seats))
        return false;
    for (size_t i = 0; i < LIVE_PARTS; i++)
        if (way->parts & 1u << i && !read_hash(&rest, &read.part[i]))
            return false;
    if (rest.len > 0)
        return false;
    *seen = read;
    return true;
}
