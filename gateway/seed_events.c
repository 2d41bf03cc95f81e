/*
 * Events and their seats as the seeds' clients have them: an event is a show with numbered seats,
 * under its number. They are read from Postgres: who has just held a seat sees it at once, and the
 * list, the counts and the seats agree.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/seats.h"
#include "base/text.h"
#include "gateway/fields.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/live_routes.h"
#include "gateway/reads.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/seed_seat.h"
#include "gateway/seeds.h"
#include "gateway/shows.h"

#define PAGE_BYTES_MAX (600 << 10) /* a connection may have a megabyte unsent */

/* The configured show comes first, what is over comes last. */
static const struct statement seed_events = {
    "seed_events",
    "SELECT " SHOW_COLUMNS ", (s.slug = $1)::integer, coalesce(s.starts_at < now(), false)::integer"
    " FROM " SHOW_TABLES " WHERE s.state <> 'draft' AND EXISTS"
    " (SELECT FROM tiers t WHERE t.show = s.show AND t.kind = 'seats')"
    " ORDER BY s.slug = $1 DESC, coalesce(s.starts_at < now(), false), s.starts_at,"
    " s.show LIMIT 100"};
static const struct statement seed_event = {
    "seed_event", "SELECT " SHOW_COLUMNS " FROM " SHOW_TABLES " WHERE s.show = $1::integer"};
static const struct statement seed_seats = {
    "seed_seats", "SELECT t.position, t.status, b.expires_ms FROM seats t"
                  " LEFT JOIN bookings b ON b.id = t.booking AND t.status = 1"
                  " WHERE t.show = $1::integer AND t.position >= $2::integer"
                  " ORDER BY t.position LIMIT 10000"};
static const struct merge_order events_order = {4,
                                                {{SHOW_COLUMN_COUNT, MERGE_NUMBER, true},
                                                 {SHOW_COLUMN_COUNT + 1, MERGE_NUMBER, false},
                                                 {7, MERGE_NUMBER, false},
                                                 {0, MERGE_NUMBER, false}}};
enum seat_column { COLUMN_POSITION, COLUMN_STATUS, COLUMN_EXPIRES };

static void put_event_members(struct buf *b, const struct show *show)
{
    buf_putf(b, "\"id\":%u,\"slug\":\"%s\",\"title\":", show->number, show->slug);
    render_text(b, span_of(show->name));
    buf_puts(b, ",\"category\":");
    render_text(b, span_of(show->category));
    buf_puts(b, ",\"event_date\":");
    render_time(b, show->starts_ms);
}

static void put_listed(struct buf *b, const struct show *show)
{
    buf_putc(b, '{');
    put_event_members(b, show);
    buf_putc(b, '}');
}

static void on_events(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;

    if (!task_resume(task))
        return;
    if (err) {
        reads_fail(task, err);
        return;
    }
    struct buf *body = reply_open_private(task);
    reply_field(task, "Vary", "Accept");
    seed_tell_shows(task, body, rows, put_listed);
}

void seed_get_events(struct task *task)
{
    struct postgres_query query = {.statement = &seed_events,
                                   .values = 1,
                                   .value = {task->gateway->options->seats_show},
                                   .done = on_events};

    if (media_prefers_stream(exchange_header(task->exchange, "accept")) && !identity_watches(task))
        return;
    if (media_prefers_stream(exchange_header(task->exchange, "accept")))
        live_answer_seeds(task);
    else
        reads_gather(task, &query, &events_order);
}

/* These clients know three statuses: what is neither available nor held counts as booked. */
static void put_event(struct buf *b, const struct show *show)
{
    unsigned long long total = 0, available = 0, held = 0;

    for (size_t i = 0; i < show->tiers; i++) {
        total += show->tier[i].capacity;
        available += show->tier[i].available;
        held += show->tier[i].held;
    }
    buf_putc(b, '{');
    put_event_members(b, show);
    buf_putf(b,
             ",\"total_seats\":%llu,\"available_seats\":%llu,\"held_seats\":%llu"
             ",\"booked_seats\":%llu}",
             total, available, held, total - available - held);
}

static void on_event(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    struct show show = {0};

    if (!task_resume(task))
        return;
    if (!err && rows_count(rows) != 1)
        err = ERR_INPUT;
    if (!err)
        err = show_from_row(&show, rows, 0);
    if (err) {
        reads_fail(task, err);
        return;
    }
    put_event(reply_open_private(task), &show);
    show_free(&show);
    reply_send(task, 200, REPLY_JSON);
}

void seed_get_event(struct task *task)
{
    char number[16];
    struct postgres_query query = {
        .statement = &seed_event, .values = 1, .value = {number}, .done = on_event};

    if (!shows_give(task, task->parameter[0]))
        return;
    snprintf(number, sizeof number, "%u", task->show->number);
    reads_ask(task, &query);
}

/* The place behind which the list goes on, read again whenever it is needed. */
static bool read_cursor(struct task *task, uint32_t *place)
{
    uint64_t n = 0;
    bool right = reads_number(task, "cursor", 0, SEATS_MAX, &n);

    *place = (uint32_t)n;
    return right;
}

static enum err put_seat(struct buf *b, const struct show *show, const struct postgres_rows *rows,
                         size_t row)
{
    const struct seatmap *map = show->seatmap;
    int64_t position = rows_i64(rows, row, COLUMN_POSITION);
    int64_t status = rows_i64(rows, row, COLUMN_STATUS);
    const struct seat *seat = seatmap_at(map, (uint32_t)position);

    if (seat == NULL)
        return ERR_INPUT;
    buf_putf(b, "{\"id\":%" PRIu64 ",\"seat_number\":", seed_seat_number(show->number, map, seat));
    render_text(b, span_of(seatmap_text(map, seat, SEAT_TEXT_ID)));
    buf_putf(b, ",\"status\":\"%s\",\"hold_expires_at\":",
             status == SEAT_AVAILABLE ? "available"
             : status == SEAT_HELD    ? "held"
                                      : "booked");
    render_time(b, status == SEAT_HELD ? rows_i64(rows, row, COLUMN_EXPIRES) : 0);
    buf_putc(b, '}');
    return ERR_NONE;
}

/* A list has no place for what comes next: a Link says it, of the largest maps only. */
static void put_next(struct task *task, uint64_t place)
{
    char link[80];

    snprintf(link, sizeof link, "</seats?event_id=%u&cursor=%" PRIu64 ">; rel=\"next\"",
             task->show->number, place);
    reply_field(task, "Link", link);
}

static void on_seats(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    uint32_t place;
    size_t i = 0;

    if (!task_resume(task))
        return;
    if (err) {
        reads_fail(task, err);
        return;
    }
    if (!read_cursor(task, &place))
        return;
    struct buf *body = reply_open_private(task);
    buf_putc(body, '[');
    for (; i < rows_count(rows) && body->len < PAGE_BYTES_MAX && !err; i++) {
        if (i > 0)
            buf_putc(body, ',');
        err = put_seat(body, task->show, rows, i);
    }
    buf_putc(body, ']');
    if (err) {
        reads_fail(task, err);
        return;
    }
    if (place + i < task->show->seatmap->count)
        put_next(task, place + i);
    reply_send(task, 200, REPLY_JSON);
}

void seed_get_seats(struct task *task)
{
    char name[SLUG_BYTES_MAX + 1], number[16], from[16];
    struct postgres_query query = {
        .statement = &seed_seats, .values = 2, .value = {number, from}, .done = on_seats};
    const char *event;
    uint32_t place;

    if (!reads_text(task, "event_id", name, SLUG_BYTES_MAX, &event))
        return;
    if (event == NULL) {
        reply_problem(task, 400, CODE_INVALID, "event_id query parameter required", NULL, 0);
        return;
    }
    if (!read_cursor(task, &place) || !shows_give(task, span_of(event)))
        return;
    const struct seat *first = seed_seat_find(task->show->seatmap, place + 1);
    if (first == NULL) {
        buf_puts(reply_open_private(task), "[]");
        reply_send(task, 200, REPLY_JSON);
        return;
    }
    snprintf(number, sizeof number, "%u", task->show->number);
    snprintf(from, sizeof from, "%u", first->position);
    reads_ask(task, &query);
}
