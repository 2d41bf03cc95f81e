#include "gateway/blocks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/seats.h"
#include "gateway/gateway.h"
#include "gateway/seat_look.h"
#include "gateway/seatmap.h"
#include "gateway/shows.h"

#define SLOTS 32        /* shows whose seats are kept: a byte a seat */
#define FRESH_MS 1000   /* a look older than this is taken again, while the old one serves */
#define QUESTIONS_MAX 4 /* looks under way at once */
#define FOUND_MAX 8     /* answers that are kept of a look: crowds ask the same */

struct found {
    struct line line;
    size_t count;
    uint32_t first[BLOCKS_MAX];
};

/* The seats of one show. A slot is taken over by another show of the same remainder. */
struct slot {
    struct blocks *blocks;
    struct cached_show *asking; /* pinned while a look is under way; else NULL */
    uint32_t show;              /* 0: free */
    int64_t asked_us;
    bool is_known;
    struct list waiting; /* tasks, for the first look */
    size_t count;
    unsigned char *status; /* owned; by the map's order */
    size_t founds;
    struct found found[FOUND_MAX];
    void (*then)(struct task *task);
};

struct blocks {
    struct gateway *gateway;
    size_t questions;
    struct slot slot[SLOTS];
};

struct blocks *blocks_new(struct gateway *gateway)
{
    struct blocks *b = calloc(1, sizeof *b);

    assert(b != NULL);
    b->gateway = gateway;
    for (size_t i = 0; i < SLOTS; i++) {
        b->slot[i].blocks = b;
        list_init(&b->slot[i].waiting);
    }
    return b;
}

void blocks_free(struct blocks *b)
{
    for (size_t i = 0; i < SLOTS; i++)
        free(b->slot[i].status);
    free(b);
}

static void forget(struct slot *slot)
{
    free(slot->status);
    slot->status = NULL;
    slot->count = slot->founds = 0;
    slot->is_known = false;
}

/* If it failed: as it was, or nothing is known of any seat. */
static void read_look(struct slot *slot, const struct redis_value *reply)
{
    const struct seatmap *map = slot->asking->show.seatmap;
    unsigned char *status;

    if (!seat_look_has_come(reply) || !seat_look_is_complete(*reply) || map == NULL)
        return;
    status = malloc(map->count + 1);
    if (status == NULL || !seat_look_read(*reply, map, status)) {
        free(status);
        return;
    }
    forget(slot);
    slot->status = status;
    slot->count = map->count;
}

static void on_look(void *context, const struct redis_value *reply)
{
    struct slot *slot = context;
    struct cached_show *cached = slot->asking;
    struct list waiting, *node;

    read_look(slot, reply);
    slot->is_known = true;
    slot->asking = NULL;
    slot->blocks->questions--;
    list_init(&waiting);
    list_move_all(&waiting, &slot->waiting);
    while ((node = list_take_first(&waiting)) != NULL)
        slot->then(LIST_OWNER(node, struct task, node));
    shows_unpin(cached);
}

static void ask(struct slot *slot, struct cached_show *cached, int64_t now_us)
{
    struct blocks *b = slot->blocks;

    if (b->questions >= QUESTIONS_MAX)
        return;
    slot->asked_us = now_us;
    if (!seat_look_send(b->gateway->redis, &cached->show, NULL, on_look, slot))
        return;
    slot->asking = cached;
    shows_pin(cached);
    b->questions++;
}

/* NULL: nothing can be known now. */
static struct slot *slot_of(struct blocks *b, const struct task *task)
{
    struct slot *slot = &b->slot[task->show->number % SLOTS];
    int64_t now_us = clock_mono_us();

    if (task->show->seatmap == NULL)
        return NULL;
    if (slot->show != task->show->number) {
        if (slot->asking != NULL)
            return NULL;
        forget(slot);
        slot->show = task->show->number;
        slot->asked_us = 0;
    }
    if (slot->asking == NULL && (slot->asked_us == 0 || now_us - slot->asked_us > FRESH_MS * 1000))
        ask(slot, task->cached, now_us);
    return slot;
}

bool blocks_wait(struct blocks *b, struct task *task, void (*then)(struct task *task))
{
    struct slot *slot = slot_of(b, task);

    if (slot == NULL || slot->asking == NULL || slot->is_known)
        return false;
    slot->then = then;
    list_append(&slot->waiting, &task->node);
    return true;
}

static bool has_seat(const struct found *found, size_t at)
{
    for (size_t i = 0; i < found->count; i++)
        if (at >= found->first[i] && at - found->first[i] < found->line.quantity)
            return true;
    return false;
}

/* Only what was found with that seat in it is looked for again: in a crowd each refusal brings a
 * seat, and a large map takes a while to read. */
static void note_taken(struct slot *slot, const struct seatmap *map, struct span taken)
{
    for (size_t i = 0; i < seats_count(taken); i++) {
        const struct seat *seat = seatmap_at(map, seats_at(taken, i));
        size_t at = seat != NULL ? (size_t)(seat - map->seat) : slot->count;
        if (at == slot->count || slot->status[at] != SEAT_AVAILABLE)
            continue;
        slot->status[at] = SEAT_BOOKED;
        for (size_t f = slot->founds; f > 0; f--)
            if (has_seat(&slot->found[f - 1], at))
                slot->found[f - 1] = slot->found[--slot->founds];
    }
}

static const struct found *find(struct slot *slot, const struct seatmap *map, struct line line)
{
    struct found *found;

    for (size_t i = 0; i < slot->founds; i++)
        if (slot->found[i].line.tier == line.tier && slot->found[i].line.quantity == line.quantity)
            return &slot->found[i];
    found = &slot->found[slot->founds < FOUND_MAX ? slot->founds++ : 0];
    found->line = line;
    found->count =
        seatmap_blocks(map, slot->status, line.tier, line.quantity, found->first, BLOCKS_MAX);
    return found;
}

size_t blocks_find(struct blocks *b, const struct task *task, struct line line, struct span taken,
                   uint32_t first[BLOCKS_MAX])
{
    const struct seatmap *map = task->show->seatmap;
    struct slot *slot = slot_of(b, task);

    if (slot == NULL || slot->status == NULL || slot->count != map->count)
        return 0;
    note_taken(slot, map, taken);
    const struct found *found = find(slot, map, line);
    memcpy(first, found->first, found->count * sizeof first[0]);
    return found->count;
}
