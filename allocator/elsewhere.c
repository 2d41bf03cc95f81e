#include "allocator/elsewhere.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define LOST_US 10000000       /* waited for so long … */
#define AGAIN_US 200000        /* … and tried so often meanwhile, */
#define LOST_AGAIN_US 30000000 /* then so often: one that hangs costs its timeout each time */

void elsewhere_init(struct elsewhere *e, const struct redis_url *url, int64_t timeout_ms)
{
    e->redis = redis_new(url, timeout_ms);
    e->count = 0;
}

void elsewhere_free(struct elsewhere *e)
{
    redis_free(e->redis);
}

/* Its place among those that are away, or e->count. */
static size_t find(const struct elsewhere *e, uint32_t partition)
{
    size_t at = 0;

    while (at < e->count && e->away[at].partition != partition)
        at++;
    return at;
}

static void forget(struct elsewhere *e, size_t at)
{
    e->count--;
    memmove(&e->away[at], &e->away[at + 1], (e->count - at) * sizeof e->away[0]);
}

static struct elsewhere_away *note(struct elsewhere *e, uint32_t partition, int64_t now_us)
{
    if (e->count == ELSEWHERE_AWAY_MAX)
        forget(e, 0);
    struct elsewhere_away *away = &e->away[e->count++];
    *away = (struct elsewhere_away){.partition = partition, .since_us = now_us};
    log_event(LOG_WARN, "elsewhere_away", "partition", log_u64(partition), "why",
              redis_why(e->redis), NULL);
    return away;
}

static bool was_lost(const struct elsewhere_away *away)
{
    return away->failed_us - away->since_us >= LOST_US;
}

/* A failure that is long past says nothing of what was between. */
static bool is_the_same(const struct elsewhere_away *away, int64_t now_us)
{
    return now_us - away->failed_us < 2 * LOST_AGAIN_US;
}

enum err elsewhere_go_to(struct elsewhere *e, uint32_t partition)
{
    size_t at = find(e, partition);

    if (at < e->count && clock_mono_us() < e->away[at].again_us)
        return ERR_UNAVAILABLE;
    enum err err = redis_go_to(e->redis, partition);
    if (err)
        elsewhere_failed(e, partition);
    return err;
}

void elsewhere_failed(struct elsewhere *e, uint32_t partition)
{
    int64_t now_us = clock_mono_us();
    size_t at = find(e, partition);

    if (at < e->count && !is_the_same(&e->away[at], now_us)) {
        forget(e, at);
        at = e->count;
    }
    struct elsewhere_away *away = at < e->count ? &e->away[at] : note(e, partition, now_us);
    bool was = was_lost(away);
    redis_disconnect(e->redis); /* replies may still be on their way */
    now_us = clock_mono_us();
    away->failed_us = now_us;
    away->again_us = now_us + (was_lost(away) ? LOST_AGAIN_US : AGAIN_US);
    if (!was && was_lost(away))
        log_event(LOG_ERROR, "elsewhere_lost", "partition", log_u64(partition), NULL);
}

void elsewhere_answered(struct elsewhere *e, uint32_t partition)
{
    size_t at = find(e, partition);

    if (at == e->count)
        return;
    log_event(LOG_INFO, "elsewhere_back", "partition", log_u64(partition), NULL);
    forget(e, at);
}

bool elsewhere_is_lost(const struct elsewhere *e, uint32_t partition)
{
    size_t at = find(e, partition);

    return at < e->count && was_lost(&e->away[at]) && is_the_same(&e->away[at], clock_mono_us());
}
