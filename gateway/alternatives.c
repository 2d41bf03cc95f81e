#include "gateway/alternatives.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "gateway/blocks.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/partitions.h"
#include "gateway/reads.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/seatmap.h"
#include "gateway/shows.h"

#define SLOTS 256          /* shows whose series' dates are kept */
#define DATES_MAX 32       /* dates kept of each: those nearest in time that have anything left */
#define FRESH_MS 2000      /* dates older than this are asked for again, while the old ones serve */
#define QUESTIONS_MAX 4    /* under way at once */
#define TOLD_MAX 5         /* of each kind, in one answer */
#define BLOCK_SEATS_MAX 40 /* seats side by side that are told */
#define MEMBER_BYTES_MAX 32768

/* The dates near one show. A slot is taken over by another show of the same remainder. */
struct dates {
    struct alternatives *alternatives;
    uint32_t show; /* 0: free */
    int64_t asked_us;
    bool is_asking, is_known;
    struct list waiting; /* tasks, for the first answer */
    size_t count;
    struct show near[DATES_MAX]; /* owned; the nearest first */
};

struct alternatives {
    struct gateway *gateway;
    size_t questions;
    struct buf member;
    struct dates slot[SLOTS];
};

static const struct statement near_dates = {
    "near_dates",
    "SELECT " SHOW_COLUMNS " FROM " SHOW_TABLES " WHERE s.series = $1 AND s.show <> $2::integer"
    " AND s.state = 'open' AND (s.starts_at IS NULL OR s.starts_at > now())"
    " AND EXISTS (SELECT FROM tiers l WHERE l.show = s.show AND l.available > 0)"
    " ORDER BY abs(extract(epoch FROM s.starts_at) - $3::bigint / 1000.0) NULLS LAST, s.show"
    " LIMIT $4::integer"};

static void tell_found(struct task *task);

struct alternatives *alternatives_new(struct gateway *gateway)
{
    struct alternatives *a = calloc(1, sizeof *a);

    assert(a != NULL);
    a->gateway = gateway;
    buf_init(&a->member, MEMBER_BYTES_MAX);
    for (size_t i = 0; i < SLOTS; i++) {
        a->slot[i].alternatives = a;
        list_init(&a->slot[i].waiting);
    }
    return a;
}

static void forget(struct dates *dates)
{
    for (size_t i = 0; i < dates->count; i++)
        show_free(&dates->near[i]);
    dates->count = 0;
    dates->is_known = false;
}

void alternatives_free(struct alternatives *a)
{
    for (size_t i = 0; i < SLOTS; i++)
        forget(&a->slot[i]);
    buf_free(&a->member);
    free(a);
}

/* Who named seats of one tier, or asks, may have others of it. */
static bool wants_seats(const struct task *task)
{
    const struct tier *tier = task->lines == 1 ? show_tier(task->show, task->line[0].tier) : NULL;
    enum code code = task->refusal.code;

    return tier != NULL && tier->has_seats && (code == CODE_SEAT_TAKEN || code == CODE_GRANTED);
}

bool alternatives_may_be(const struct task *task, const struct answer *answer)
{
    bool takes = answer->op == OP_BOOK || answer->op == OP_HOLD;
    bool short_of = answer->code == CODE_SOLD_OUT || answer->code == CODE_NOT_ENOUGH ||
                    answer->code == CODE_SEAT_TAKEN;

    return takes && short_of && task->lines > 0 && !id_is_keyed(task->id) &&
           (task->show->tiers > 1 || task->show->series[0] != '\0' || wants_seats(task));
}

/* The dates near a show. */

static void on_dates(void *context, enum err err, const struct postgres_rows *rows)
{
    struct dates *dates = context;
    struct list waiting, *node;

    dates->is_asking = false;
    dates->alternatives->questions--;
    if (!err) {
        forget(dates);
        for (size_t i = 0; i < rows_count(rows) && dates->count < DATES_MAX; i++)
            if (show_from_row(&dates->near[dates->count], rows, i) == ERR_NONE)
                dates->count++;
    }
    dates->is_known = true; /* if it failed: as they were, or none */
    list_init(&waiting);
    list_move_all(&waiting, &dates->waiting);
    while ((node = list_take_first(&waiting)) != NULL)
        tell_found(LIST_OWNER(node, struct task, node));
}

static void ask(struct dates *dates, const struct show *show, int64_t now_us)
{
    struct alternatives *a = dates->alternatives;
    char number[16], at[24], limit[16];
    int64_t at_ms = show->starts_ms != 0 ? show->starts_ms : clock_wall_ms();
    struct postgres_query query = {.statement = &near_dates,
                                   .values = 4,
                                   .value = {show->series, number, at, limit},
                                   .done = on_dates,
                                   .context = dates};

    struct database *database = partitions_database(a->gateway->partitions, show->partition);

    if (a->questions >= QUESTIONS_MAX || !database_is_ready(database))
        return;
    snprintf(number, sizeof number, "%" PRIu32, show->number);
    snprintf(at, sizeof at, "%" PRId64, at_ms);
    snprintf(limit, sizeof limit, "%d", DATES_MAX);
    a->questions++;
    dates->is_asking = true;
    dates->asked_us = now_us;
    if (database_query(database, &query))
        return;
    dates->is_asking = false;
    a->questions--;
}

/* NULL: none are known now. */
static struct dates *dates_of(struct alternatives *a, const struct show *show)
{
    struct dates *dates = &a->slot[show->number % SLOTS];
    int64_t now_us = clock_mono_us();

    if (show->series[0] == '\0')
        return NULL;
    if (dates->show != show->number) {
        if (dates->is_asking)
            return NULL;
        forget(dates);
        dates->show = show->number;
        dates->asked_us = 0;
    }
    if (!dates->is_asking && (dates->asked_us == 0 || now_us - dates->asked_us > FRESH_MS * 1000))
        ask(dates, show, now_us);
    return dates;
}

/* Writing them down. */

static bool is_on_sale(const struct show *show, int64_t now_ms)
{
    return strcmp(show->state, "open") == 0 && show->opens_ms <= now_ms &&
           (show->closes_ms == 0 || show->closes_ms > now_ms);
}

static void put_head(struct buf *b, const char *kind, const struct show *show)
{
    buf_puts(b, b->len == 0 ? ",\"alternatives\":[" : ",");
    buf_putf(b, "{\"kind\":\"%s\",\"show\":\"%s\",\"show_id\":%u,\"name\":", kind, show->slug,
             show->number);
    render_text(b, span_of(show->name));
    buf_puts(b, ",\"starts_at\":");
    render_time(b, show->starts_ms);
    buf_putf(b, ",\"currency\":\"%s\",\"items\":[", show->currency);
}

static void put_item(struct buf *b, const struct tier *tier, uint32_t quantity)
{
    buf_puts(b, "{\"tier\":");
    render_text(b, span_of(tier->code));
    buf_putf(b, ",\"quantity\":%u,\"price\":%lld,\"available\":%u}", quantity,
             (long long)tier_price_now(tier, clock_wall_ms()), tier->available);
}

/* As many seats of the same tier, side by side in other blocks. */
static void put_seats(struct buf *b, const struct task *task)
{
    const struct show *show = task->show;
    const struct tier *tier = show_tier(show, task->line[0].tier);
    uint32_t quantity = task->line[0].quantity, first[BLOCKS_MAX];
    size_t count;

    if (!wants_seats(task) || quantity > BLOCK_SEATS_MAX || !is_on_sale(show, clock_wall_ms()))
        return;
    count = blocks_find(task->gateway->blocks, task, task->line[0],
                        buf_span(&task->refusal.conflicts), first);
    for (size_t i = 0; i < count; i++) {
        put_head(b, "seats", show);
        put_item(b, tier, quantity);
        buf_puts(b, "],\"seats\":[");
        for (uint32_t j = 0; j < quantity; j++) {
            const struct seat *seat = &show->seatmap->seat[first[i] + j];
            if (j > 0)
                buf_putc(b, ',');
            render_text(b, span_of(seatmap_text(show->seatmap, seat, SEAT_TEXT_ID)));
        }
        buf_puts(b, "]}");
    }
}

/* Another tier of the show for all that was asked for. */
static void put_tiers(struct buf *b, const struct task *task)
{
    const struct show *show = task->show;
    size_t told = 0;

    if (task->lines != 1 || !is_on_sale(show, clock_wall_ms()))
        return;
    for (size_t i = 0; i < show->tiers && told < TOLD_MAX; i++) {
        const struct tier *tier = &show->tier[i];
        if (tier->number == task->line[0].tier || tier->available < task->line[0].quantity)
            continue;
        put_head(b, "tier", show);
        put_item(b, tier, task->line[0].quantity);
        buf_puts(b, "]}");
        told++;
    }
}

/* The tier of the date that has the same code as the line's, if it has enough. */
static const struct tier *same_tier(const struct task *task, size_t line, const struct show *date)
{
    const struct tier *asked = show_tier(task->show, task->line[line].tier);
    const struct tier *tier = asked != NULL ? show_tier_named(date, span_of(asked->code)) : NULL;

    return tier != NULL && tier->available >= task->line[line].quantity ? tier : NULL;
}

static bool has_all(const struct task *task, const struct show *date)
{
    for (size_t i = 0; i < task->lines; i++)
        if (same_tier(task, i, date) == NULL)
            return false;
    return true;
}

static void put_dates(struct buf *b, const struct task *task, const struct dates *dates)
{
    int64_t now_ms = clock_wall_ms();
    size_t told = 0;

    for (size_t i = 0; i < dates->count && told < TOLD_MAX; i++) {
        const struct show *date = &dates->near[i];
        if (!is_on_sale(date, now_ms) || !has_all(task, date))
            continue;
        put_head(b, "date", date);
        for (size_t l = 0; l < task->lines; l++) {
            if (l > 0)
                buf_putc(b, ',');
            put_item(b, same_tier(task, l, date), task->line[l].quantity);
        }
        buf_puts(b, "]}");
        told++;
    }
}

static struct span member_of(struct task *task)
{
    struct alternatives *a = task->gateway->alternatives;
    const struct dates *dates = dates_of(a, task->show);
    struct buf *b = &a->member;

    buf_reset(b);
    put_seats(b, task);
    put_tiers(b, task);
    if (dates != NULL)
        put_dates(b, task, dates);
    if (b->len > 0)
        buf_putc(b, ']');
    return b->failed ? (struct span){"", 0} : buf_span(b);
}

static void tell_all(struct task *task)
{
    task->tell_hint(task, member_of(task));
}

/* The dates are there, or will not be; then the seats. */
static void tell_found(struct task *task)
{
    if (!wants_seats(task) || !blocks_wait(task->gateway->blocks, task, tell_all))
        tell_all(task);
}

void alternatives_find(struct task *task, void (*tell)(struct task *task, struct span member))
{
    struct dates *dates = dates_of(task->gateway->alternatives, task->show);

    task->tell_hint = tell;
    if (dates != NULL && dates->is_asking && !dates->is_known)
        list_append(&dates->waiting, &task->node);
    else
        tell_found(task);
}

static void tell_asked(struct task *task, struct span member)
{
    struct buf *body = reply_open_public(task);

    buf_putf(body, "{\"show\":\"%s\",\"show_id\":%u", task->show->slug, task->show->number);
    if (member.len > 0)
        buf_put(body, member.bytes, member.len);
    else
        buf_puts(body, ",\"alternatives\":[]");
    buf_putc(body, '}');
    reply_send(task, 200, REPLY_JSON);
}

void get_alternatives(struct task *task)
{
    char bytes[TIER_BYTES_MAX + 1];
    const char *code;
    const struct tier *tier;
    uint64_t quantity = 1;

    if (!shows_give(task, task->parameter[0]) ||
        !reads_text(task, "tier", bytes, TIER_BYTES_MAX, &code) ||
        !reads_number(task, "quantity", 1, QUANTITY_MAX, &quantity))
        return;
    if (code == NULL) {
        reply_invalid(task, 400, "\"tier\" is missing: what there should be an alternative to");
        return;
    }
    tier = show_tier_named(task->show, span_of(code));
    if (tier == NULL) {
        reply_not_found(task, "The show has no such tier");
        return;
    }
    task->lines = 1;
    task->line[0] = (struct line){tier->number, (uint32_t)quantity};
    alternatives_find(task, tell_asked);
}
