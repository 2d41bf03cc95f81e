#include "gateway/render.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/price.h"
#include "base/seats.h"
#include "gateway/seatmap.h"

void render_text(struct buf *b, struct span text)
{
    size_t from = 0;

    buf_putc(b, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        buf_put(b, text.bytes + from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\')
            buf_put(b, (char[]){'\\', (char)c}, 2);
        else
            buf_putf(b, "\\u%04x", c);
    }
    buf_put(b, text.bytes + from, text.len - from);
    buf_putc(b, '"');
}

void render_time_bare(struct buf *b, int64_t wall_ms)
{
    char text[CLOCK_TEXT_BYTES];

    if (wall_ms == 0)
        return;
    clock_format(wall_ms, text);
    buf_puts(b, text);
}

void render_time(struct buf *b, int64_t wall_ms)
{
    if (wall_ms == 0) {
        buf_puts(b, "null");
        return;
    }
    buf_putc(b, '"');
    render_time_bare(b, wall_ms);
    buf_putc(b, '"');
}

void render_i64(struct buf *b, int64_t n)
{
    if (n < 0)
        buf_putc(b, '-');
    buf_put_u64(b, n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n);
}

void render_whole_units(struct buf *b, int64_t minor, const char *currency)
{
    unsigned digits = price_minor_digits(currency);
    int64_t unit = 1;

    for (unsigned i = 0; i < digits; i++)
        unit *= 10;
    render_i64(b, minor / unit);
    int64_t rest = minor % unit;
    if (rest == 0)
        return;
    char text[24];
    int n = snprintf(text, sizeof text, ".%0*lld", (int)digits, (long long)rest);
    while (text[n - 1] == '0')
        n--;
    buf_put(b, text, (size_t)n);
}

void render_tier_code(struct buf *b, const struct show *show, uint32_t number)
{
    const struct tier *tier = show_tier(show, number);

    /* A tier that this gateway has not seen yet still has a name that tells it from others. */
    if (tier != NULL)
        render_text(b, span_of(tier->code));
    else
        buf_putf(b, "\"%u\"", number);
}

static void put_line(struct buf *b, const struct show *show, const struct booking_line *line)
{
    buf_puts(b, "{\"tier\":");
    render_tier_code(b, show, line->tier);
    buf_puts(b, ",\"quantity\":");
    buf_put_u64(b, line->quantity);
    buf_puts(b, ",\"price\":");
    render_i64(b, line->price);
    buf_puts(b, ",\"amount\":");
    render_i64(b, line->price * (int64_t)line->quantity);
    buf_putc(b, '}');
}

static void put_lines(struct buf *b, const struct show *show, const struct booking *booking)
{
    if (booking->lines == 1) {
        buf_puts(b, ",\"tier\":");
        render_tier_code(b, show, booking->line[0].tier);
    }
    buf_puts(b, ",\"items\":[");
    for (size_t i = 0; i < booking->lines; i++) {
        if (i > 0)
            buf_putc(b, ',');
        put_line(b, show, &booking->line[i]);
    }
    buf_putc(b, ']');
}

/* Ids a line each, as Postgres gives them. */
static void put_ids(struct buf *b, struct span ids)
{
    while (ids.len > 0) {
        const char *end = memchr(ids.bytes, '\n', ids.len);
        size_t n = end != NULL ? (size_t)(end - ids.bytes) : ids.len;
        render_text(b, (struct span){ids.bytes, n});
        n += end != NULL;
        ids = (struct span){ids.bytes + n, ids.len - n};
        if (ids.len > 0)
            buf_putc(b, ',');
    }
}

void render_seats(struct buf *b, const struct show *show, struct span seats)
{
    buf_putc(b, '[');
    for (size_t i = 0; i < seats_count(seats); i++) {
        uint32_t position = seats_at(seats, i);
        const struct seat *seat =
            show->seatmap != NULL ? seatmap_at(show->seatmap, position) : NULL;
        if (i > 0)
            buf_putc(b, ',');
        if (seat != NULL)
            render_text(b, span_of(seatmap_text(show->seatmap, seat, SEAT_TEXT_ID)));
        else
            buf_putf(b, "\"%u\"", position); /* it still has a name that tells it from others */
    }
    buf_putc(b, ']');
}

static void put_seats(struct buf *b, const struct show *show, const struct booking *booking)
{
    if (booking->seat_ids.len > 0) {
        buf_puts(b, ",\"seats\":[");
        put_ids(b, booking->seat_ids);
        buf_putc(b, ']');
    } else if (booking->seats.len > 0) {
        buf_puts(b, ",\"seats\":");
        render_seats(b, show, booking->seats);
    }
}

void render_booking_members(struct buf *b, const struct show *show, const struct booking *booking)
{
    char id[ID_TEXT_BYTES];

    id_format(booking->id, id);
    buf_puts(b, "\"id\":\"");
    buf_put(b, id, ID_TEXT_BYTES - 1);
    buf_puts(b, "\",\"show\":\"");
    buf_puts(b, show->slug);
    buf_puts(b, "\",\"show_id\":");
    buf_put_u64(b, show->number);
    buf_puts(b, ",\"user\":");
    render_text(b, booking->user);
    put_lines(b, show, booking);
    put_seats(b, show, booking);
    buf_puts(b, ",\"quantity\":");
    buf_put_u64(b, booking_quantity(booking));
    buf_puts(b, ",\"amount\":");
    render_i64(b, booking->amount);
    buf_puts(b, ",\"currency\":\"");
    buf_puts(b, show->currency);
    buf_puts(b, "\",\"status\":\"");
    buf_puts(b, state_name(booking->state));
    buf_puts(b, "\",\"created_at\":");
    render_time(b, booking->created_ms);
    buf_puts(b, ",\"expires_at\":");
    render_time(b, booking->state == STATE_HELD ? booking->expires_ms : 0);
}

void render_booking(struct buf *b, const struct show *show, const struct booking *booking)
{
    buf_putc(b, '{');
    render_booking_members(b, show, booking);
    buf_putc(b, '}');
}

static void put_show_tiers(struct buf *b, const struct show *show, int64_t now_ms)
{
    buf_puts(b, ",\"tiers\":[");
    for (size_t i = 0; i < show->tiers; i++) {
        const struct tier *t = &show->tier[i];
        buf_puts(b, i > 0 ? ",{\"tier\":" : "{\"tier\":");
        render_text(b, span_of(t->code));
        buf_putf(b, ",\"price\":%lld,\"currency\":\"%s\",\"capacity\":%u%s}",
                 (long long)tier_price_now(t, now_ms), show->currency, t->capacity,
                 t->has_seats ? ",\"seats\":true" : "");
    }
    buf_putc(b, ']');
}

void render_show(struct buf *b, const struct show *show, int64_t now_ms)
{
    buf_putf(b, "{\"id\":%u,\"slug\":\"%s\",\"name\":", show->number, show->slug);
    render_text(b, span_of(show->name));
    buf_putf(b, ",\"category\":\"%s\",\"series\":", show->category);
    if (show->series[0] != '\0')
        buf_putf(b, "\"%s\"", show->series);
    else
        buf_puts(b, "null");
    buf_putf(b, ",\"state\":\"%s\",\"starts_at\":", show->state);
    render_time(b, show->starts_ms);
    buf_puts(b, ",\"ends_at\":");
    render_time(b, show->ends_ms);
    buf_puts(b, ",\"sales_open_at\":");
    render_time(b, show->opens_ms);
    buf_puts(b, ",\"sales_close_at\":");
    render_time(b, show->closes_ms);
    buf_putf(b, ",\"currency\":\"%s\",\"rules\":{\"max_per_user\":", show->currency);
    if (show->max_per_user == 0)
        buf_puts(b, "null");
    else
        render_i64(b, show->max_per_user);
    buf_putf(b,
             ",\"max_per_booking\":%lld,\"hold_seconds\":%lld,\"hold_seconds_max\":%lld,"
             "\"payment\":\"%s\"}",
             (long long)show->max_per_booking, (long long)(show->hold_ms / 1000),
             (long long)(show->hold_ms_max / 1000),
             show->payment_required ? "required" : "optional");
    put_show_tiers(b, show, now_ms);
    buf_putc(b, '}');
}

void render_tier_count(struct buf *b, const struct show *show, const struct tier_count *count,
                       int64_t now_ms)
{
    const struct tier *tier = show_tier(show, count->tier);

    buf_putf(b,
             "\"price\":%lld,\"currency\":\"%s\",\"capacity\":%u,\"available\":%u,"
             "\"held\":%u,\"booked\":%u,\"blocked\":%u",
             (long long)(tier != NULL ? tier_price(tier, count, now_ms) : 0), show->currency,
             count->capacity, count->available, count->held, count->booked, count->blocked);
}

void render_availability(struct buf *b, const struct show *show, const struct availability *a,
                         int64_t now_ms)
{
    uint64_t left = 0;

    buf_putf(b, "{\"show\":\"%s\",\"show_id\":%u,\"version\":%llu,\"tiers\":[", show->slug,
             show->number, (unsigned long long)a->version);
    for (size_t i = 0; i < a->tiers; i++) {
        const struct tier_count *count = &a->tier[i];
        buf_puts(b, i > 0 ? ",{\"tier\":" : "{\"tier\":");
        render_tier_code(b, show, count->tier);
        buf_putc(b, ',');
        render_tier_count(b, show, count, now_ms);
        buf_putc(b, '}');
        left += count->available;
    }
    buf_putf(b, "],\"available\":%llu}", (unsigned long long)left);
}
