/*
 * GET /v1/shows/{show}/seats: the seat map with what readers may know of it.
 *
 * The map is in memory, the statuses come from Redis in one look; where Redis has none (the show is
 * not on sale, or Redis is away), Postgres says them. Three forms: seats in full, as many as fit
 * into an answer; `form=status`, a digit a seat; `since`, only those that have changed.
 */
#include "base/seats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/postgres_link.h"
#include "gateway/reads.h"
#include "gateway/redis_servers.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/seat_look.h"
#include "gateway/seat_status.h"
#include "gateway/seatmap.h"
#include "gateway/shows.h"

#define PAGE_BYTES_MAX (600 << 10) /* a connection may have a megabyte unsent */
#define ABSENT UINT64_MAX          /* a number that was not given */

static const struct statement seat_statuses = {
    "seat_statuses",
    "SELECT p.version, (SELECT string_agg(t.status::text, '' ORDER BY t.position) FROM seats t"
    " WHERE t.show = s.show) FROM " SHOW_TABLES " WHERE s.show = $1::integer"};

/* The parameters, read again whenever the handler goes on. */
struct asked {
    bool has_since, is_compact;
    uint64_t since;
    uint64_t cursor; /* position of the last seat that was told */
};

static bool read_asked(struct task *task, struct asked *asked)
{
    char form[16];
    const char *text;
    bool has_cursor;

    *asked = (struct asked){.since = ABSENT, .cursor = ABSENT};
    if (!reads_number(task, "since", 0, INT64_MAX, &asked->since) ||
        !reads_number(task, "cursor", 0, POSITIONS_MAX, &asked->cursor) ||
        !reads_text(task, "form", form, sizeof form - 1, &text))
        return false;
    asked->has_since = asked->since != ABSENT;
    has_cursor = asked->cursor != ABSENT;
    if (!has_cursor)
        asked->cursor = 0;
    asked->is_compact = text != NULL && strcmp(text, "status") == 0;
    if (text != NULL && !asked->is_compact) {
        reply_invalid(task, 400, "\"form\" must be \"status\", or be left out");
        return false;
    }
    if (asked->has_since && (asked->is_compact || has_cursor)) {
        reply_invalid(task, 400, "\"since\" stands alone: the changes of a version have one form");
        return false;
    }
    return true;
}

/* Answer 304 if the client has it already, else leave the answer open. */
static bool is_known(struct task *task, const char *etag)
{
    struct span asked = exchange_header(task->exchange, "if-none-match");

    reply_open_public(task);
    reply_field(task, "ETag", etag);
    if (asked.len == 0 || !etag_matches(asked, span_of(etag)))
        return false;
    reply_send_body(task, 304, NULL, (struct span){"", 0});
    return true;
}

static void put_head(struct buf *b, const struct show *show, struct span version, bool complete)
{
    buf_putf(b, "{\"show\":\"%s\",\"show_id\":%u,\"version\":%.*s,\"complete\":%s", show->slug,
             show->number, (int)version.len, version.bytes, complete ? "true" : "false");
}

static void put_member(struct buf *b, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    buf_putf(b, ",\"%s\":", name);
    render_text(b, span_of(text));
}

static void put_seat(struct buf *b, const struct show *show, const struct seat *seat,
                     unsigned char status)
{
    const struct seatmap *map = show->seatmap;
    const struct tier *tier = show_tier(show, seat->tier);

    buf_puts(b, "{\"id\":");
    render_text(b, span_of(seatmap_text(map, seat, SEAT_TEXT_ID)));
    put_member(b, "tier", tier != NULL ? tier->code : "");
    put_member(b, "section", seatmap_text(map, seat, SEAT_TEXT_SECTION));
    put_member(b, "row", seatmap_text(map, seat, SEAT_TEXT_ROW));
    put_member(b, "number", seatmap_text(map, seat, SEAT_TEXT_NUMBER));
    if (seatmap_text(map, seat, SEAT_TEXT_X)[0] != '\0')
        buf_putf(b, ",\"x\":%s,\"y\":%s", seatmap_text(map, seat, SEAT_TEXT_X),
                 seatmap_text(map, seat, SEAT_TEXT_Y));
    if (seat->accessible)
        buf_puts(b, ",\"accessible\":true");
    buf_putf(b, ",\"status\":\"%s\"}", seat_status_word(status));
}

/* Seats behind the cursor, as many as fit; then where the next answer goes on. */
static void put_page(struct buf *b, const struct show *show, const unsigned char *status,
                     uint64_t cursor)
{
    const struct seatmap *map = show->seatmap;
    uint32_t last = 0;
    size_t i = 0;

    while (i < map->count && map->seat[i].position <= cursor)
        i++;
    buf_puts(b, ",\"seats\":[");
    for (; i < map->count && b->len < PAGE_BYTES_MAX; i++) {
        if (last > 0)
            buf_putc(b, ',');
        put_seat(b, show, &map->seat[i], status[i]);
        last = map->seat[i].position;
    }
    if (i < map->count)
        buf_putf(b, "],\"next\":\"%u\"}", last);
    else
        buf_puts(b, "],\"next\":null}");
}

static void put_digits(struct buf *b, const struct show *show, const unsigned char *status)
{
    buf_putf(b, ",\"count\":%zu,\"statuses\":\"", show->seatmap->count);
    for (size_t i = 0; i < show->seatmap->count; i++)
        buf_putc(b, seat_status_digit(status[i]));
    buf_puts(b, "\"}");
}

/* `status`: a number of base/seats.h for each seat of the map. */
static void tell_map(struct task *task, const char *source, struct span version,
                     const unsigned char *status)
{
    struct asked asked;
    char etag[96];

    if (!read_asked(task, &asked))
        return;
    snprintf(etag, sizeof etag, "\"%s-%.*s-%c%u\"", source, (int)version.len, version.bytes,
             asked.is_compact ? 'd' : 's', (unsigned)asked.cursor);
    if (is_known(task, etag))
        return;
    struct buf *body = &task->gateway->body;
    put_head(body, task->show, version, true);
    if (asked.is_compact)
        put_digits(body, task->show, status);
    else
        put_page(body, task->show, status, asked.cursor);
    reply_send(task, 200, REPLY_JSON);
}

static bool from_digits(const struct seatmap *map, struct span digits, unsigned char *status)
{
    if (digits.len != map->count)
        return false;
    for (size_t i = 0; i < map->count; i++) {
        status[i] = (unsigned char)(digits.bytes[i] - '0');
        if (!seat_status_is_known(status[i]))
            return false;
    }
    return true;
}

static void on_statuses(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;

    if (!task_resume(task))
        return;
    unsigned char *status = err ? NULL : malloc(task->show->seatmap->count + 1);
    if (err || rows_count(rows) != 1)
        reads_fail(task, err ? err : ERR_INPUT);
    else if (status == NULL || !from_digits(task->show->seatmap, rows_text(rows, 0, 1), status))
        reads_fail(task, ERR_INPUT);
    else
        tell_map(task, "committed", rows_text(rows, 0, 0), status);
    free(status);
}

static void ask_postgres(struct task *task)
{
    char number[16];
    struct postgres_query query = {
        .statement = &seat_statuses, .values = 1, .value = {number}, .done = on_statuses};

    snprintf(number, sizeof number, "%u", task->show->number);
    reads_ask(task, &query);
}

static void tell_seats(struct task *task, struct redis_value look)
{
    struct span generation = seat_look_generation(look);
    unsigned char *status = malloc(task->show->seatmap->count + 1);
    char source[40];

    snprintf(source, sizeof source, "%.*s", (int)generation.len, generation.bytes);
    if (status != NULL && seat_look_read(look, task->show->seatmap, status))
        tell_map(task, source, seat_look_version(look), status);
    else
        reads_fail(task, ERR_INPUT);
    free(status);
}

static void tell_changes(struct task *task, struct redis_value look)
{
    const struct seatmap *map = task->show->seatmap;
    unsigned char *status = calloc(map->count + 1, 1);
    struct span version = seat_look_version(look);
    struct span generation = seat_look_generation(look);
    struct asked asked;
    struct buf *body = &task->gateway->body;
    bool first = true;
    char etag[96];

    if (status == NULL || !seat_look_mark(look, map, status)) {
        free(status);
        reads_fail(task, ERR_INPUT);
        return;
    }
    read_asked(task, &asked); /* as it was when Redis was asked */
    snprintf(etag, sizeof etag, "\"%.*s-%.*s-c%llu\"", (int)generation.len, generation.bytes,
             (int)version.len, version.bytes, (unsigned long long)asked.since);
    if (is_known(task, etag)) {
        free(status);
        return;
    }
    put_head(body, task->show, version, false);
    buf_puts(body, ",\"seats\":[");
    for (size_t i = 0; i < map->count; i++) {
        if (status[i] == 0)
            continue;
        buf_puts(body, first ? "{\"id\":" : ",{\"id\":");
        first = false;
        render_text(body, span_of(seatmap_text(map, &map->seat[i], SEAT_TEXT_ID)));
        buf_putf(body, ",\"status\":\"%s\"}", seat_status_word((unsigned char)(status[i] - 1)));
    }
    buf_puts(body, "],\"next\":null}");
    free(status);
    reply_send(task, 200, REPLY_JSON);
}

static void on_look(void *context, const struct redis_value *reply)
{
    struct task *task = context;

    if (!task_resume(task))
        return;
    if (reply == NULL || !seat_look_has_come(reply))
        ask_postgres(task);
    else if (!seat_look_is_complete(*reply))
        tell_changes(task, *reply);
    else
        tell_seats(task, *reply);
}

static void ask_redis(struct task *task, const struct asked *asked)
{
    task_park(task);
    if (!seat_look_send(task->gateway->redis, task->show, asked->has_since ? &asked->since : NULL,
                        on_look, task))
        on_look(task, NULL);
}

void get_seats(struct task *task)
{
    struct asked asked;

    if (!shows_give(task, task->parameter[0]) || !read_asked(task, &asked))
        return;
    if (task->show->seatmap == NULL) {
        reply_not_found(task, "The show has no numbered seats");
        return;
    }
    ask_redis(task, &asked);
}
