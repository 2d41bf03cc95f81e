/*
 * What operators see: all shows, whoever's bookings, what the partitions are doing, what was sold,
 * and what operators did. Read from Postgres; what the allocators report comes from Redis.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "gateway/admin_access.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/partitions.h"
#include "gateway/postgres_link.h"
#include "gateway/reads.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

#define STATUS_BYTES_MAX 16

static const struct statement all_shows = {
    "admin_shows", "SELECT " SHOW_COLUMNS " FROM " SHOW_TABLES
                   " WHERE s.show > $1::integer ORDER BY s.show LIMIT $2::integer"};

/* In the order of their ids: of fresh ones, that of their making. */
static const struct statement show_bookings = {
    "admin_bookings",
    "SELECT " BOOKING_COLUMNS " FROM bookings b"
    " WHERE b.id > coalesce($2::uuid, (lpad(to_hex($1::integer), 8, '0')"
    " || '-0000-0000-0000-000000000000')::uuid)"
    " AND b.id <= (lpad(to_hex($1::integer), 8, '0') || '-ffff-ffff-ffff-ffffffffffff')::uuid"
    " AND ($3::text IS NULL OR b.status = $3::booking_status)"
    " AND ($4::text IS NULL OR b.user_id = $4)"
    " ORDER BY b.id LIMIT $5::integer"};

static const struct statement statistics = {
    "admin_statistics",
    "SELECT json_build_object('show', s.slug, 'show_id', s.show, 'state', s.state,"
    " 'partition', s.partition, 'currency', s.currency,"
    " 'tiers', (SELECT json_agg(json_build_object('tier', t.code, 'price', t.price,"
    "  'capacity', t.capacity, 'available', t.available, 'held', t.held, 'pending', t.pending,"
    "  'confirmed', t.confirmed, 'blocked', t.blocked,"
    "  'revenue', (SELECT coalesce(sum(l.quantity * l.price), 0) FROM bookings b,"
    "   LATERAL (SELECT b.quantity, b.price WHERE b.tier = t.tier UNION ALL"
    "    SELECT i.quantity, i.price FROM booking_items i"
    "    WHERE b.tier = 0 AND i.booking = b.id AND i.tier = t.tier) l"
    "   WHERE b.status = 'CONFIRMED' AND b.id BETWEEN r.first AND r.last)) ORDER BY t.tier)"
    "  FROM tiers t WHERE t.show = s.show),"
    " 'waiting', (SELECT count(*) FROM waitlist w WHERE w.show = s.show AND w.status = 'WAITING'),"
    " 'bookings', (SELECT coalesce(json_object_agg(c.status, json_build_object('bookings',"
    "  c.bookings, 'places', c.places, 'amount', c.amount)), '{}') FROM (SELECT b.status,"
    "  count(*) AS bookings, sum(b.quantity) AS places, sum(b.amount) AS amount FROM bookings b"
    "  WHERE b.id BETWEEN r.first AND r.last GROUP BY b.status) c))"
    " FROM shows s, LATERAL (SELECT"
    "  (lpad(to_hex(s.show), 8, '0') || '-0000-0000-0000-000000000000')::uuid AS first,"
    "  (lpad(to_hex(s.show), 8, '0') || '-ffff-ffff-ffff-ffffffffffff')::uuid AS last) r"
    " WHERE s.show = $1::integer"};

static const struct statement partition_rows = {
    "admin_partitions",
    "SELECT p.partition, p.epoch, p.version, p.owner, CASE WHEN isfinite(p.heartbeat) THEN"
    " (extract(epoch FROM clock_timestamp() - p.heartbeat) * 1000)::bigint END,"
    " (SELECT count(*) FROM shows s WHERE s.partition = p.partition), p.dsn"
    " FROM partitions p ORDER BY p.partition"};

/* Of shows and of partitions. */
static const struct merge_order by_number = {1, {{0, MERGE_NUMBER, false}}};

static const struct statement audit_rows = {
    "admin_audit",
    "SELECT a.id, a.at_ms, json_build_object('actor', a.actor, 'action', a.action,"
    " 'show', s.slug, 'show_id', a.show, 'settings', a.settings, 'before', a.before,"
    " 'after', a.after)::text, a.request, a.booking"
    " FROM audit a LEFT JOIN shows s ON s.show = a.show"
    " WHERE ($1::integer IS NULL OR a.show = $1::integer) AND ($2::bigint IS NULL OR a.id < $2)"
    " ORDER BY a.id DESC LIMIT $3::integer"};

/* Of several databases, whose numbers of these rows say nothing beside each other: by time, and
 * then by what is never the same in two of them. */
static const struct statement audit_of_all = {
    "admin_audit_of_all",
    "SELECT a.id, a.at_ms, json_build_object('actor', a.actor, 'action', a.action,"
    " 'show', s.slug, 'show_id', a.show, 'settings', a.settings, 'before', a.before,"
    " 'after', a.after)::text, a.request, a.booking, coalesce(a.show, 0)"
    " FROM audit a LEFT JOIN shows s ON s.show = a.show"
    " WHERE $1::bigint IS NULL"
    " OR (a.at_ms, a.id, coalesce(a.show, 0)) < ($1::bigint, $2::bigint, $3::integer)"
    " ORDER BY a.at_ms DESC, a.id DESC, coalesce(a.show, 0) DESC LIMIT $4::integer"};
static const struct merge_order audit_order = {
    3, {{1, MERGE_NUMBER, true}, {0, MERGE_NUMBER, true}, {5, MERGE_NUMBER, true}}};

static void send_or_fail(struct task *task, enum err err)
{
    if (err)
        reads_fail(task, err);
    else
        reply_send(task, 200, REPLY_JSON);
}

static void on_shows(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    struct show show = {0};
    struct buf *body;
    int64_t limit;

    if (!reads_have(task, err, rows) || !reads_limit(task, &limit))
        return;
    body = reply_open_private(task);
    buf_puts(body, "{\"shows\":[");
    for (size_t i = 0; !err && i < rows_count(rows) && i < (size_t)limit; i++) {
        err = show_from_row(&show, rows, i);
        if (err)
            break;
        buf_putf(body, "%s{\"partition\":%u,\"show\":", i > 0 ? "," : "", show.partition);
        render_show(body, &show, clock_wall_ms());
        buf_putc(body, '}');
    }
    buf_puts(body, "],\"next\":");
    if (rows_count(rows) > (size_t)limit)
        buf_putf(body, "\"%u\"}", show.number);
    else
        buf_puts(body, "null}");
    show_free(&show);
    send_or_fail(task, err);
}

void get_admin_shows(struct task *task)
{
    struct administrator who;
    char after[16], many[24];
    struct postgres_query query = {.statement = &all_shows,
                                   .values = 2,
                                   .value = {after, many},
                                   .done = on_shows,
                                   .may_lag = true};
    uint64_t cursor = 0;
    int64_t limit;

    if (!admin_access(task, &who) || !reads_limit(task, &limit) ||
        !reads_number(task, "cursor", 1, INT32_MAX, &cursor))
        return;
    snprintf(after, sizeof after, "%" PRIu64, cursor);
    snprintf(many, sizeof many, "%" PRId64, limit + 1);
    reads_gather(task, &query, &by_number);
}

static void on_bookings(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    struct booking booking;
    struct buf *body;
    int64_t limit;
    char id[ID_TEXT_BYTES] = "";

    if (!reads_have(task, err, rows) || !reads_limit(task, &limit))
        return;
    body = reply_open_private(task);
    buf_puts(body, "{\"bookings\":[");
    for (size_t i = 0; !err && i < rows_count(rows) && i < (size_t)limit; i++) {
        err = booking_from_row(&booking, rows, i, 0);
        if (err)
            break;
        if (i > 0)
            buf_putc(body, ',');
        render_booking(body, task->show, &booking);
        id_format(booking.id, id);
    }
    buf_puts(body, "],\"next\":");
    if (rows_count(rows) > (size_t)limit)
        buf_putf(body, "\"%s\"}", id);
    else
        buf_puts(body, "null}");
    send_or_fail(task, err);
}

/* "cursor" as a uuid; false: the task was answered. */
static bool read_cursor(struct task *task, char uuid[UUID_BYTES], const char **value)
{
    char text[ID_TEXT_BYTES];
    struct id id;

    if (!reads_text(task, "cursor", text, sizeof text - 1, value))
        return false;
    if (*value == NULL)
        return true;
    if (id_parse(span_of(text), &id)) {
        reply_invalid(task, 400, "\"cursor\" must be what \"next\" said");
        return false;
    }
    id_format_uuid(id, uuid);
    *value = uuid;
    return true;
}

void get_admin_bookings(struct task *task)
{
    struct administrator who;
    char number[16], uuid[UUID_BYTES], status[STATUS_BYTES_MAX + 1], user[USER_BYTES_MAX + 1],
        many[24];
    struct postgres_query query = {.statement = &show_bookings,
                                   .values = 5,
                                   .value = {number},
                                   .done = on_bookings,
                                   .may_lag = true};
    enum state state;
    int64_t limit;

    if (!admin_access(task, &who) || !shows_give(task, task->parameter[0]) ||
        !reads_limit(task, &limit) || !read_cursor(task, uuid, &query.value[1]) ||
        !reads_text(task, "status", status, STATUS_BYTES_MAX, &query.value[2]) ||
        !reads_text(task, "user", user, USER_BYTES_MAX, &query.value[3]))
        return;
    if (query.value[2] != NULL && !state_from_name(span_of(status), &state)) {
        reply_invalid(task, 400, "\"status\" must be a booking's, like CONFIRMED");
        return;
    }
    snprintf(number, sizeof number, "%u", task->show->number);
    snprintf(many, sizeof many, "%" PRId64, limit + 1);
    query.value[4] = many;
    reads_ask(task, &query);
}

static void on_statistics(void *context, enum err err, const struct postgres_rows *rows);

static void ask_statistics(struct task *task, bool may_lag)
{
    char number[16];
    struct postgres_query query = {.statement = &statistics,
                                   .values = 1,
                                   .value = {number},
                                   .done = on_statistics,
                                   .may_lag = may_lag};

    snprintf(number, sizeof number, "%u", task->show->number);
    reads_ask(task, &query);
}

static void on_statistics(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    struct buf *body;
    struct span text;

    if (!reads_have(task, err, rows))
        return;
    if (rows_count(rows) == 0 && task->age_s > 0) {
        ask_statistics(task, false); /* the show is younger than what the replica knows */
        return;
    }
    if (rows_count(rows) == 0) {
        reply_not_found(task, "There is no such show");
        return;
    }
    body = reply_open_private(task);
    text = rows_text(rows, 0, 0);
    buf_put(body, text.bytes, text.len);
    reply_send(task, 200, REPLY_JSON);
}

void get_admin_statistics(struct task *task)
{
    struct administrator who;

    if (admin_access(task, &who) && shows_give(task, task->parameter[0]))
        ask_statistics(task, true);
}

/* What its allocator reports, and what stands in its queue. */
static void put_report(struct buf *body, const struct partitions *partitions, uint32_t number)
{
    const struct partition *one;

    for (size_t i = 0; (one = partitions_at(partitions, i)) != NULL; i++)
        if (one->number == number)
            break;
    if (one == NULL || !one->has_report) {
        buf_puts(body, ",\"state\":\"none\",\"backlog\":null,\"rate\":null}");
        return;
    }
    buf_putf(body, ",\"state\":\"%s\",\"backlog\":%" PRIu64 ",\"rate\":%.0f}", one->state,
             one->backlog_entries, one->rate);
}

static void put_partition(struct task *task, struct buf *body, const struct postgres_rows *rows,
                          size_t i)
{
    struct span dsn = rows_text(rows, i, 6);
    const struct gateway *g = task->gateway;
    uint32_t number = (uint32_t)rows_i64(rows, i, 0);
    bool is_pointer = dsn.len > 0; /* its database did not answer, or is not known yet */

    if (!is_pointer)
        dsn = span_of(databases_dsn(g->databases, partitions_database(g->partitions, number)));
    buf_putf(body,
             "{\"partition\":%" PRIu32 ",\"epoch\":%" PRId64 ",\"version\":%" PRId64 ",\"owner\":",
             number, rows_i64(rows, i, 1), rows_i64(rows, i, 2));
    render_text(body, rows_text(rows, i, 3));
    buf_puts(body, ",\"heartbeat_age_ms\":");
    if (rows_is_null(rows, i, 4))
        buf_puts(body, "null");
    else
        render_i64(body, rows_i64(rows, i, 4));
    buf_puts(body, ",\"database\":");
    render_text(body, dsn);
    buf_putf(body, ",\"reachable\":%s,\"shows\":%" PRId64, is_pointer ? "false" : "true",
             rows_i64(rows, i, 5));
    put_report(body, g->partitions, number);
}

/* Home's pointer to a partition comes before its row, which says more. */
static bool is_told_better(const struct postgres_rows *rows, size_t i)
{
    return rows_text(rows, i, 6).len > 0 && i + 1 < rows_count(rows) &&
           rows_i64(rows, i + 1, 0) == rows_i64(rows, i, 0);
}

static void on_partitions(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    struct buf *body;
    bool is_first = true;

    if (!reads_have(task, err, rows))
        return;
    body = reply_open_private(task);
    buf_puts(body, "{\"partitions\":[");
    for (size_t i = 0; i < rows_count(rows); i++) {
        if (is_told_better(rows, i))
            continue;
        buf_puts(body, is_first ? "" : ",");
        put_partition(task, body, rows, i);
        is_first = false;
    }
    buf_puts(body, "]}");
    reply_send(task, 200, REPLY_JSON);
}

/* While a database is away, this is what shows it: its partitions are told as far as home knows. */
void get_admin_partitions(struct task *task)
{
    struct administrator who;
    struct postgres_query query = {.statement = &partition_rows, .done = on_partitions};

    if (admin_access(task, &who))
        reads_gather_some(task, &query, &by_number);
}

static enum err put_id(struct buf *body, const char *name, const struct postgres_rows *rows,
                       size_t row, size_t column)
{
    char text[ID_TEXT_BYTES];
    struct id id;

    buf_putf(body, ",\"%s\":", name);
    if (rows_is_null(rows, row, column)) {
        buf_puts(body, "null");
        return ERR_NONE;
    }
    TRY(id_from_uuid(rows_text(rows, row, column), &id));
    id_format(id, text);
    buf_putf(body, "\"%s\"", text);
    return ERR_NONE;
}

static enum err put_audit(struct buf *body, const struct postgres_rows *rows, size_t row)
{
    struct span what = rows_text(rows, row, 2);

    buf_puts(body, "{\"at\":");
    render_time(body, rows_i64(rows, row, 1));
    TRY(put_id(body, "request_id", rows, row, 3));
    TRY(put_id(body, "booking", rows, row, 4));
    buf_putc(body, ',');
    buf_put(body, what.bytes + 1, what.len - 1); /* the rest of the object, from its brace on */
    return ERR_NONE;
}

/* The page's rows, and the name of what comes behind them. */
static enum err put_audits(struct buf *body, const struct postgres_rows *rows, size_t limit)
{
    enum err err = ERR_NONE;

    buf_puts(body, "{\"audit\":[");
    for (size_t i = 0; !err && i < rows_count(rows) && i < limit; i++) {
        if (i > 0)
            buf_putc(body, ',');
        err = put_audit(body, rows, i);
    }
    buf_puts(body, "],\"next\":");
    return err;
}

static void tell_audit(struct task *task, enum err err, const struct postgres_rows *rows,
                       bool of_all)
{
    struct buf *body;
    int64_t limit;

    if (!reads_have(task, err, rows) || !reads_limit(task, &limit))
        return;
    body = reply_open_private(task);
    err = put_audits(body, rows, (size_t)limit);
    size_t last = (size_t)limit - 1;
    if (rows_count(rows) <= (size_t)limit)
        buf_puts(body, "null}");
    else if (of_all)
        buf_putf(body, "\"%" PRId64 ".%" PRId64 ".%" PRId64 "\"}", rows_i64(rows, last, 1),
                 rows_i64(rows, last, 0), rows_i64(rows, last, 5));
    else
        buf_putf(body, "\"%" PRId64 "\"}", rows_i64(rows, last, 0));
    send_or_fail(task, err);
}

static void on_audit(void *context, enum err err, const struct postgres_rows *rows)
{
    tell_audit(context, err, rows, false);
}

static void on_audit_of_all(void *context, enum err err, const struct postgres_rows *rows)
{
    tell_audit(context, err, rows, true);
}

/* "<at>.<id>.<show>", in place. */
static bool read_audit_cursor(char *text, const char *value[3])
{
    for (size_t i = 0; i < 3; i++) {
        uint64_t number;
        char *dot = strchr(text, '.');
        size_t len = dot != NULL ? (size_t)(dot - text) : strlen(text);
        if ((dot == NULL) != (i == 2) ||
            !text_u64((struct span){text, len}, i == 2 ? INT32_MAX : INT64_MAX, &number))
            return false;
        value[i] = text;
        text[len] = '\0';
        text += len + 1;
    }
    return true;
}

static void ask_audit_of_all(struct task *task, int64_t limit)
{
    char cursor[64], many[24];
    const char *text;
    struct postgres_query query = {
        .statement = &audit_of_all, .values = 4, .done = on_audit_of_all, .may_lag = true};

    if (!reads_text(task, "cursor", cursor, sizeof cursor - 1, &text))
        return;
    if (text != NULL && !read_audit_cursor(cursor, query.value)) {
        reply_invalid(task, 400, "\"cursor\" must be what \"next\" said");
        return;
    }
    snprintf(many, sizeof many, "%" PRId64, limit + 1);
    query.value[3] = many;
    reads_gather(task, &query, &audit_order);
}

void get_admin_audit(struct task *task)
{
    struct administrator who;
    char name[SLUG_BYTES_MAX + 1], number[16], before[24], many[24];
    struct postgres_query query = {
        .statement = &audit_rows, .values = 3, .done = on_audit, .may_lag = true};
    const char *text;
    uint64_t cursor = 0;
    int64_t limit;

    if (!admin_access(task, &who) || !reads_limit(task, &limit) ||
        !reads_text(task, "show", name, SLUG_BYTES_MAX, &text))
        return;
    if (text == NULL && databases_are_several(task->gateway->databases)) {
        ask_audit_of_all(task, limit);
        return;
    }
    if (!reads_number(task, "cursor", 1, INT64_MAX, &cursor))
        return;
    if (text != NULL) {
        if (!shows_give(task, span_of(name)))
            return;
        snprintf(number, sizeof number, "%u", task->show->number);
        query.value[0] = number;
    }
    if (cursor > 0) {
        snprintf(before, sizeof before, "%" PRIu64, cursor);
        query.value[1] = before;
    }
    snprintf(many, sizeof many, "%" PRId64, limit + 1);
    query.value[2] = many;
    reads_ask(task, &query);
}
