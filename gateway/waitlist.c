/*
 * The waiting list: join for places of a tier, see what has become of it, leave. Joining and
 * leaving are commands like any other; what stands in the list is read from Postgres. An offer is a
 * booking with the entry's own id.
 */
#include "gateway/waitlist.h"

#include <stdio.h>
#include <string.h>

#include "gateway/bookings.h"
#include "gateway/commands.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/identity.h"
#include "gateway/reads.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

/* What an offer has become is what its booking is. The place counts those before it, and itself. */
static const struct statement entry_by_id = {
    "waitlist_entry",
    "SELECT w.id, w.user_id, w.tier, w.quantity, w.joined_ms,"
    " CASE WHEN w.status <> 'OFFERED' THEN w.status"
    "  WHEN b.status IN ('HELD', 'PENDING') THEN 'OFFERED'"
    "  WHEN b.status = 'CONFIRMED' OR (b.status = 'CANCELLED' AND b.payment IS NOT NULL)"
    "   THEN 'ACCEPTED'"
    "  WHEN b.status = 'CANCELLED' THEN 'DECLINED' ELSE 'EXPIRED' END,"
    " CASE WHEN w.status = 'WAITING' THEN (SELECT count(*) FROM waitlist x WHERE x.show = w.show"
    "  AND x.tier = w.tier AND x.status = 'WAITING' AND x.position <= w.position) "
    "END, " BOOKING_COLUMNS
    " FROM waitlist w LEFT JOIN bookings b ON b.id = w.id WHERE w.id = $1::uuid"};
enum column {
    COLUMN_ID,
    COLUMN_USER,
    COLUMN_TIER,
    COLUMN_QUANTITY,
    COLUMN_JOINED,
    COLUMN_STATUS,
    COLUMN_PLACE,
    COLUMN_BOOKING
};

/* What is told of an entry. */
struct told {
    struct waiting waiting;
    const char *status;
    const struct booking *booking; /* or NULL */
};

static void render(struct buf *b, const struct show *show, const struct told *told)
{
    const struct waiting *w = &told->waiting;
    char id[ID_TEXT_BYTES];

    id_format(w->id, id);
    buf_putf(b, "{\"id\":\"%s\",\"show\":\"%s\",\"show_id\":%u,\"user\":", id, show->slug,
             show->number);
    render_text(b, w->user);
    buf_puts(b, ",\"tier\":");
    render_tier_code(b, show, w->line.tier);
    buf_putf(b, ",\"quantity\":%u,\"status\":\"%s\",\"place\":", w->line.quantity, told->status);
    if (w->place > 0)
        buf_putf(b, "%u", w->place);
    else
        buf_puts(b, "null");
    buf_puts(b, ",\"joined_at\":");
    render_time(b, w->joined_ms);
    buf_puts(b, ",\"booking\":");
    if (told->booking != NULL)
        render_booking(b, show, told->booking);
    else
        buf_puts(b, "null");
    buf_putc(b, '}');
}

void waitlist_grant(struct task *task, const struct answer *answer)
{
    struct told told = {.waiting = answer->waiting, .status = "WAITING"};

    command_put_location(task, "/v1/waitlist/", answer->waiting.id);
    render(&task->gateway->body, task->show, &told);
    reply_send(task, 201, REPLY_JSON);
}

void post_waitlist(struct task *task)
{
    struct request request = {.op = OP_JOIN, .lines = 1};
    struct json json;
    struct span tier;
    int64_t quantity = 1, deadline_ms = 0;

    if (!shows_give(task, task->parameter[0]) || !command_begin(task, &json))
        return;
    command_read_user(task, &json, json_root(&json), "user", true, &request.user);
    json_text(&json, json_root(&json), "tier", true, &tier);
    json_whole(&json, json_root(&json), "quantity", false, 1, QUANTITY_MAX, &quantity);
    deadline_ms = command_read_deadline(&json, json_root(&json));
    if (command_is_right(task, &json) && bookings_line(task, tier, quantity, &request.line[0]))
        command_send(task, &(struct command){.request = &request,
                                             .deadline_ms = deadline_ms,
                                             .scope = SPAN("/v1/waitlist"),
                                             .grant = command_grant});
    json_free(&json);
}

static enum err read_entry(const struct postgres_rows *rows, struct told *told,
                           struct booking *booking, char status[16])
{
    struct span text = rows_text(rows, 0, COLUMN_STATUS);

    TRY(id_from_uuid(rows_text(rows, 0, COLUMN_ID), &told->waiting.id));
    told->waiting.user = rows_text(rows, 0, COLUMN_USER);
    told->waiting.line.tier = (uint32_t)rows_i64(rows, 0, COLUMN_TIER);
    told->waiting.line.quantity = (uint32_t)rows_i64(rows, 0, COLUMN_QUANTITY);
    told->waiting.joined_ms = rows_i64(rows, 0, COLUMN_JOINED);
    told->waiting.place = (uint32_t)rows_i64(rows, 0, COLUMN_PLACE);
    snprintf(status, 16, "%.*s", (int)text.len, text.bytes);
    told->status = status;
    if (rows_is_null(rows, 0, COLUMN_BOOKING))
        return ERR_NONE;
    told->booking = booking;
    return booking_from_row(booking, rows, 0, COLUMN_BOOKING);
}

static bool is_absent(const struct task *task, const struct postgres_rows *rows)
{
    return rows_count(rows) == 0 || identity_hides(task, rows_text(rows, 0, COLUMN_USER));
}

static void tell_entry(struct task *task, enum err err, const struct postgres_rows *rows,
                       bool is_answer)
{
    struct told told = {0};
    struct booking booking;
    char status[16];

    if (!task_resume(task))
        return;
    if (!err && is_absent(task, rows)) {
        reply_not_found(task, "Nobody waits or waited under this id");
        return;
    }
    if (!err)
        err = read_entry(rows, &told, &booking, status);
    if (err) {
        reads_fail(task, err);
        return;
    }
    struct buf *body = reply_open_private(task);
    if (is_answer)
        command_put_location(task, "/v1/waitlist/", told.waiting.id);
    render(body, task->show, &told);
    reply_send(task, 200, REPLY_JSON);
}

static void on_entry(void *context, enum err err, const struct postgres_rows *rows)
{
    tell_entry(context, err, rows, false);
}

static void on_left(void *context, enum err err, const struct postgres_rows *rows)
{
    tell_entry(context, err, rows, true);
}

static void ask_entry(struct task *task, struct id id,
                      void (*done)(void *context, enum err err, const struct postgres_rows *rows))
{
    struct postgres_query query = {.statement = &entry_by_id, .values = 1, .done = done};
    char uuid[UUID_BYTES];

    id_format_uuid(id, uuid);
    query.value[0] = uuid;
    reads_ask(task, &query);
}

void get_waitlist(struct task *task)
{
    struct id id;

    if (bookings_find(task, task->parameter[0], &id))
        ask_entry(task, id, on_entry);
}

/* Of an offer that was declined, the decision knows the booking; what became of the entry is in
 * Postgres. */
void waitlist_tell_left(struct task *task, const struct answer *answer)
{
    ask_entry(task, answer->has_waiting ? answer->waiting.id : answer->booking.id, on_left);
}

static void send_leave(struct task *task, struct id id)
{
    struct request request = {.op = OP_LEAVE, .booking = id};
    struct json json;
    char scope[64], text[ID_TEXT_BYTES];
    int64_t deadline_ms;

    if (!command_begin(task, &json))
        return;
    command_read_user(task, &json, json_root(&json), "user", false, &request.user);
    deadline_ms = command_read_deadline(&json, json_root(&json));
    if (command_is_right(task, &json)) {
        id_format(id, text);
        int n =
            snprintf(scope, sizeof scope, "/v1/waitlist/%s/%s", text, operation_name(request.op));
        command_send(task, &(struct command){.request = &request,
                                             .deadline_ms = deadline_ms,
                                             .scope = {scope, (size_t)n},
                                             .grant = waitlist_tell_left});
    }
    json_free(&json);
}

static bool refuse_ended(struct task *task, struct span status)
{
    char detail[40];

    if (span_is(status, "WAITING") || span_is(status, "OFFERED"))
        return false;
    snprintf(detail, sizeof detail, "It is %.*s", (int)status.len, status.bytes);
    reply_problem(task, code_status(CODE_ILLEGAL_STATE), CODE_ILLEGAL_STATE,
                  "Nobody waits here any more", detail, 0);
    return true;
}

/* Only an entry can be left: the id of another booking is none. */
static void on_entry_to_leave(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    struct id id;

    if (!task_resume(task))
        return;
    if (err)
        reads_fail(task, err);
    else if (is_absent(task, rows))
        reply_not_found(task, "Nobody waits or waited under this id");
    else if (refuse_ended(task, rows_text(rows, 0, COLUMN_STATUS)))
        return;
    else if (bookings_find(task, task->parameter[0], &id))
        send_leave(task, id);
}

void delete_waitlist(struct task *task)
{
    struct id id;

    if (bookings_find(task, task->parameter[0], &id))
        ask_entry(task, id, on_entry_to_leave);
}
