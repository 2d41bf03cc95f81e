#include "allocator/allocator.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/figures.h"
#include "allocator/handover.h"
#include "allocator/outcome.h"
#include "allocator/preview.h"
#include "allocator/spans.h"
#include "allocator/standby.h"
#include "allocator/tenure.h"
#include "base/clock.h"
#include "base/keys.h"
#include "base/log.h"
#include "trace/tracer.h"

#define BACKOFF_MS_MIN 20
#define BACKOFF_MS_MAX 1000
#define IDLE_WAIT_MS 100 /* longest wait for requests: signals and due holds are seen */
#define LATE_MS 300000   /* an id older than this may be of a request long decided */
#define REFUSALS_MAX 3   /* of the same batch, until its requests are refused unread */
#define PRUNE_EVERY_MS 10000
#define ELSEWHERE_WAIT_MS 100
#define NEED_ROUNDS_MAX 8 /* a batch's needs are met in two; more is a bug */

static bool is_stopping(const struct allocator *a)
{
    return *a->stop != 0;
}

static struct batch *free_batch(struct allocator *a)
{
    struct batch *b = a->batches[0] == a->in_flight ? a->batches[1] : a->batches[0];

    batch_reset(b);
    return b;
}

/* Wait for the commit under way. It is then committed, and the tenure one version further.
 * `overlapped`: the next batch was decided meanwhile. */
static enum err settle(struct allocator *a, bool overlapped)
{
    struct batch *b = a->in_flight;

    TRY(ledger_settle(&a->ledger));
    int64_t now_us = clock_mono_us();
    int64_t turn_us = now_us - (a->settled_us > b->began_us ? a->settled_us : b->began_us);
    metric_observe_us(&a->reporter.metrics[AM_STAGE_COMMIT], (uint64_t)(now_us - b->began_us));
    a->settled_us = b->settled_us = now_us;
    a->tenure.version = b->version;
    a->tenure.cursor = b->cursor;
    a->refusals = 0;
    a->intake.single = false;
    figures_count(a, b);
    rooms_left(&a->rooms);
    reporter_count(&a->reporter, b, turn_us, overlapped);
    return ERR_NONE;
}

/* The order is the contract: nothing is answered before it is durable. */
static enum err publish(struct allocator *a, const struct batch *committed)
{
    int64_t began_us = clock_mono_us();
    enum err err = publisher_send(&a->publisher, &a->tenure, committed);

    metric_observe_us(&a->reporter.metrics[AM_STAGE_PUBLISH],
                      (uint64_t)(clock_mono_us() - began_us));
    if (!err && committed->traceds > 0)
        spans_send(committed, a->tenure.partition);
    return err;
}

static enum err settle_and_publish(struct allocator *a)
{
    if (a->in_flight == NULL)
        return ERR_NONE;
    TRY(settle(a, false));
    struct batch *committed = a->in_flight;
    a->in_flight = NULL;
    TRY(publish(a, committed));
    return publisher_finish(&a->publisher);
}

/* Redis emptied behind our back gives no requests, and so no reason to look: look all the same. */
static enum err check_redis(struct allocator *a)
{
    struct key state = key_state(a->tenure.partition), stream = key_requests(a->tenure.partition);
    struct redis_reply *reply = NULL;

    TRY(redis_do_words(a->redis, &reply, "EXISTS", state.text, stream.text, NULL));
    bool both = redis_integer(reply) == 2;
    redis_reply_free(reply);
    if (!both)
        log_event(LOG_WARN, "redis_lost_partition", "partition", log_u64(a->tenure.partition),
                  NULL);
    return both ? ERR_NONE : ERR_REBUILD;
}

/* Reports and checks, twice a second; the stamp only when no commit does it. */
static enum err keep_house(struct allocator *a)
{
    int64_t mono_ms = clock_mono_us() / 1000;

    if (mono_ms - a->housekept_ms < a->options->heartbeat_ms)
        return ERR_NONE;
    a->housekept_ms = mono_ms;
    tracer_keep();
    TRY(publisher_finish(&a->publisher));
    TRY(check_redis(a));
    TRY(reporter_send(&a->reporter, &a->tenure, ALLOCATOR_SERVING, allocator_now(a)));
    TRY(publisher_finish(&a->publisher));
    if (a->in_flight == NULL)
        TRY(ledger_stamp(&a->ledger, &a->tenure, allocator_now(a)));
    TRY(figures_hand(a));
    if (mono_ms - a->pruned_ms < PRUNE_EVERY_MS)
        return ERR_NONE;
    a->pruned_ms = mono_ms;
    TRY(figures_roll_up(a));
    return ledger_prune_journal(&a->ledger, &a->tenure, a->options->journal_batches_max);
}

/* What Redis still holds is the first answer to the byte; Postgres' is made from its row. */
static enum err look_at_answer(struct allocator *a, struct batch *b, size_t at)
{
    struct key key = key_answer(a->tenure.partition, b->request[at].id);
    struct redis_reply *reply = NULL;
    struct span get[3];

    TRY(publisher_finish(&a->publisher));
    TRY(redis_do(a->redis, key_answer_get(&key, &b->request[at].id, get), get, &reply));
    if (redis_kind_of(reply) == REDIS_STRING)
        batch_answer(b, at, ORIGIN_REPEATED, redis_text(reply));
    redis_reply_free(reply);
    return ERR_NONE;
}

static void say_refused(const struct request *r)
{
    char id[ID_TEXT_BYTES], trace[TRACE_BYTES_MAX + 1];

    id_format(r->id, id);
    snprintf(trace, sizeof trace, "%.*s", (int)r->trace.len,
             r->trace.len > 0 ? r->trace.bytes : "");
    log_event(LOG_ERROR, "request_refused", "request", id, "trace", trace, NULL);
}

/* Postgres or the script will not have this batch: who has no answer yet is told so. */
static enum err refuse_undecided(struct allocator *a, struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->slot[i].origin == ORIGIN_UNDECIDED)
            TRY(look_at_answer(a, b, i));
        if (b->slot[i].origin == ORIGIN_UNDECIDED) {
            say_refused(&b->request[i]);
            outcome_refuse(b, i, CODE_INTERNAL);
        }
    }
    return ERR_NONE;
}

/* Which requests may have been granted before, beyond what Redis remembers? */
static enum err find_repeated(struct allocator *a, struct batch *b, bool again)
{
    bool wanted[BATCH_REQUESTS_MAX] = {false};
    size_t count = 0;

    for (size_t i = 0; i < b->count; i++) {
        struct id id = b->request[i].id;
        wanted[i] =
            b->slot[i].origin == ORIGIN_UNDECIDED &&
            (again || a->intake.single || id_is_keyed(id) || b->now_ms - id_made_ms(id) > LATE_MS ||
             former_may_know(&a->formers, &b->request[i]));
        count += wanted[i];
    }
    if (count == 0)
        return ERR_NONE;
    TRY(ledger_find_repeated(&a->ledger, b, wanted));
    for (size_t i = 0; i < b->count; i++)
        if (wanted[i] && b->slot[i].origin == ORIGIN_REPEATED)
            TRY(look_at_answer(a, b, i));
    return ERR_NONE;
}

/* Rules that have changed in Postgres hold from here on. */
static enum err refresh_rules(struct allocator *a, const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->request[i].op != OP_REFRESH || b->slot[i].origin != ORIGIN_UNDECIDED)
            continue;
        TRY(settle_and_publish(a));
        TRY(rebuild_rules(&a->rebuild, &a->tenure, b->request[i].show));
    }
    return ERR_NONE;
}

/* What an operator wants is tried by Postgres first, with nothing in flight. */
static enum err preview_changes(struct allocator *a, struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->request[i].op != OP_ADMIN || b->slot[i].origin != ORIGIN_UNDECIDED)
            continue;
        TRY(settle_and_publish(a));
        TRY(preview_admin(&a->rebuild, &a->tenure, b, i));
    }
    return ERR_NONE;
}

/* Another partition's Redis is away: a moment of patience, with nothing in flight. */
static enum err wait_elsewhere(struct allocator *a, struct batch *b)
{
    TRY(settle_and_publish(a));
    TRY(keep_house(a));
    clock_sleep_ms(ELSEWHERE_WAIT_MS);
    b->now_ms = allocator_now(a);
    return is_stopping(a) ? ERR_UNAVAILABLE : ERR_NONE;
}

static enum err look_where_they_were(struct allocator *a, struct batch *b)
{
    const struct former_means means = {&a->elsewhere, &a->ledger, &a->publisher};
    enum err err;
    bool away;

    while ((err = former_look(&means, &a->tenure, &a->formers, b, &away)) && away)
        TRY(wait_elsewhere(a, b));
    return err;
}

/* Before anything is decided: the script has done nothing yet, and time may pass. */
static enum err hand_over(struct allocator *a, struct batch *b)
{
    enum err err;
    bool away;

    while ((err = handover_send(&a->elsewhere, b, &away)) && away)
        TRY(wait_elsewhere(a, b));
    return err;
}

/* Find what the script asked for. With nothing in flight, Postgres' word is final. */
static enum err meet_needs(struct allocator *a, struct batch *b, const struct need *need,
                           struct known *known)
{
    uint32_t partition;
    size_t moved = 0;

    TRY(settle_and_publish(a));
    for (size_t i = 0; i < need->shows; i++) {
        TRY(rebuild_show(&a->rebuild, &a->tenure, need->show[i], &partition));
        if (partition == a->tenure.partition)
            continue;
        if (partition != 0)
            moved += handover_mark(b, need->show[i], partition);
        if (known->missing_shows == BATCH_REQUESTS_MAX)
            return ERR_BOUND;
        known->missing_show[known->missing_shows++] = need->show[i];
    }
    if (moved > 0)
        TRY(hand_over(a, b));
    return need->bookings > 0 ? ledger_find_bookings(&a->ledger, need, known) : ERR_NONE;
}

/* A show that goes takes its waiting room along. */
static void leave_rooms(struct allocator *a, const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct request *r = &b->request[i];
        if (r->op == OP_ADMIN && span_is(r->action, "show.move") &&
            b->slot[i].origin == ORIGIN_DECIDED && b->preview.code == CODE_GRANTED)
            rooms_leave(&a->rooms, r->show);
    }
}

static enum err decide(struct allocator *a, struct batch *b, bool again)
{
    static struct known known;
    static struct need need;
    struct cursor before = a->in_flight != NULL ? a->in_flight->cursor : a->tenure.cursor;
    int64_t began_us = clock_mono_us();
    bool later = false;

    known.bookings = known.missing_shows = 0;
    b->now_ms = allocator_now(a);
    TRY(look_where_they_were(a, b));
    TRY(find_repeated(a, b, again));
    TRY(refresh_rules(a, b));
    TRY(preview_changes(a, b));
    if (a->refusals >= REFUSALS_MAX)
        TRY(refuse_undecided(a, b));
    for (int round = 0;; round++) {
        if (round == NEED_ROUNDS_MAX)
            return ERR_REFUSED;
        b->version = a->tenure.version + (a->in_flight != NULL ? 2 : 1);
        TRY(decider_decide(&a->decider, &a->tenure, b, &known, &need, &later));
        if (need.shows == 0 && need.bookings == 0)
            break;
        TRY(meet_needs(a, b, &need, &known));
    }
    if (later)
        b->cursor = a->intake.after = before;
    leave_rooms(a, b);
    metric_observe_us(&a->reporter.metrics[AM_STAGE_DECIDE],
                      (uint64_t)(clock_mono_us() - began_us));
    TRY(outcome_finish(b));
    spans_put_columns(b);
    return ERR_NONE;
}

static bool is_hold_due(struct allocator *a)
{
    return a->decider.next_due_ms > 0 && a->decider.next_due_ms <= allocator_now(a);
}

/* How long may a turn without a commit under way wait for requests? */
static int64_t idle_wait_ms(struct allocator *a)
{
    int64_t until_due = a->decider.next_due_ms - allocator_now(a);

    if (a->in_flight != NULL || is_hold_due(a) || rooms_are_arriving(&a->rooms, allocator_now(a)))
        return 0;
    return a->decider.next_due_ms > 0 && until_due < IDLE_WAIT_MS ? until_due : IDLE_WAIT_MS;
}

static void observe_wait(struct allocator *a, const struct batch *b)
{
    int64_t waited_ms = b->oldest_ms > 0 ? clock_wall_ms() - b->oldest_ms : 0;

    if (b->count > 0)
        metric_observe_us(&a->reporter.metrics[AM_STAGE_WAIT],
                          waited_ms > 0 ? (uint64_t)waited_ms * 1000 : 0);
    if (waited_ms > a->waited_ms)
        a->waited_ms = waited_ms;
    a->reporter.per_entry_milli = a->intake.requests_per_entry_milli;
}

/* Waiting rooms go on whether or not anything is asked. What is wrong with one is no reason to stop
 * selling: it is said, and tried again from the rows. */
static enum err serve_rooms(struct allocator *a)
{
    int64_t now_ms = allocator_now(a);
    uint32_t partition;

    if (!rooms_are_due(&a->rooms, now_ms))
        return ERR_NONE;
    TRY(publisher_finish(&a->publisher));
    enum err err = rooms_tick(&a->rooms, &a->tenure, now_ms, a->waited_ms);
    if (a->rooms.ticked_ms == now_ms)
        a->waited_ms = 0;
    if (err == ERR_REFUSED || err == ERR_MEMORY) {
        rooms_forget(&a->rooms, now_ms);
        return ERR_NONE;
    }
    TRY(err);
    if (a->rooms.unloaded == 0)
        return ERR_NONE;
    TRY(settle_and_publish(a));
    return rebuild_show(&a->rebuild, &a->tenure, a->rooms.unloaded, &partition);
}

/*
 * One turn. While Postgres commits batch n, batch n + 1 is read and decided; then n is settled,
 * n + 1 handed to Postgres, and n's answers leave while it works. Never more than two in flight.
 */
static enum err turn(struct allocator *a)
{
    struct batch *next = free_batch(a), *committed = NULL;
    bool again, has_work;

    TRY(keep_house(a));
    TRY(serve_rooms(a));
    int64_t wait_ms = idle_wait_ms(a);
    TRY(publisher_finish(&a->publisher));
    TRY(intake_read(&a->intake, wait_ms, a->in_flight, next, &again));
    observe_wait(a, next);
    /* Entries that held no request still move the cursor. */
    has_work = next->count > 0 || is_hold_due(a) ||
               strcmp(next->cursor.text, a->in_flight != NULL ? a->in_flight->cursor.text
                                                              : a->tenure.cursor.text) != 0;
    if (has_work)
        TRY(decide(a, next, again));
    if (a->in_flight != NULL) {
        TRY(settle(a, has_work));
        committed = a->in_flight;
        a->in_flight = NULL;
    }
    if (has_work) {
        next->began_us = clock_mono_us();
        TRY(ledger_begin(&a->ledger, &a->tenure, next));
        a->in_flight = next;
    }
    return committed != NULL ? publish(a, committed) : ERR_NONE;
}

/* A batch that Postgres or the script refuses is tried again, alone; then its requests are refused.
 */
static void note_refusal(struct allocator *a, const char *why)
{
    log_event(LOG_ERROR, "batch_refused", "partition", log_u64(a->tenure.partition), "behind",
              a->tenure.cursor.text, "why", why, NULL);
    if (strcmp(a->refused_at.text, a->tenure.cursor.text) != 0)
        a->refusals = 0;
    a->refused_at = a->tenure.cursor;
    a->refusals++;
    a->intake.single = true;
}

/* After an error: what was decided and not committed is void; what is known of Postgres is noted.
 */
static void end_tenure(struct allocator *a, enum err err, bool served)
{
    if (a->in_flight != NULL && a->ledger.committing) {
        /* Its outcome decides nothing here: the next tenure reads it from Postgres. */
        enum err settled = ledger_settle(&a->ledger);
        if (settled == ERR_REFUSED || settled == ERR_FENCED)
            err = settled;
        if (settled == ERR_UNKNOWN)
            log_event(LOG_WARN, "commit_unknown", "partition", log_u64(a->tenure.partition), NULL);
    }
    a->in_flight = NULL;
    rooms_end(&a->rooms);
    redis_disconnect(a->elsewhere.redis); /* replies may still be on their way */
    if (served && (err == ERR_REFUSED || err == ERR_MEMORY))
        note_refusal(a, ledger_why(&a->ledger));
    if (err == ERR_FENCED && a->epoch_min == 0) {
        log_event(LOG_WARN, "fenced", "partition", log_u64(a->tenure.partition), "epoch",
                  log_u64(a->tenure.epoch), NULL);
        ledger_disconnect(&a->ledger);
    }
    /* The lock is only as good as the session: without it, stand in line again. */
    if (!postgres_is_connected(a->ledger.owner) || !postgres_is_connected(a->ledger.reader))
        ledger_disconnect(&a->ledger);
}

/* Whichever is away is said once. While only Redis is, the partition is kept. */
static void explain(struct allocator *a, enum err err)
{
    bool is_postgres = a->ledger.unwell || (a->ledger.held == 0 && err != ERR_FENCED);

    a->ledger.unwell = false;
    if (is_postgres)
        tenure_say_away(a, "postgres", ledger_why(&a->ledger));
    else if (!redis_is_connected(a->redis))
        tenure_say_away(a, "redis", redis_why(a->redis));
}

/* With several databases, one that is away (home, too) keeps nobody from the others. */
static enum err stand_by(struct allocator *a)
{
    struct ledger *l = &a->ledger;

    if (l->held != 0 && postgres_is_connected(l->owner))
        return ERR_NONE;
    while (!is_stopping(a)) {
        if (l->held != 0) /* the session with its lock is gone */
            ledger_disconnect(l);
        tracer_keep();
        enum err err =
            standby_look(l, (uint32_t)a->options->partition, a->options->heartbeat_ms_max);
        if (l->held != 0)
            return ERR_NONE;
        if (err && l->databases == 1)
            return err;
        if (err)
            tenure_say_away(a, "postgres", ledger_why(l));
        else if (a->away != NULL && strcmp(a->away, "postgres") == 0)
            tenure_say_away(a, NULL, NULL);
        clock_sleep_ms(a->options->stand_by_ms);
    }
    return ERR_NONE;
}

static enum err serve(struct allocator *a)
{
    tenure_say_away(a, NULL, NULL);
    log_event(LOG_INFO, "serving", "partition", log_u64(a->tenure.partition), "epoch",
              log_u64(a->tenure.epoch), NULL);
    a->housekept_ms = 0;
    while (!is_stopping(a))
        TRY(turn(a));
    TRY(settle_and_publish(a));
    return figures_hand(a);
}

static void open_parts(struct allocator *a, const struct options *options,
                       const struct redis_url *url)
{
    memset(a, 0, sizeof *a);
    a->options = options;
    a->redis = redis_new(url, options->redis_ms);
    elsewhere_init(&a->elsewhere, url, options->redis_ms);
    ledger_init(&a->ledger, options->postgres, options->name, options->postgres_ms);
    decider_init(&a->decider, a->redis);
    intake_init(&a->intake, a->redis);
    publisher_init(&a->publisher, a->redis, &a->decider);
    reporter_init(&a->reporter, &a->decider, options->name);
    a->rebuild = (struct rebuild){&a->ledger, &a->decider, a->redis, options->heartbeat_ms};
    rooms_init(&a->rooms, &(struct arrival_means){&a->ledger, &a->decider, a->elsewhere.redis});
    a->batches[0] = batch_new();
    a->batches[1] = batch_new();
}

static void close_parts(struct allocator *a)
{
    batch_free(a->batches[0]);
    batch_free(a->batches[1]);
    rooms_free(&a->rooms);
    publisher_free(&a->publisher);
    decider_free(&a->decider);
    ledger_free(&a->ledger);
    redis_free(a->redis);
    elsewhere_free(&a->elsewhere);
}

void allocator_run(const struct options *options, const volatile sig_atomic_t *stop)
{
    static struct allocator allocator;
    struct allocator *a = &allocator;
    struct redis_url url;
    const char *why;
    int64_t backoff_ms = BACKOFF_MS_MIN;

    if (!redis_url_parse(options->redis, &url, &why))
        abort(); /* main has checked it */
    open_parts(a, options, &url);
    a->stop = stop;
    while (!is_stopping(a)) {
        enum err err = stand_by(a);
        if (!err && !is_stopping(a))
            err = tenure_take(a);
        bool took = !err;
        if (!err && !is_stopping(a))
            err = serve(a);
        if (err) {
            end_tenure(a, err, took);
            explain(a, err);
            backoff_ms = took ? BACKOFF_MS_MIN : backoff_ms * 2;
            if (backoff_ms > BACKOFF_MS_MAX)
                backoff_ms = BACKOFF_MS_MAX;
            clock_sleep_ms(backoff_ms);
        }
    }
    close_parts(a);
}
