#include "allocator/payment_clock.h"

static struct clocked *set_of(struct payment_clock *clock, struct id payment)
{
    return clock->slot[id_hash(payment) % PAYMENT_CLOCK_SETS];
}

static struct clocked *find(struct clocked *set, struct id payment)
{
    for (int i = 0; i < PAYMENT_CLOCK_WAYS; i++)
        if (set[i].decided_ms != 0 && id_equal(set[i].payment, payment))
            return &set[i];
    return NULL;
}

/* One that is free counts as the oldest of all. */
static struct clocked *oldest(struct clocked *set)
{
    struct clocked *found = &set[0];

    for (int i = 1; i < PAYMENT_CLOCK_WAYS; i++)
        if (set[i].decided_ms < found->decided_ms)
            found = &set[i];
    return found;
}

void payment_clock_begin(struct payment_clock *clock, struct id payment, int64_t decided_ms)
{
    struct clocked *set = set_of(clock, payment), *one = find(set, payment);

    if (one == NULL)
        one = oldest(set);
    *one = (struct clocked){payment, decided_ms};
}

bool payment_clock_end(struct payment_clock *clock, struct id payment, int64_t settled_ms,
                       int64_t *took_ms)
{
    struct clocked *one = find(set_of(clock, payment), payment);

    if (one == NULL)
        return false;
    *took_ms = settled_ms > one->decided_ms ? settled_ms - one->decided_ms : 0;
    one->decided_ms = 0;
    return true;
}
