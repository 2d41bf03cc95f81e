#include "http/timeouts.h"

#include <assert.h>
#include <stddef.h>

void timeouts_init(struct timeouts *t)
{
    for (int kind = 0; kind < TIMEOUT_KINDS; kind++) {
        struct timeout_link *ring = &t->kind[kind];
        *ring = (struct timeout_link){.next = ring, .previous = ring};
        t->duration_us[kind] = 0;
    }
}

void timeouts_set_duration(struct timeouts *t, enum timeout_kind kind, int64_t ms)
{
    assert(ms > 0 && t->kind[kind].next == &t->kind[kind]);
    t->duration_us[kind] = ms * 1000;
}

int64_t timeouts_tick_ms(const struct timeouts *t)
{
    int64_t tick_ms = TIMEOUT_TICK_MS_MAX;
    for (int kind = 0; kind < TIMEOUT_KINDS; kind++)
        if (t->duration_us[kind] / 8000 < tick_ms)
            tick_ms = t->duration_us[kind] / 8000;
    return tick_ms < TIMEOUT_TICK_MS_MIN ? TIMEOUT_TICK_MS_MIN : tick_ms;
}

void timeouts_disarm(struct timeout_link *link)
{
    if (link->next == NULL)
        return;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->next = link->previous = NULL;
}

void timeouts_arm(struct timeouts *t, struct timeout_link *link, enum timeout_kind kind,
                  int64_t now_us)
{
    timeouts_disarm(link);
    if (kind == TIMEOUT_NONE)
        return;
    struct timeout_link *ring = &t->kind[kind];
    link->due_us = now_us + t->duration_us[kind];
    assert(ring->previous == ring || ring->previous->due_us <= link->due_us);
    link->previous = ring->previous;
    link->next = ring;
    link->previous->next = link;
    ring->previous = link;
}

struct timeout_link *timeouts_take_due(struct timeouts *t, int64_t now_us)
{
    for (int kind = 0; kind < TIMEOUT_KINDS; kind++) {
        struct timeout_link *first = t->kind[kind].next;
        if (first != &t->kind[kind] && first->due_us <= now_us) {
            timeouts_disarm(first);
            return first;
        }
    }
    return NULL;
}
