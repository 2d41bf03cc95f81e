#include "gateway/several.h"

#include <string.h>

#include "gateway/gateway.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

static bool read_item(struct task *task, const struct asked_item *item, struct show_line *part,
                      bool *elsewhere)
{
    const struct show *show = item->show.len > 0 ? shows_give_also(task, item->show) : task->show;
    const struct tier *tier = show != NULL ? show_tier_named(show, item->tier) : NULL;

    if (show == NULL)
        return false;
    if (tier == NULL) {
        reply_not_found(task, "The show has no such tier");
        return false;
    }
    if (tier->has_seats) {
        reply_invalid(task, 422, "Numbered seats are booked one show at a time");
        return false;
    }
    *elsewhere = *elsewhere || show->partition != task->show->partition;
    *part = (struct show_line){show->number, {tier->number, (uint32_t)item->quantity}};
    return true;
}

/* The request's own show first, the others by number, tiers within each: the same items in another
 * order are the same request. */
static bool comes_before(const struct show_line *a, const struct show_line *b, uint32_t own)
{
    if (a->show != b->show)
        return b->show != own && (a->show == own || a->show < b->show);
    return a->line.tier < b->line.tier;
}

static void insert_part(struct request *request, struct show_line part, uint32_t own)
{
    size_t at = request->parts++;

    for (; at > 0 && comes_before(&part, &request->part[at - 1], own); at--)
        request->part[at] = request->part[at - 1];
    request->part[at] = part;
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

/* Of one show after all. */
static void make_lines(struct request *request, enum operation take)
{
    request->op = take;
    request->lines = request->parts;
    for (size_t i = 0; i < request->parts; i++)
        request->line[i] = request->part[i].line;
    request->parts = 0;
}

bool several_ask(struct task *task, enum operation take, const struct asked_item *items,
                 size_t count, struct request *request)
{
    uint32_t own = task->show->number;
    bool elsewhere = false;
    const char *fault;

    request->op = OP_SEVERAL;
    request->take = take;
    request->parts = 0;
    for (size_t i = 0; i < count; i++) {
        struct show_line part;
        if (!read_item(task, &items[i], &part, &elsewhere))
            return false;
        insert_part(request, part, own);
    }
    fault = fault_in(request, own);
    if (fault != NULL) {
        reply_invalid(task, 422, fault);
        return false;
    }
    if (elsewhere) {
        reply_problem(task, code_status(CODE_DIFFERENT_PARTITIONS), CODE_DIFFERENT_PARTITIONS, NULL,
                      NULL, 0);
        return false;
    }
    if (request->part[count - 1].show == own)
        make_lines(request, take);
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
