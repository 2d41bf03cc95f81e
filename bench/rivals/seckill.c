#include "bench/rivals/seckill.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/rivals/counter.h"
#include "bench/rivals/ledger.h"

struct seckill {
    struct desk *desk;
    struct counter *counter;
    struct ledger *ledger;
    int64_t last_id;
};

static void on_counted(void *context, struct wish *wish, bool taken)
{
    struct seckill *seckill = context;

    if (!taken)
        desk_refuse(seckill->desk, wish);
    else if (!ledger_note(seckill->ledger, wish))
        desk_fail(seckill->desk, wish);
    else
        desk_grant(seckill->desk, wish, ++seckill->last_id);
}

struct seckill *seckill_open(struct ev_loop *loop, const char *redis, const char *conninfo,
                             uint32_t shows, uint32_t seats, struct desk *desk)
{
    struct seckill *seckill = calloc(1, sizeof(*seckill));

    assert(seckill != NULL);
    seckill->desk = desk;
    seckill->ledger = ledger_open(loop, conninfo);
    if (seckill->ledger != NULL)
        seckill->counter = counter_open(loop, redis, shows, seats, on_counted, seckill);
    if (seckill->counter != NULL)
        return seckill;
    if (seckill->ledger != NULL)
        ledger_close(seckill->ledger);
    free(seckill);
    return NULL;
}

void seckill_begin(struct seckill *seckill, struct wish *wish)
{
    counter_take(seckill->counter, wish);
}

void seckill_close(struct seckill *seckill)
{
    fprintf(stderr, "rival: %zu answered bookings were not written\n",
            ledger_waiting(seckill->ledger));
    counter_close(seckill->counter);
    ledger_close(seckill->ledger);
    free(seckill);
}
