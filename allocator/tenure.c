#include "allocator/tenure.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

int64_t allocator_now(struct allocator *a)
{
    int64_t clock = clock_wall_ms();

    if (clock > a->now_ms)
        a->now_ms = clock;
    return a->now_ms;
}

void tenure_say_away(struct allocator *a, const char *what, const char *why)
{
    if (what == a->away)
        return;
    if (what != NULL)
        log_event(LOG_WARN, "away", "what", what, "why", why, NULL);
    else
        log_event(LOG_INFO, "back", "what", a->away, NULL);
    a->away = what;
}

static enum err claim(struct allocator *a)
{
    struct tenure *t = &a->tenure;

    TRY(ledger_claim(&a->ledger, a->options->name, a->epoch_min, t));
    /* An epoch that was lifted says nothing about who came before: rebuild. */
    if (a->epoch_min > 0)
        t->generation[0] = '\0';
    a->epoch_min = 0;
    a->now_ms = t->now_ms;
    t->now_ms = allocator_now(a);
    intake_set(&a->intake, t->partition, &t->cursor);
    a->reporter.metrics[AM_TAKEOVERS].count++;
    log_event(LOG_INFO, "partition_claimed", "partition", log_u64(t->partition), "epoch",
              log_u64(t->epoch), "version", log_u64(t->version), NULL);
    return ERR_NONE;
}

static enum err connect_redis(struct allocator *a)
{
    /* Replies of another tenure may still be on their way: begin with a clean connection. */
    if (redis_is_connected(a->redis) && redis_pending(a->redis) > 0)
        redis_disconnect(a->redis);
    if (!redis_is_connected(a->redis))
        a->reporter.metrics[AM_REDIS_RECONNECTS].count++;
    TRY(redis_go_to(a->redis, a->tenure.partition));
    return decider_load_scripts(&a->decider);
}

/*
 * A Redis that has seen a higher epoch than Postgres was left behind by a Postgres that lost some:
 * who holds the lock in Postgres is the owner, with an epoch beyond both.
 */
static enum err take_in_redis(struct allocator *a, struct taken *taken)
{
    enum err err = decider_take(&a->decider, &a->tenure, taken);

    if (err == ERR_FENCED && taken->fenced_by < UINT64_MAX / 2) {
        log_event(LOG_WARN, "redis_is_ahead", "epoch", log_u64(taken->fenced_by), NULL);
        a->epoch_min = taken->fenced_by + 1;
    }
    return err;
}

/*
 * Equal versions are not enough: a stopped owner that wakes on an old Redis can make the same
 * version anew, and never commit it. Only if the last owner that Redis has seen is the last one
 * that Postgres had before this one did nobody else write there (tests/model/ has the trace).
 */
static bool redis_equals_postgres(const struct tenure *t, const struct taken *taken)
{
    return taken->clean && taken->version == t->version && taken->epoch + 1 == t->epoch &&
           t->generation[0] != '\0' && strcmp(taken->generation, t->generation) == 0;
}

/* What stands at or behind the cursor is appended again, a bounded part at a time. */
static enum err mend_stream(struct allocator *a)
{
    bool created, made = false;
    int64_t appended, total = 0;

    do {
        TRY(decider_mend(&a->decider, &a->tenure, &created, &appended));
        made = made || created;
        total += appended;
    } while (appended > 0);
    if (made || total > 0)
        log_event(LOG_INFO, "stream_mended", "partition", log_u64(a->tenure.partition), "created",
                  made ? "yes" : "no", "appended_again", log_i64(total), NULL);
    return ERR_NONE;
}

/* Payments that were begun under other owners are timed all the same: the newest of them. */
static enum err clock_payments(struct allocator *a)
{
    static const char sql[] = "SELECT id, created_ms FROM payments WHERE status = 'PENDING' "
                              "ORDER BY created_ms DESC LIMIT 4096";
    struct postgres_result *result = NULL;
    struct id payment;

    TRY(ledger_ask(&a->ledger, sql, 0, NULL, &result));
    for (size_t i = 0; i < postgres_rows(result); i++)
        if (id_from_uuid(postgres_cell(result, i, 0), &payment) == ERR_NONE)
            payment_clock_begin(&a->reporter.payments, payment, postgres_cell_i64(result, i, 1));
    postgres_result_free(result);
    return ERR_NONE;
}

enum err tenure_take(struct allocator *a)
{
    struct tenure *t = &a->tenure;
    struct taken taken;
    char run_id[64];

    strncpy(run_id, redis_run_id(a->redis), sizeof run_id - 1);
    run_id[sizeof run_id - 1] = '\0';
    TRY(claim(a));
    TRY(connect_redis(a));
    TRY(take_in_redis(a, &taken));
    /* Another server under the same address, or the same one restarted: it may have lost the end.
     */
    bool same_redis = run_id[0] == '\0' || strcmp(run_id, redis_run_id(a->redis)) == 0;
    if (!same_redis || !redis_equals_postgres(t, &taken)) {
        reporter_send(&a->reporter, t, ALLOCATOR_REBUILDING, t->now_ms);
        TRY(publisher_finish(&a->publisher));
        a->reporter.metrics[AM_REBUILDS].count++;
        TRY(rebuild_partition(&a->rebuild, t));
    } else if (taken.published != t->version) {
        /* Who committed died before readers were told what it left. */
        TRY(rebuild_availability(&a->rebuild, t));
    }
    TRY(former_read(&a->ledger, t, &a->formers));
    TRY(clock_payments(a));
    TRY(decider_find_next_due(&a->decider, t));
    TRY(mend_stream(a));
    return publisher_replay(&a->publisher, &a->ledger, t, taken.published, JOURNAL_REPLAY_BATCHES);
}
