#include "allocator/figures.h"

#include "base/clock.h"
#include "base/log.h"

#define MINUTE_MS 60000
#define MINUTES_KEPT_MS ((int64_t)3 * 86400000)

static bool is_asked_by_people(const struct request *r)
{
    switch (r->op) {
    case OP_BOOK:
    case OP_HOLD:
    case OP_CONFIRM:
    case OP_CANCEL:
    case OP_EXTEND:
    case OP_PAY:
    case OP_JOIN:
    case OP_LEAVE:
    case OP_SEVERAL:
        return true;
    case OP_REFRESH:
    case OP_SETTLE:
    case OP_ADMIN:
        break;
    }
    return false;
}

void figures_count(struct allocator *a, const struct batch *b)
{
    int64_t durable_ms = clock_wall_ms();

    for (size_t i = 0; i < b->count; i++) {
        const struct slot *slot = &b->slot[i];
        if (slot->origin == ORIGIN_MOVED || !is_asked_by_people(&b->request[i]))
            continue;
        tally_count(&a->tally, b->request[i].show, b->now_ms / MINUTE_MS,
                    slot->origin == ORIGIN_DECIDED ? slot->code : TALLY_REPEATED,
                    durable_ms - b->entered_ms[i]);
    }
    a->reporter.metrics[AM_UNCOUNTED].count = a->tally.dropped;
}

/* What Postgres refused is said once, until it takes something again. */
static enum err forgive(struct allocator *a, enum err err)
{
    bool is_unwanted = err == ERR_REFUSED || err == ERR_MEMORY;

    if (is_unwanted && !a->tally_is_unwanted)
        log_event(LOG_WARN, "figures_refused", "partition", log_u64(a->tenure.partition), "why",
                  ledger_why_reader(&a->ledger), NULL);
    a->tally_is_unwanted = is_unwanted;
    return is_unwanted ? ERR_NONE : err;
}

enum err figures_hand(struct allocator *a)
{
    struct tally *t = &a->tally;
    size_t cells = t->cells < TALLY_HANDED_MAX ? t->cells : TALLY_HANDED_MAX;

    if (cells == 0)
        return ERR_NONE;
    enum err err = ledger_add_figures(&a->ledger, &a->tenure, t, cells);
    /* A session that broke leaves open whether they were added: rather too few than twice. */
    if (err != ERR_REFUSED && err != ERR_MEMORY && err != ERR_FENCED)
        tally_forget(t, cells);
    return forgive(a, err);
}

enum err figures_roll_up(struct allocator *a)
{
    return forgive(a, ledger_roll_up_figures(&a->ledger, allocator_now(a) - MINUTES_KEPT_MS));
}
