#include "gateway/show.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void show_free(struct show *show)
{
    free(show->name);
    free(show->tier);
    memset(show, 0, sizeof *show);
}

bool show_has_seats(const struct show *show)
{
    for (size_t i = 0; i < show->tiers; i++)
        if (show->tier[i].has_seats)
            return true;
    return false;
}

const struct tier *show_tier(const struct show *show, uint32_t number)
{
    for (size_t i = 0; i < show->tiers; i++)
        if (show->tier[i].number == number)
            return &show->tier[i];
    return NULL;
}

const struct tier *show_tier_named(const struct show *show, struct span code)
{
    for (size_t i = 0; i < show->tiers; i++)
        if (span_is(code, show->tier[i].code))
            return &show->tier[i];
    return NULL;
}

int64_t tier_price(const struct tier *tier, const struct tier_count *count, int64_t now_ms)
{
    return price_at(tier->price, &tier->steps, count->capacity,
                    (uint64_t)count->held + count->booked, now_ms);
}

static struct tier_count count_of(const struct tier *t)
{
    return (struct tier_count){t->number, t->capacity, t->available,
                               t->held,   t->booked,   t->blocked};
}

int64_t tier_price_now(const struct tier *tier, int64_t now_ms)
{
    struct tier_count count = count_of(tier);

    return tier_price(tier, &count, now_ms);
}

void show_availability(const struct show *show, struct availability *a)
{
    a->show = show->number;
    a->version = show->version;
    a->tiers = show->tiers;
    for (size_t i = 0; i < show->tiers; i++)
        a->tier[i] = count_of(&show->tier[i]);
}

void show_set_counts(struct show *show, const struct availability *a)
{
    for (size_t i = 0; i < show->tiers; i++)
        for (size_t j = 0; j < a->tiers; j++) {
            const struct tier_count *count = &a->tier[j];
            struct tier *t = &show->tier[i];
            if (t->number != count->tier)
                continue;
            t->capacity = count->capacity;
            t->available = count->available;
            t->held = count->held;
            t->booked = count->booked;
            t->blocked = count->blocked;
        }
}

static enum err read_tier(struct tier *t, struct span line)
{
    struct price_steps steps;
    uint64_t n[8];

    for (size_t i = 0; i < 8; i++)
        if (!text_u64(text_cut(&line, ':'), INT64_MAX, &n[i]))
            return ERR_INPUT;
    if (!price_steps_read(text_cut(&line, ':'), &steps) || line.len == 0 ||
        line.len > TIER_BYTES_MAX)
        return ERR_INPUT;
    *t = (struct tier){.number = (uint32_t)n[0],
                       .price = (int64_t)n[1],
                       .steps = steps,
                       .capacity = (uint32_t)n[2],
                       .available = (uint32_t)n[3],
                       .held = (uint32_t)n[4],
                       .booked = (uint32_t)n[5],
                       .blocked = (uint32_t)n[6],
                       .has_seats = n[7] == 1};
    memcpy(t->code, line.bytes, line.len);
    return ERR_NONE;
}

enum err show_set_tiers(struct show *show, struct span text)
{
    struct tier tiers[TIERS_MAX];
    size_t count = 0;

    while (text.len > 0) {
        if (count == TIERS_MAX)
            return ERR_INPUT;
        TRY(read_tier(&tiers[count], text_cut(&text, '\n')));
        count++;
    }
    struct tier *owned = calloc(count > 0 ? count : 1, sizeof *owned);
    if (owned == NULL)
        return ERR_MEMORY;
    memcpy(owned, tiers, count * sizeof *owned);
    free(show->tier);
    show->tier = owned;
    show->tiers = count;
    return ERR_NONE;
}
