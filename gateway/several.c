#include "gateway/several.h"

#include <stdio.h>
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

/* The request's own show first, the others by number, tiers within each: the same items in another
 * order are the same request. */
static bool comes_before(const struct show_line *a, const struct show_line *b, uint32_t own)
{
    if (a->show != b->show)
        return b->show != own && (a->show == own || a->show < b->show);
    return a->line.tier < b->line.tier;
}

static bool insert_part(struct request *request, struct show_line part, uint32_t own)
{
    if (request->parts == PARTS_MAX)
        return false;
    size_t at = request->parts++;

    for (; at > 0 && comes_before(&part, &request->part[at - 1], own); at--)
        request->part[at] = request->part[at - 1];
    request->part[at] = part;
    return true;
}

static bool add_part(struct task *task, struct request *request, struct show_line part)
{
    char why[64];

    if (insert_part(request, part, task->show->number))
        return true;
    snprintf(why, sizeof why, "\"items\" may come to at most %d tiers of shows", PARTS_MAX);
    reply_invalid(task, 422, why);
    return false;
}

static bool read_quantity(struct task *task, const struct asked_item *item, const struct show *show,
                          struct request *request)
{
    const struct tier *tier = show_tier_named(show, item->tier);

    if (tier == NULL) {
        reply_not_found(task, "The show has no such tier");
        return false;
    }
    return add_part(
        task, request,
        (struct show_line){.show = show->number, .line = {tier->number, (uint32_t)item->quantity}});
}

/* A row for each tier that the seats are of; the list goes along with any of them. */
static bool read_seats(struct task *task, struct json *json, const struct asked_item *item,
                       const struct show *show, struct named *named, struct request *request)
{
    struct show_line part = {.show = show->number};
    struct line line[LINES_MAX];
    size_t lines;

    if (!named_seats(task, json, item->in, show, named, &part.seats) ||
        !named_lines(task, show, part.seats, line, &lines))
        return false;
    for (size_t i = 0; i < lines; i++) {
        part.line = line[i];
        if (!add_part(task, request, part))
            return false;
        part.seats = (struct span){NULL, 0};
    }
    return true;
}

static const char *fault_in(const struct request *request, uint32_t own)
{
    if (request->part[0].show != own)
        return "\"items\" must name the show of the path, too";
    for (size_t i = 1; i < request->parts; i++)
        if (request->part[i].show == request->part[i - 1].show &&
            request->part[i].line.tier == request->part[i - 1].line.tier)
            return "\"items\" must name each tier of a show once";
    for (size_t i = 0; i < request->parts; i += request_parts_of_show(request, i))
        if (request_parts_of_show(request, i) > LINES_MAX)
            return "\"items\" may name at most 10 tiers of a show";
    return NULL;
}

/* The seats that are named in each show go to its first row: they are all of its places in tiers of
 * seats, or none. */
static const char *settle_seats(const struct task *task, struct request *request)
{
    for (size_t i = 0; i < request->parts; i += request_parts_of_show(request, i)) {
        const struct show *show = shows_given(task, request->part[i].show);
        struct span seats = {NULL, 0};
        size_t places = 0;
        for (size_t j = i; j < i + request_parts_of_show(request, i); j++) {
            struct show_line *part = &request->part[j];
            places += show_tier(show, part->line.tier)->has_seats ? part->line.quantity : 0;
            if (part->seats.len > 0)
                seats = part->seats;
            part->seats = (struct span){NULL, 0};
        }
        if (seats.len > 0 && seats_count(seats) != places)
            return "Of one show, numbered seats are named in one item, or none of them is";
        request->part[i].seats = seats;
    }
    return NULL;
}

/* Of one show after all. */
static void make_lines(struct request *request, enum operation take)
{
    request->op = take;
    request->lines = request->parts;
    request->seats = request->part[0].seats;
    for (size_t i = 0; i < request->parts; i++)
        request->line[i] = request->part[i].line;
    request->parts = 0;
}

static bool read_item(struct task *task, struct json *json, const struct asked_item *item,
                      struct named *named, struct request *request)
{
    const struct show *show = item->show.len > 0 ? shows_give_also(task, item->show) : task->show;

    if (show == NULL)
        return false;
    return item->is_named ? read_seats(task, json, item, show, named, request)
                          : read_quantity(task, item, show, request);
}

static bool is_elsewhere(const struct task *task, const struct request *request)
{
    for (size_t i = 0; i < request->parts; i++)
        if (shows_given(task, request->part[i].show)->partition != task->show->partition)
            return true;
    return false;
}

bool several_ask(struct task *task, struct json *json, const struct several *asked,
                 struct named *named, struct request *request)
{
    uint32_t own = task->show->number;
    const char *fault;

    request->op = OP_SEVERAL;
    request->take = asked->take;
    request->parts = 0;
    for (size_t i = 0; i < asked->items; i++)
        if (!read_item(task, json, &asked->item[i], named, request))
            return false;
    fault = fault_in(request, own);
    if (fault == NULL)
        fault = settle_seats(task, request);
    if (fault != NULL) {
        reply_invalid(task, 422, fault);
        return false;
    }
    if (is_elsewhere(task, request)) {
        reply_problem(task, code_status(CODE_DIFFERENT_PARTITIONS), CODE_DIFFERENT_PARTITIONS, NULL,
                      NULL, 0);
        return false;
    }
    if (request->part[request->parts - 1].show == own)
        make_lines(request, asked->take);
    return true;
}

/* A command has its shows from several_ask, and its handler must not be called again: it would be
 * queued again. Who looks a request up may have to wait for them. */
static bool give_show(struct task *task, uint32_t number)
{
    if (shows_given(task, number) != NULL)
        return true;
    if (exchange_method(task->exchange) == METHOD_POST) {
        reply_problem(task, 500, CODE_INTERNAL, "The answer cannot be told", NULL, 0);
        return false;
    }
    return shows_give_also_number(task, number) != NULL;
}

static struct booking others[PARTS_MAX];

bool several_give_shows(struct task *task, const struct answer *answer)
{
    size_t count = 0;

    if (answer->refused_show != 0)
        return give_show(task, answer->refused_show);
    if (answer->others.len == 0)
        return true;
    if (bookings_read(answer->others, others, PARTS_MAX, &count)) {
        reply_problem(task, 500, CODE_INTERNAL, "The answer cannot be read", NULL, 0);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (!give_show(task, id_show(others[i].id)))
            return false;
    return true;
}

void several_render(struct task *task, const struct answer *answer, struct buf *body)
{
    size_t count = 0;

    if (answer->others.len == 0 || bookings_read(answer->others, others, PARTS_MAX, &count))
        return;
    buf_puts(body, ",\"bookings\":[");
    render_booking(body, task->show, &answer->booking);
    for (size_t i = 0; i < count; i++) {
        buf_putc(body, ',');
        render_booking(body, shows_given(task, id_show(others[i].id)), &others[i]);
    }
    buf_putc(body, ']');
}
