#include "gateway/reads.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "gateway/bookings.h"
#include "gateway/counts.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/identity.h"
#include "gateway/payments.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX 100
#define WORDS_BYTES_MAX 200       /* of a search */
#define STATUS_BYTES_MAX 16       /* a booking's */
#define NO_START 9007199254740991 /* where a show without a time stands in the order */

static const struct statement booking_by_id = {
    "booking_by_id", "SELECT " BOOKING_COLUMNS ", " PAYMENT_COLUMNS
                     " FROM bookings b LEFT JOIN payments p ON p.id = b.payment"
                     " WHERE b.id = $1::uuid"};

static const struct statement history = {
    "history", "SELECT " SHOW_COLUMNS ", " BOOKING_COLUMNS " FROM " BOOKING_TABLES
               " WHERE hashtextextended(b.user_id, 0) = hashtextextended($1, 0) AND b.user_id = $1"
               " AND ($2::bigint IS NULL OR (b.created_ms, b.id) < ($2::bigint, $3::uuid))"
               " AND ($5::text IS NULL OR b.status = $5::booking_status)"
               " ORDER BY b.created_ms DESC, b.id DESC LIMIT $4::integer"};

static const struct merge_order newest_first = {
    2, {{SHOW_COLUMN_COUNT + 3, MERGE_NUMBER, true}, {SHOW_COLUMN_COUNT, MERGE_TEXT, true}}};

#define START "coalesce((extract(epoch FROM s.starts_at) * 1000)::bigint, 9007199254740991)"
static const struct statement search = {
    "search_shows", "SELECT " SHOW_COLUMNS " FROM " SHOW_TABLES " WHERE s.state <> 'draft'"
                    " AND ($1::text IS NULL OR position(lower($1) IN lower(s.name)) > 0"
                    " OR position(lower($1) IN s.slug) > 0)"
                    " AND ($2::text IS NULL OR s.category = $2)"
                    " AND ($3::bigint IS NULL OR s.starts_at >= to_timestamp($3::bigint / 1000.0))"
                    " AND ($4::bigint IS NULL OR s.starts_at < to_timestamp($4::bigint / 1000.0))"
                    " AND ($5::bigint IS NULL OR (" START ", s.show) > ($5::bigint, $6::integer))"
                    " AND ($8::text IS NULL OR s.series = $8)"
                    " ORDER BY " START ", s.show LIMIT $7::integer"};

const struct merge_order shows_by_start = {2, {{7, MERGE_NUMBER, false}, {0, MERGE_NUMBER, false}}};

void reads_fail(struct task *task, enum err err)
{
    if (err == ERR_UNAVAILABLE)
        reply_overloaded(task, "The database cannot be reached now", 1);
    else
        reply_problem(task, 500, CODE_INTERNAL, "This cannot be read", NULL, 0);
}

static bool wants_newest(const struct task *task)
{
    struct span control;
    size_t at = 0;

    while (exchange_header_next(task->exchange, "cache-control", &at, &control))
        if (list_has_token(control, "no-cache") || list_has_token(control, "max-age=0"))
            return true;
    return false;
}

static void prepare(struct task *task, struct postgres_query *query)
{
    query->context = task;
    query->may_lag = query->may_lag && !wants_newest(task);
    task_park(task);
}

static void not_taken(struct task *task)
{
    if (task_resume(task))
        reply_overloaded(task, "Too many questions are under way", 1);
}

void reads_ask_at(struct task *task, struct database *database, struct postgres_query *query)
{
    prepare(task, query);
    if (!database_query(database, query))
        not_taken(task);
}

void reads_ask(struct task *task, struct postgres_query *query)
{
    reads_ask_at(task, databases_of(task), query);
}

void reads_find(struct task *task, struct postgres_query *query)
{
    prepare(task, query);
    if (!databases_find(task->gateway->databases, query))
        not_taken(task);
}

void reads_gather(struct task *task, struct postgres_query *query, const struct merge_order *order)
{
    prepare(task, query);
    if (!databases_gather(task->gateway->databases, query, order, false))
        not_taken(task);
}

void reads_gather_some(struct task *task, struct postgres_query *query,
                       const struct merge_order *order)
{
    prepare(task, query);
    if (!databases_gather(task->gateway->databases, query, order, true))
        not_taken(task);
}

bool reads_have(struct task *task, enum err err, const struct postgres_rows *rows)
{
    if (!task_resume(task))
        return false;
    if (err) {
        reads_fail(task, err);
        return false;
    }
    task->age_s = (rows->age_ms + 999) / 1000;
    return true;
}

void get_show(struct task *task)
{
    if (!shows_give(task, task->parameter[0]))
        return;
    struct buf *body = reply_open_public(task);
    render_show(body, task->show, clock_wall_ms());
    reply_send(task, 200, REPLY_JSON);
}

void get_availability(struct task *task)
{
    if (shows_give(task, task->parameter[0]))
        counts_await(task, counts_answer);
}

/* With its payment, if it has one. */
static enum err put_booking(struct buf *body, const struct show *show,
                            const struct booking *booking, const struct postgres_rows *rows)
{
    enum err err = ERR_NONE;

    buf_putc(body, '{');
    render_booking_members(body, show, booking);
    if (!rows_is_null(rows, 0, BOOKING_COLUMN_COUNT)) {
        buf_puts(body, ",\"payment\":{");
        err = payments_render(body, rows, 0, BOOKING_COLUMN_COUNT);
        buf_putc(body, '}');
    }
    buf_putc(body, '}');
    return err;
}

static void on_booking(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    struct booking booking;

    if (!reads_have(task, err, rows))
        return;
    bool is_there = rows_count(rows) > 0;
    if (is_there && booking_from_row(&booking, rows, 0, 0)) {
        reads_fail(task, ERR_INPUT);
    } else if (!is_there || identity_hides(task, booking.user)) {
        reply_not_found(task, "There is no such booking");
    } else {
        err = put_booking(reply_open_private(task), task->show, &booking, rows);
        if (err)
            reads_fail(task, err);
        else
            reply_send(task, 200, REPLY_JSON);
    }
}

void get_booking(struct task *task)
{
    struct postgres_query query = {.statement = &booking_by_id, .values = 1, .done = on_booking};
    char uuid[UUID_BYTES];
    struct id id;

    if (!bookings_find(task, task->parameter[0], &id))
        return;
    id_format_uuid(id, uuid);
    query.value[0] = uuid;
    reads_ask(task, &query);
}

/* Rows of show and booking as JSON objects, at most `limit` of them; the last one's cursor if
 * there are more. */
static enum err put_history(struct buf *body, const struct postgres_rows *rows, size_t limit)
{
    struct show show = {0};
    struct booking booking = {0};
    char id[ID_TEXT_BYTES];
    size_t count = rows_count(rows) < limit ? rows_count(rows) : limit;
    enum err err = ERR_NONE;

    buf_puts(body, "{\"bookings\":[");
    for (size_t i = 0; i < count && !err; i++) {
        err = show_from_row(&show, rows, i);
        if (!err)
            err = booking_from_row(&booking, rows, i, SHOW_COLUMN_COUNT);
        if (err)
            break;
        if (i > 0)
            buf_putc(body, ',');
        render_booking(body, &show, &booking);
    }
    show_free(&show);
    buf_puts(body, "],\"next\":");
    if (!err && rows_count(rows) > limit) {
        id_format(booking.id, id);
        buf_putf(body, "\"%" PRId64 ".%s\"}", booking.created_ms, id);
    } else {
        buf_puts(body, "null}");
    }
    return err;
}

static void on_history(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    int64_t limit;

    if (!reads_have(task, err, rows) || !reads_limit(task, &limit))
        return;
    err = put_history(reply_open_private(task), rows, (size_t)limit);
    if (err)
        reads_fail(task, err);
    else
        reply_send(task, 200, REPLY_JSON);
}

bool reads_user(struct task *task, struct span raw, char user[USER_BYTES_MAX + 1])
{
    size_t len;

    if (!percent_decode(raw, false, user, USER_BYTES_MAX, &len) ||
        !text_is_user((struct span){user, len})) {
        reply_invalid(task, 422, "The user must be 1 to 128 bytes of text");
        return false;
    }
    user[len] = '\0';
    return identity_speaks_as(task, &(struct span){user, len});
}

bool reads_text(struct task *task, const char *name, char *bytes, size_t max, const char **text)
{
    char why[96];
    size_t len;

    *text = NULL;
    enum query_found found = query_value(exchange_query(task->exchange), name, bytes, max, &len);
    if (found == QUERY_ABSENT || (found == QUERY_FOUND && len == 0))
        return true;
    if (found == QUERY_BAD || !text_is_utf8((struct span){bytes, len}) ||
        text_has_control((struct span){bytes, len})) {
        snprintf(why, sizeof why, "\"%s\" must be text of at most %zu bytes", name, max);
        reply_invalid(task, 400, why);
        return false;
    }
    bytes[len] = '\0';
    *text = bytes;
    return true;
}

bool reads_number(struct task *task, const char *name, uint64_t min, uint64_t max, uint64_t *n)
{
    char bytes[24], why[96];
    const char *text;
    uint64_t number;

    if (!reads_text(task, name, bytes, sizeof bytes - 1, &text))
        return false;
    if (text == NULL)
        return true;
    if (text_u64(span_of(text), max, &number) && number >= min) {
        *n = number;
        return true;
    }
    snprintf(why, sizeof why, "\"%s\" must be a whole number from %" PRIu64 " to %" PRIu64, name,
             min, max);
    reply_invalid(task, 400, why);
    return false;
}

bool reads_limit(struct task *task, int64_t *limit)
{
    uint64_t n = LIMIT_DEFAULT;
    bool right = reads_number(task, "limit", 1, LIMIT_MAX, &n);

    *limit = (int64_t)n;
    return right;
}

/* "<number>.<rest>" */
static bool split_cursor(char *cursor, uint64_t *number, char **rest)
{
    char *dot = strchr(cursor, '.');

    if (dot == NULL)
        return false;
    *rest = dot + 1;
    return text_u64((struct span){cursor, (size_t)(dot - cursor)}, INT64_MAX, number);
}

/* The status that is asked for, or NULL: all. */
static bool read_status(struct task *task, char bytes[STATUS_BYTES_MAX + 1], const char **status)
{
    enum state state;

    if (!reads_text(task, "status", bytes, STATUS_BYTES_MAX, status))
        return false;
    if (*status == NULL || state_from_name(span_of(*status), &state))
        return true;
    reply_invalid(task, 400,
                  "\"status\" must be a booking's: HELD, PENDING, CONFIRMED, CANCELLED, "
                  "EXPIRED or FAILED");
    return false;
}

/* Not from a replica: who has just booked finds the booking here, too. */
void get_user_bookings(struct task *task)
{
    char user[USER_BYTES_MAX + 1], cursor[64], created[24], uuid[UUID_BYTES], many[24], *rest;
    char status[STATUS_BYTES_MAX + 1];
    const char *text;
    struct postgres_query query = {
        .statement = &history, .values = 5, .value = {user}, .done = on_history};
    int64_t limit;
    uint64_t created_ms;
    struct id id;

    if (!reads_user(task, task->parameter[0], user) || !reads_limit(task, &limit) ||
        !read_status(task, status, &query.value[4]) ||
        !reads_text(task, "cursor", cursor, sizeof cursor - 1, &text))
        return;
    if (text != NULL) {
        if (!split_cursor(cursor, &created_ms, &rest) || id_parse(span_of(rest), &id)) {
            reply_invalid(task, 400, "\"cursor\" must be what \"next\" said");
            return;
        }
        snprintf(created, sizeof created, "%" PRIu64, created_ms);
        id_format_uuid(id, uuid);
        query.value[1] = created;
        query.value[2] = uuid;
    }
    snprintf(many, sizeof many, "%" PRId64, limit + 1);
    query.value[3] = many;
    reads_gather(task, &query, &newest_first);
}

static enum err put_shows(struct buf *body, const struct postgres_rows *rows, size_t limit)
{
    struct show show = {0};
    size_t count = rows_count(rows) < limit ? rows_count(rows) : limit;
    enum err err = ERR_NONE;

    buf_puts(body, "{\"shows\":[");
    for (size_t i = 0; i < count && !err; i++) {
        err = show_from_row(&show, rows, i);
        if (err)
            break;
        if (i > 0)
            buf_putc(body, ',');
        render_show(body, &show, clock_wall_ms());
    }
    buf_puts(body, "],\"next\":");
    if (!err && rows_count(rows) > limit)
        buf_putf(body, "\"%" PRId64 ".%u\"}",
                 show.starts_ms != 0 ? show.starts_ms : (int64_t)NO_START, show.number);
    else
        buf_puts(body, "null}");
    show_free(&show);
    return err;
}

static void on_shows(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    int64_t limit;

    if (!reads_have(task, err, rows) || !reads_limit(task, &limit))
        return;
    err = put_shows(reply_open_public(task), rows, (size_t)limit);
    if (err)
        reads_fail(task, err);
    else
        reply_send(task, 200, REPLY_JSON);
}

static bool read_time(struct task *task, const char *name, char text[24], const char **value)
{
    char bytes[40], why[96];
    int64_t ms;

    if (!reads_text(task, name, bytes, sizeof bytes - 1, value))
        return false;
    if (*value == NULL)
        return true;
    if (!time_read(span_of(bytes), &ms)) {
        snprintf(why, sizeof why, "\"%s\" must be a date or a time as in RFC 3339", name);
        reply_invalid(task, 400, why);
        return false;
    }
    snprintf(text, 24, "%" PRId64, ms);
    *value = text;
    return true;
}

void get_shows(struct task *task)
{
    char words[WORDS_BYTES_MAX + 1], category[40], from[24], to[24], cursor[40], start[24],
        show[24], many[24], series[SLUG_BYTES_MAX + 1], *rest;
    const char *text;
    struct postgres_query query = {
        .statement = &search, .values = 8, .done = on_shows, .may_lag = true};
    uint64_t start_ms, number;
    int64_t limit;

    if (!reads_text(task, "q", words, WORDS_BYTES_MAX, &query.value[0]) ||
        !reads_text(task, "category", category, sizeof category - 1, &query.value[1]) ||
        !reads_text(task, "series", series, sizeof series - 1, &query.value[7]) ||
        !read_time(task, "from", from, &query.value[2]) ||
        !read_time(task, "to", to, &query.value[3]) || !reads_limit(task, &limit) ||
        !reads_text(task, "cursor", cursor, sizeof cursor - 1, &text))
        return;
    if (text != NULL) {
        if (!split_cursor(cursor, &start_ms, &rest) ||
            !text_u64(span_of(rest), INT32_MAX, &number)) {
            reply_invalid(task, 400, "\"cursor\" must be what \"next\" said");
            return;
        }
        snprintf(start, sizeof start, "%" PRIu64, start_ms);
        snprintf(show, sizeof show, "%" PRIu64, number);
        query.value[4] = start;
        query.value[5] = show;
    }
    snprintf(many, sizeof many, "%" PRId64, limit + 1);
    query.value[6] = many;
    reads_gather(task, &query, &shows_by_start);
}
