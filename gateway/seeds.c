/*
 * The routes of the documents that people come with, over the same queue. Their clients know
 * nothing of keys, shows or minor units: which show is meant is configuration, prices are whole
 * units, and what they look for stands under the names that they look for.
 */
#include "gateway/seeds.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/bookings.h"
#include "gateway/commands.h"
#include "gateway/counts.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/reads.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

#define SEED_LIST_MAX 100 /* shows in a list; its statement says the same */
static const struct statement seed_shows = {
    "seed_shows", "SELECT " SHOW_COLUMNS " FROM " SHOW_TABLES
                  " WHERE s.state <> 'draft' ORDER BY s.starts_at, s.show LIMIT 100"};

/* The booking of the one-place-a-person show before others, a live one before a dead one. */
static const struct statement seed_booking = {
    "seed_booking",
    "SELECT " SHOW_COLUMNS ", " BOOKING_COLUMNS ", (s.slug = $2)::integer,"
    " (b.status IN ('HELD', 'PENDING', 'CONFIRMED'))::integer FROM " BOOKING_TABLES
    " WHERE hashtextextended(b.user_id, 0) = hashtextextended($1, 0) AND b.user_id = $1"
    " ORDER BY s.slug = $2 DESC, b.status IN ('HELD', 'PENDING', 'CONFIRMED') DESC,"
    " b.created_ms DESC, b.id DESC LIMIT 1"};

static const struct merge_order booking_order = {
    4,
    {{SHOW_COLUMN_COUNT + BOOKING_COLUMN_COUNT, MERGE_NUMBER, true},
     {SHOW_COLUMN_COUNT + BOOKING_COLUMN_COUNT + 1, MERGE_NUMBER, true},
     {SHOW_COLUMN_COUNT + 3, MERGE_NUMBER, true},
     {SHOW_COLUMN_COUNT, MERGE_TEXT, true}}};

const char *seed_words(enum code code)
{
    return code == CODE_TIMED_OUT || code == CODE_INTERNAL ? code_error(CODE_OVERLOADED) : NULL;
}

static const char *words_tickets(enum code code)
{
    return code == CODE_SOLD_OUT ? code_error(CODE_NOT_ENOUGH) : seed_words(code);
}

static void grant_seat(struct task *task, const struct answer *answer)
{
    struct buf *body = &task->gateway->body;
    char id[ID_TEXT_BYTES];

    command_put_location(task, "/v1/bookings/", answer->booking.id);
    id_format(answer->booking.id, id);
    buf_puts(body, "{\"status\":\"success\",\"message\":\"Booking Successful\",\"userId\":");
    render_text(body, answer->booking.user);
    buf_putf(body, ",\"booking_id\":\"%s\"}", id);
    reply_send(task, 201, REPLY_JSON);
}

static void put_ticket(struct buf *body, const struct show *show, const struct tier *tier,
                       int64_t price, int64_t available)
{
    buf_puts(body, "{\"tier\":");
    render_text(body, span_of(tier->code));
    buf_puts(body, ",\"price\":");
    render_whole_units(body, price, show->currency);
    buf_puts(body, ",\"available\":");
    render_i64(body, available);
    buf_putc(body, '}');
}

static void grant_tickets(struct task *task, const struct answer *answer)
{
    struct buf *body = &task->gateway->body;
    const struct booking_line *line = &answer->booking.line[0];
    const struct tier *tier = show_tier(task->show, line->tier);

    if (tier == NULL) {
        reply_problem(task, 500, CODE_INTERNAL, NULL, "The tier is not known any more", 0);
        return;
    }
    command_put_location(task, "/v1/bookings/", answer->booking.id);
    buf_puts(body, "{\"message\":\"Booking successful\",\"ticket\":");
    put_ticket(body, task->show, tier, line->price, answer->available);
    buf_putc(body, '}');
    reply_send(task, 201, REPLY_JSON);
}

/* The booking, and its id once more under the names that these clients know. */
static void grant_booking(struct task *task, const struct answer *answer)
{
    struct buf *body = &task->gateway->body;
    char id[ID_TEXT_BYTES];

    command_put_location(task, "/v1/bookings/", answer->booking.id);
    id_format(answer->booking.id, id);
    buf_putf(body, "{\"booking_id\":\"%s\",\"hold_id\":\"%s\",", id, id);
    render_booking_members(body, task->show, &answer->booking);
    buf_putc(body, '}');
    reply_send(task, answer->op == OP_HOLD ? 201 : 200, REPLY_JSON);
}

/* One line of one tier, for a user or for a guest. */
static void send_line(struct task *task, enum operation op, struct span user, struct line line,
                      const struct command *command)
{
    struct request request = {.op = op, .user = user, .lines = 1, .line = {line}};
    struct command whole = *command;

    whole.request = &request;
    command_send(task, &whole);
}

/* {"userId"}: one place of the show that has one for each person. */
static void book_seat(struct task *task, struct json *json)
{
    struct span user = {NULL, 0};

    command_read_user(task, json, json_root(json), "userId", true, &user);
    if (!command_is_right(task, json) ||
        !shows_give(task, span_of(task->gateway->options->book_show)))
        return;
    if (task->show->tiers == 0) {
        reply_not_found(task, "The show has no places");
        return;
    }
    send_line(task, OP_BOOK, user, (struct line){task->show->tier[0].number, 1},
              &(struct command){.scope = SPAN("/book"), .grant = grant_seat, .words = seed_words});
}

/* {"tier","quantity"}: tickets, for whoever asks. */
static void book_tickets(struct task *task, struct json *json)
{
    struct json_object root = json_root(json);
    struct span tier = {NULL, 0}, user = {NULL, 0};
    int64_t quantity = 0;
    struct line line;

    json_text(json, root, "tier", true, &tier);
    json_whole(json, root, "quantity", true, 1, QUANTITY_MAX, &quantity);
    command_read_user(task, json, root, "userId", false, &user);
    if (!command_is_right(task, json) ||
        !shows_give(task, span_of(task->gateway->options->tickets_show)) ||
        !bookings_line(task, tier, quantity, &line))
        return;
    send_line(
        task, OP_BOOK, user, line,
        &(struct command){.scope = SPAN("/book"), .grant = grant_tickets, .words = words_tickets});
}

void seed_book(struct task *task)
{
    struct json json;

    if (!command_begin(task, &json))
        return;
    if (json_has(json_root(&json), "tier") || json_has(json_root(&json), "quantity"))
        book_tickets(task, &json);
    else
        book_seat(task, &json);
    json_free(&json);
}

/* The first of several names that the body has, or the first of them. */
static const char *which(struct json_object in, const char *const *names)
{
    for (const char *const *name = names; *name != NULL; name++)
        if (json_has(in, *name))
            return *name;
    return names[0];
}

static void hold(struct task *task, struct json *json)
{
    static const char *const show_names[] = {"show", "show_id", "showId", NULL};
    static const char *const user_names[] = {"user",      "userId",     "user_id",
                                             "user_name", "user_email", NULL};
    static const char *const quantity_names[] = {"quantity", "seats", NULL};
    struct json_object root = json_root(json);
    struct span show = span_of(task->gateway->options->tickets_show), user = {NULL, 0}, tier;
    char digits[JSON_DIGITS];
    int64_t quantity = 1;
    struct line line;

    json_word(json, root, which(root, show_names), false, digits, &show);
    command_read_user(task, json, root, which(root, user_names), false, &user);
    json_whole(json, root, which(root, quantity_names), false, 1, QUANTITY_MAX, &quantity);
    if (!command_is_right(task, json) || !shows_give(task, show))
        return;
    if (!json_text(json, root, "tier", task->show->tiers != 1, &tier) && !json->failed)
        tier = span_of(task->show->tier[0].code);
    if (!command_is_right(task, json) || !bookings_line(task, tier, quantity, &line))
        return;
    send_line(task, OP_HOLD, user, line,
              &(struct command){
                  .scope = SPAN("/booking/hold"), .grant = grant_booking, .words = seed_words});
}

void seed_hold(struct task *task)
{
    struct json json;

    if (!command_begin(task, &json))
        return;
    hold(task, &json);
    json_free(&json);
}

static void change(struct task *task, enum operation op)
{
    static const char *const names[] = {"booking_id", "bookingId", "hold_id", "holdId", "id", NULL};
    struct span text = {NULL, 0};
    struct json json;
    struct id id;

    if (!command_begin(task, &json))
        return;
    json_text(&json, json_root(&json), which(json_root(&json), names), true, &text);
    if (command_is_right(task, &json) && bookings_find(task, text, &id))
        bookings_change(task, &json, op, id, grant_booking);
    json_free(&json);
}

void seed_confirm(struct task *task)
{
    change(task, OP_CONFIRM);
}

void seed_cancel(struct task *task)
{
    change(task, OP_CANCEL);
}

static void on_booking(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    struct booking booking;
    struct show show = {0};

    if (!task_resume(task))
        return;
    if (err) {
        reads_fail(task, err);
        return;
    }
    if (rows_count(rows) == 0) {
        reply_not_found(task, "This user has no booking");
        return;
    }
    if (show_from_row(&show, rows, 0) || booking_from_row(&booking, rows, 0, SHOW_COLUMN_COUNT)) {
        show_free(&show);
        reads_fail(task, ERR_INPUT);
        return;
    }
    struct buf *body = reply_open_private(task);
    buf_puts(body, "{\"userId\":");
    render_text(body, booking.user);
    buf_putc(body, ',');
    render_booking_members(body, &show, &booking);
    buf_putc(body, '}');
    show_free(&show);
    reply_send(task, 200, REPLY_JSON);
}

void seed_get_bookings(struct task *task)
{
    char user[USER_BYTES_MAX + 1];
    struct postgres_query query = {.statement = &seed_booking,
                                   .values = 2,
                                   .value = {user, task->gateway->options->book_show},
                                   .done = on_booking};

    if (reads_user(task, task->parameter[0], user))
        reads_gather(task, &query, &booking_order);
}

static void tickets_counted(struct task *task)
{
    struct buf *body = reply_open(task);
    const struct show *show = task->show;

    buf_putc(body, '[');
    for (size_t i = 0; i < show->tiers; i++) {
        if (i > 0)
            buf_putc(body, ',');
        put_ticket(body, show, &show->tier[i], tier_price_now(&show->tier[i], clock_wall_ms()),
                   show->tier[i].available);
    }
    buf_putc(body, ']');
    reply_send(task, 200, REPLY_JSON);
}

void seed_get_tickets(struct task *task)
{
    if (shows_give(task, span_of(task->gateway->options->tickets_show)))
        counts_await(task, tickets_counted);
}

static void put_seed_show(struct buf *body, const struct show *show)
{
    unsigned long long total = 0, available = 0;

    for (size_t i = 0; i < show->tiers; i++) {
        total += show->tier[i].capacity;
        available += show->tier[i].available;
    }
    buf_putf(body, "{\"id\":%u,\"slug\":\"%s\",\"name\":", show->number, show->slug);
    render_text(body, span_of(show->name));
    buf_puts(body, ",\"start_time\":");
    render_time(body, show->starts_ms);
    buf_putf(body, ",\"total_seats\":%llu,\"reserved_seats\":%llu,\"available_seats\":%llu}", total,
             total - available, available);
}

void seed_tell_shows(struct task *task, struct buf *body, const struct postgres_rows *rows,
                     void (*put)(struct buf *body, const struct show *show))
{
    struct show show = {0};
    enum err err = ERR_NONE;

    buf_putc(body, '[');
    for (size_t i = 0; i < rows_count(rows) && i < SEED_LIST_MAX && !err; i++) {
        err = show_from_row(&show, rows, i);
        if (err)
            break;
        if (i > 0)
            buf_putc(body, ',');
        put(body, &show);
    }
    buf_putc(body, ']');
    show_free(&show);
    if (err)
        reads_fail(task, err);
    else
        reply_send(task, 200, REPLY_JSON);
}

static void on_shows(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;

    if (!task_resume(task))
        return;
    if (err)
        reads_fail(task, err);
    else
        seed_tell_shows(task, reply_open(task), rows, put_seed_show);
}

void seed_get_shows(struct task *task)
{
    struct postgres_query query = {.statement = &seed_shows, .done = on_shows};

    reads_gather(task, &query, &shows_by_start);
}

void seed_get_availability(struct task *task)
{
    char name[SLUG_BYTES_MAX + 1];
    const char *show;

    if (!reads_text(task, "show", name, SLUG_BYTES_MAX, &show))
        return;
    if (show == NULL)
        show = task->gateway->options->tickets_show;
    if (shows_give(task, span_of(show)))
        counts_await(task, counts_answer);
}
