#include "gateway/bookings.h"

#include <stdio.h>
#include <string.h>

#include "gateway/commands.h"
#include "gateway/handlers.h"
#include "gateway/named.h"
#include "gateway/reply.h"
#include "gateway/several.h"
#include "gateway/shows.h"

struct asked {
    struct span user;
    struct span admission;
    bool hold;
    int64_t deadline_ms;
    bool is_several; /* an item names its show, or seats */
    size_t lines;
    struct asked_item line[PARTS_MAX];
    bool is_named; /* "seats" instead of lines */
};

static void read_line(struct json *json, struct json_object in, struct asked *asked)
{
    struct asked_item *line = &asked->line[asked->lines++];

    *line = (struct asked_item){.quantity = 1};
    json_text(json, in, "tier", true, &line->tier);
    json_whole(json, in, "quantity", false, 1, QUANTITY_MAX, &line->quantity);
    /* The best that are available: what a quantity of numbered seats is anyway. */
    if (json_whole(json, in, "best", false, 1, QUANTITY_MAX, &line->quantity) &&
        json_has(in, "quantity"))
        json_fail(json, "Either \"best\" or \"quantity\", not both");
}

/* The last item, whose show has been read, too. */
static void check_is_new(struct json *json, const struct asked *asked)
{
    const struct asked_item *line = &asked->line[asked->lines - 1];

    for (const struct asked_item *other = asked->line; other < line; other++)
        if (!json->failed && !line->is_named && !other->is_named &&
            span_equal(other->tier, line->tier) && span_equal(other->show, line->show))
            json_fail(json, "\"items\" must name each tier once");
}

/* Which seats they are is looked up once their show is there. */
static void read_named(struct json *json, struct json_object in, struct asked *asked)
{
    asked->line[asked->lines++] = (struct asked_item){.is_named = true, .in = in};
    asked->is_several = true;
    if (json_has(in, "tier") || json_has(in, "quantity") || json_has(in, "best"))
        json_fail(json, "\"seats\" stands alone: each seat has its tier");
}

static void read_lines(struct json *json, struct asked *asked)
{
    struct json_object root = json_root(json), item;
    size_t count;

    asked->is_named = json_has(root, "seats");
    if (asked->is_named) {
        if (json_has(root, "items") || json_has(root, "tier") || json_has(root, "quantity") ||
            json_has(root, "best"))
            json_fail(json, "\"seats\" stands alone: each seat has its tier");
        return;
    }
    if (!json_has(root, "items")) {
        read_line(json, root, asked);
        return;
    }
    if (json_has(root, "tier") || json_has(root, "quantity") || json_has(root, "best"))
        json_fail(json, "Either \"items\" or \"tier\" and \"quantity\", not both");
    if (!json_list(json, root, "items", PARTS_MAX, &count))
        return;
    for (size_t i = 0; i < count && json_list_at(json, root, "items", i, &item); i++) {
        (json_has(item, "seats") ? read_named : read_line)(json, item, asked);
        if (json_text(json, item, "show", false, &asked->line[i].show))
            asked->is_several = true;
        check_is_new(json, asked);
    }
    if (!json->failed && !asked->is_several && count > LINES_MAX)
        json_fail(json, "\"items\" must have 1 to %d items", LINES_MAX);
}

static void read_booking(const struct task *task, struct json *json, struct asked *asked)
{
    struct json_object root = json_root(json);

    command_read_user(task, json, root, "user", true, &asked->user);
    json_flag(json, root, "hold", &asked->hold);
    json_text(json, root, "admission", false, &asked->admission);
    asked->deadline_ms = command_read_deadline(json, root);
    read_lines(json, asked);
}

bool bookings_line(struct task *task, struct span code, int64_t quantity, struct line *line)
{
    const struct tier *tier = show_tier_named(task->show, code);

    if (tier == NULL) {
        reply_not_found(task, "The show has no such tier");
        return false;
    }
    line->tier = tier->number;
    line->quantity = (uint32_t)quantity;
    return true;
}

/* In the order of the tiers, as Postgres has them: the same lines in another order are the same
 * request, and are told in the same way at once and later. */
static void sort_lines(struct request *request)
{
    for (size_t i = 1; i < request->lines; i++) {
        struct line line = request->line[i];
        size_t at = i;
        for (; at > 0 && request->line[at - 1].tier > line.tier; at--)
            request->line[at] = request->line[at - 1];
        request->line[at] = line;
    }
}

static void send_booking(struct task *task, struct json *json, const struct asked *asked)
{
    struct named named = {0};
    enum operation take = asked->hold ? OP_HOLD : OP_BOOK;
    struct request request = {.op = take, .user = asked->user, .lines = asked->lines};

    if (asked->is_several &&
        !several_ask(task, json, &(struct several){take, asked->line, asked->lines}, &named,
                     &request))
        return;
    for (size_t i = 0; !asked->is_several && i < asked->lines; i++)
        if (!bookings_line(task, asked->line[i].tier, asked->line[i].quantity, &request.line[i]))
            return;
    if (asked->is_named &&
        (!named_seats(task, json, json_root(json), task->show, &named, &request.seats) ||
         !named_lines(task, task->show, request.seats, request.line, &request.lines)))
        return;
    if (!asked->is_several)
        sort_lines(&request);
    command_send(task, &(struct command){.request = &request,
                                         .deadline_ms = asked->deadline_ms,
                                         .scope = SPAN("/v1/bookings"),
                                         .admission = asked->admission,
                                         .grant = command_grant});
}

void post_bookings(struct task *task)
{
    struct asked asked = {0};
    struct json json;

    if (!shows_give(task, task->parameter[0]) || !command_begin(task, &json))
        return;
    read_booking(task, &json, &asked);
    if (command_is_right(task, &json))
        send_booking(task, &json, &asked);
    json_free(&json);
}

bool bookings_find(struct task *task, struct span text, struct id *id)
{
    if (id_parse(text, id) != ERR_NONE || id_show(*id) == 0 || id_show(*id) > INT32_MAX) {
        reply_not_found(task, "There is no such booking");
        return false;
    }
    return shows_give_number(task, id_show(*id));
}

/* "seats": these; "quantity" and "tier": some of the places; neither: all of them. */
static bool read_cancel(struct task *task, struct json *json, struct named *named,
                        struct request *request)
{
    struct line *line = &request->line[0];
    struct json_object root = json_root(json);
    struct span tier;
    int64_t quantity = 0;
    bool has_tier = json_text(json, root, "tier", false, &tier);

    *line = (struct line){0, 0};
    if (json_has(root, "seats") && (json_has(root, "quantity") || json_has(root, "tier")))
        json_fail(json, "\"seats\" stands alone: each seat has its tier");
    json_whole(json, root, "quantity", false, 1, QUANTITY_MAX, &quantity);
    if (has_tier && quantity == 0)
        json_fail(json, "\"quantity\" is missing: how many places of this tier are given back");
    if (!command_is_right(task, json))
        return false;
    if (json_has(root, "seats"))
        return named_seats(task, json, root, task->show, named, &request->seats);
    if (has_tier)
        return bookings_line(task, tier, quantity, line);
    line->quantity = (uint32_t)quantity;
    return true;
}

/* The provider's token of what pays, never a card's number. */
static void read_method(struct json *json, struct span *method)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

    *method = (struct span){"", 0};
    if (json_text(json, json_root(json), "method", false, method) &&
        (method->len > METHOD_BYTES_MAX || strlen(method->bytes) != method->len ||
         strspn(method->bytes, allowed) != method->len ||
         strspn(method->bytes, "0123456789-.") == method->len))
        json_fail(json,
                  "\"method\" must be the payment provider's token: at most %d letters, "
                  "digits, '_', '-' and '.', and no number",
                  METHOD_BYTES_MAX);
}

void bookings_change(struct task *task, struct json *json, enum operation op, struct id booking,
                     task_grant *grant)
{
    struct request request = {.op = op, .booking = booking};
    int64_t deadline_ms = command_read_deadline(json, json_root(json));
    char scope[64], id[ID_TEXT_BYTES];
    struct named named = {0};

    command_read_user(task, json, json_root(json), "user", false, &request.user);
    if (op == OP_CANCEL && !json->failed) {
        request.lines = 1;
        if (!read_cancel(task, json, &named, &request))
            return;
    }
    if (op == OP_PAY)
        read_method(json, &request.method);
    if (!command_is_right(task, json))
        return;
    id_format(booking, id);
    int n = snprintf(scope, sizeof scope, "/v1/bookings/%s/%s", id, operation_name(op));
    command_send(task, &(struct command){.request = &request,
                                         .deadline_ms = deadline_ms,
                                         .scope = {scope, (size_t)n},
                                         .grant = grant});
}

static void post_change(struct task *task, enum operation op)
{
    struct json json;
    struct id id;

    if (!bookings_find(task, task->parameter[0], &id) || !command_begin(task, &json))
        return;
    bookings_change(task, &json, op, id, command_grant);
    json_free(&json);
}

void post_confirm(struct task *task)
{
    post_change(task, OP_CONFIRM);
}

void post_cancel(struct task *task)
{
    post_change(task, OP_CANCEL);
}

void post_extend(struct task *task)
{
    post_change(task, OP_EXTEND);
}
