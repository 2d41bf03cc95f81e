/*
 * GET /v1/requests/{id}: the answer that the command's POST would have had.
 *
 * Looked for where Redis keeps it, then in Postgres, where what was granted stays for ever. If it
 * is nowhere, it is undecided, or was never asked, or its refusal is not kept any more. A fresh id
 * tells its own deadline, a keyed one left a mark when it was answered 202. Past the deadline it
 * has timed out for good once the partition's own clock, read in the same snapshot that shows no
 * such booking, is past it too: nothing is granted after that. A refusal may be committed by then
 * and not yet published: so the answers up to that snapshot's version must be out, and none among
 * them be this one's, before it is told that its time ran out.
 */
#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/text.h"
#include "gateway/admin.h"
#include "gateway/bookings.h"
#include "gateway/commands.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/identity.h"
#include "gateway/partitions.h"
#include "gateway/reads.h"
#include "gateway/redis_servers.h"
#include "gateway/reply.h"
#include "gateway/shows.h"
#include "gateway/waiters.h"

#define LOOK_FIRST_MS 20
#define ORIGIN_BYTES_MAX 65536

static const struct statement request_by_id = {
    "request_by_id", "SELECT p.now_ms, p.version, p.partition,"
                     " (SELECT m.from_partition FROM show_moves m WHERE m.show = $3::integer"
                     " ORDER BY m.id DESC LIMIT 1), b.origin,"
                     " coalesce(w.answer, l.answer, c.answer, r.answer, a.answer), " BOOKING_COLUMNS
                     " FROM partitions p LEFT JOIN bookings b ON b.id = $2::uuid"
                     " LEFT JOIN waitlist w ON w.id = $2::uuid"
                     " LEFT JOIN waitlist_changes l ON l.request = $2::uuid"
                     " LEFT JOIN booking_changes c ON c.request = $2::uuid"
                     " LEFT JOIN request_bookings r ON r.request = $2::uuid AND r.position = 1"
                     " LEFT JOIN audit a ON a.request = $2::uuid"
                     " WHERE p.partition = coalesce((SELECT s.partition FROM shows s"
                     " WHERE s.show = $3::integer), $1::integer)"};
enum column {
    COLUMN_NOW,
    COLUMN_VERSION,
    COLUMN_PARTITION, /* the show's in this snapshot, whatever the cache says */
    COLUMN_FORMER,    /* where it was before, if it has moved */
    COLUMN_ORIGIN,
    COLUMN_ANSWER,
    COLUMN_BOOKING
};

static void on_keys(void *context, const struct redis_value *reply);
static void on_answer(void *context, const struct redis_value *reply);
static void on_row(void *context, enum err err, const struct postgres_rows *rows);
static void on_published(void *context, const struct redis_value *reply);
static void on_last_look(void *context, const struct redis_value *reply);
static void on_decided(struct task *task, const struct answer *answer, bool repeated);
static void look_once_more(struct task *task);

static const struct awaited awaited_request = {on_decided, look_once_more};

static void read_wait(struct task *task)
{
    struct span field;
    size_t at = 0;

    task->varies_by_prefer = true;
    task->preference = (struct preference){0};
    while (exchange_header_next(task->exchange, "prefer", &at, &field))
        preference_read(&task->preference, field);
    task->preference.respond_async = false; /* there is nothing here to be done later */
    if (task->preference.has_wait)
        task->wait_until_us = clock_mono_us() + task->preference.wait_s * 1000000;
}

/* Until when a fresh id may be asked for if nothing is known of it: as long as a refusal of it
 * would be kept, so that silence means that there was none. */
static bool is_plausible(struct id id, int64_t now_ms)
{
    int64_t made_ms = id_made_ms(id), deadline_ms = id_deadline_ms(id);
    int64_t kept_ms = made_ms + ANSWER_SECONDS * 1000;

    if (deadline_ms + ANSWER_AFTER_DEADLINE_SECONDS * 1000 > kept_ms)
        kept_ms = deadline_ms + ANSWER_AFTER_DEADLINE_SECONDS * 1000;
    return made_ms <= now_ms + AHEAD_MS_MAX && now_ms <= kept_ms;
}

/* False if the wait is over, or too many wait. */
static bool await_decision(struct task *task)
{
    struct waiters *waiters = task->gateway->waiters;

    if (task->wait_until_us <= clock_mono_us() || waiters_are_full(waiters))
        return false;
    task->phase = WAIT_DECIDED;
    task->look_ms = LOOK_FIRST_MS;
    waiters_add(waiters, task);
    return true;
}

static void ask(struct task *task, size_t argc, const struct span *argv,
                void (*done)(void *context, const struct redis_value *reply))
{
    task_park(task);
    struct redis_command command = {argc, argv, done, task};
    if (!redis_servers_command(task->gateway->redis, task->partition, &command))
        done(task, NULL);
}

static void ask_answer(struct task *task,
                       void (*done)(void *context, const struct redis_value *reply))
{
    struct key key = key_answer(task->partition, task->id);
    struct span argv[3];

    ask(task, key_answer_get(&key, &task->id, argv), argv, done);
}

/* A keyed id's answer and its mark; a fresh one's answer. */
static void ask_redis(struct task *task,
                      void (*done)(void *context, const struct redis_value *reply))
{
    struct key answer = key_answer(task->partition, task->id);
    struct key queued = key_queued(task->partition, task->id);
    struct span argv[] = {SPAN("MGET"), {answer.text, answer.len}, {queued.text, queued.len}};

    if (id_is_keyed(task->id))
        ask(task, 3, argv, done);
    else
        ask_answer(task, done);
}

static void begin(struct task *task)
{
    task->partition = task->show->partition;
    ask_redis(task, id_is_keyed(task->id) ? on_keys : on_answer);
}

/* An id of the list of shows does not say which database decides it: they are asked in turn. False:
 * the task was answered. */
static bool give_catalogue(struct task *task)
{
    if (admin_give_catalogue_of(task, task->catalogue))
        return true;
    reply_overloaded(task, "The partitions are not known yet", 1);
    return false;
}

/* Is there another database, from the next one on, where it may be? */
static bool has_next(const struct task *task)
{
    return id_show(task->id) == CATALOGUE_SHOW &&
           databases_at(task->gateway->databases, task->catalogue + 1) != NULL;
}

/* There is no answer where it was looked for. False: that was the last place. */
static bool look_in_next(struct task *task, enum place_verdict verdict)
{
    if (verdict > task->verdict)
        task->verdict = verdict;
    while (has_next(task)) {
        task->catalogue++;
        if (!admin_give_catalogue_of(task, task->catalogue))
            continue;
        begin(task);
        return true;
    }
    return false;
}

void get_request(struct task *task)
{
    struct id id;

    if (id_parse(task->parameter[0], &id) != ERR_NONE || id_show(id) == 0 ||
        id_show(id) > INT32_MAX) {
        reply_not_found(task, "There is no such request");
        return;
    }
    if (id_show(id) == CATALOGUE_SHOW ? !give_catalogue(task)
                                      : !shows_give_number(task, id_show(id)))
        return;
    read_wait(task);
    task_set_id(task, id);
    task->awaited = &awaited_request;
    task->grant = command_grant;
    begin(task);
}

static void ask_postgres(struct task *task)
{
    char partition[16], uuid[UUID_BYTES], show[16];
    struct postgres_query query = {.statement = &request_by_id,
                                   .values = 3,
                                   .value = {partition, uuid, show},
                                   .done = on_row,
                                   .context = task};

    snprintf(partition, sizeof partition, "%u", task->partition);
    snprintf(show, sizeof show, "%u", id_show(task->id));
    id_format_uuid(task->id, uuid);
    task_park(task);
    if (!database_query(partitions_database(task->gateway->partitions, task->partition), &query))
        on_row(task, ERR_UNAVAILABLE, NULL);
}

static void tell_unknown(struct task *task)
{
    reply_not_found(task, "There is no such request, or its answer is not kept any more");
}

/* What administrators asked for is told at their own route, which asks for their token; its id is
 * no secret: with a key it can be guessed. */
static bool is_hidden(const struct task *task, const struct answer *answer)
{
    return (answer->op == OP_ADMIN && task->route->who != WHO_ADMIN) ||
           identity_hides_answer(task, answer);
}

static void tell_answer(struct task *task, const struct answer *answer)
{
    if (is_hidden(task, answer))
        tell_unknown(task);
    else
        command_tell(task, answer, false);
}

static void tell_bytes(struct task *task, struct span bytes)
{
    struct answer answer;

    if (answer_read(bytes, &answer) == ERR_NONE)
        tell_answer(task, &answer);
    else
        reply_problem(task, 500, CODE_INTERNAL, "The answer cannot be read", NULL, 0);
}

/* Redis has no answer. Before its deadline it is most likely undecided: who waits need not trouble
 * Postgres before the end of the wait, and a crowd that waits must not. Another's is not awaited.
 */
static void look_further(struct task *task, bool is_known)
{
    if (!is_known || task->deadline_ms <= clock_wall_ms() || identity_hides_id(task, task->id) ||
        has_next(task) || !await_decision(task))
        ask_postgres(task);
}

/* A keyed id's: its answer and its mark. */
static void on_keys(void *context, const struct redis_value *reply)
{
    struct task *task = context;
    bool known = reply != NULL && redis_count(*reply) == 2;
    uint64_t deadline_ms;

    if (!task_resume(task))
        return;
    if (known && redis_kind(redis_at(*reply, 0)) == REDIS_STRING) {
        tell_bytes(task, redis_text(redis_at(*reply, 0)));
        return;
    }
    task->deadline_ms = 0;
    if (known && text_u64(redis_text(redis_at(*reply, 1)), INT64_MAX, &deadline_ms))
        task->deadline_ms = (int64_t)deadline_ms;
    look_further(task, known);
}

/* A fresh id's, which tells its deadline itself. */
static void on_answer(void *context, const struct redis_value *reply)
{
    struct task *task = context;

    if (!task_resume(task))
        return;
    task->deadline_ms = id_deadline_ms(task->id);
    if (reply != NULL && redis_kind(*reply) == REDIS_STRING)
        tell_bytes(task, redis_text(*reply));
    else
        look_further(task, reply != NULL && redis_kind(*reply) == REDIS_NIL);
}

static void on_decided(struct task *task, const struct answer *answer, bool repeated)
{
    (void)repeated;
    tell_answer(task, answer);
}

/* Of the list of shows it waited in the last place: it may have been decided in any. */
static void look_once_more(struct task *task)
{
    task->wait_until_us = 0;
    task->verdict = PLACE_UNKNOWN;
    if (id_show(task->id) != CATALOGUE_SHOW) {
        ask_postgres(task);
        return;
    }
    task->catalogue = 0;
    if (give_catalogue(task))
        begin(task);
}

static void tell_undecided(struct task *task)
{
    if (!await_decision(task))
        command_tell_queued(task);
}

/* What all places together say. */
static void tell_verdict(struct task *task)
{
    switch (task->verdict) {
    case PLACE_UNKNOWN:
        tell_unknown(task);
        return;
    case PLACE_OVER:
        reply_problem(task, code_status(CODE_TIMED_OUT), CODE_TIMED_OUT, NULL, NULL, 0);
        return;
    case PLACE_OPEN:
        tell_undecided(task);
        return;
    }
    assert(!"a verdict that is none");
}

/* It is in neither place, by a snapshot of the partition at this time and version. */
static void tell_absence(struct task *task, int64_t now_ms, int64_t version)
{
    struct key state = key_state(task->partition);
    struct span argv[] = {SPAN("HGET"), {state.text, state.len}, SPAN("published")};

    task->committed = (uint64_t)version;
    bool is_unknown = task->deadline_ms == 0 || identity_hides_id(task, task->id) ||
                      (!id_is_keyed(task->id) && !is_plausible(task->id, clock_wall_ms()));
    bool is_open = !is_unknown && now_ms <= task->deadline_ms;
    if (!is_unknown && !is_open)
        ask(task, 3, argv, on_published);
    else if (!look_in_next(task, is_open ? PLACE_OPEN : PLACE_UNKNOWN))
        tell_verdict(task);
}

/* Answers are sent before their version is stamped: so first the stamp, then the answer. */
static void on_published(void *context, const struct redis_value *reply)
{
    struct task *task = context;
    uint64_t published = 0;

    if (!task_resume(task))
        return;
    if (reply == NULL || redis_kind(*reply) == REDIS_ERROR)
        reads_fail(task, ERR_UNAVAILABLE);
    else if (!text_u64(redis_text(*reply), INT64_MAX, &published) || published < task->committed)
        tell_undecided(task);
    else
        ask_answer(task, on_last_look);
}

static void on_last_look(void *context, const struct redis_value *reply)
{
    struct task *task = context;

    if (!task_resume(task))
        return;
    if (reply == NULL || redis_kind(*reply) == REDIS_ERROR)
        reads_fail(task, ERR_UNAVAILABLE);
    else if (redis_kind(*reply) == REDIS_STRING)
        tell_bytes(task, redis_text(*reply));
    else if (!look_in_next(task, PLACE_OVER))
        tell_verdict(task);
}

/* The booking as it was first answered: `origin` if it has changed since. */
static void tell_booking(struct task *task, const struct postgres_rows *rows)
{
    struct answer answer = {.code = CODE_GRANTED, .show = task->show->number, .has_booking = true};
    struct tree tree = {0};
    struct buf bytes;
    enum err err;

    buf_init(&bytes, ORIGIN_BYTES_MAX);
    if (rows_is_null(rows, 0, COLUMN_ORIGIN)) {
        err = booking_from_row(&answer.booking, rows, 0, COLUMN_BOOKING);
        answer.booking.state = answer.booking.expires_ms != 0 ? STATE_HELD : STATE_CONFIRMED;
    } else {
        err = rows_bytes(rows, 0, COLUMN_ORIGIN, &bytes);
        if (!err)
            err = tree_read(&tree, bytes.bytes, bytes.len);
        if (!err)
            err = booking_from(tree_root(&tree), &answer.booking);
    }
    answer.op = answer.booking.state == STATE_HELD ? OP_HOLD : OP_BOOK;
    if (err)
        reads_fail(task, err);
    else
        tell_answer(task, &answer);
    tree_free(&tree);
    buf_free(&bytes);
}

static void tell_change(struct task *task, const struct postgres_rows *rows)
{
    struct buf bytes;

    buf_init(&bytes, ORIGIN_BYTES_MAX);
    if (rows_bytes(rows, 0, COLUMN_ANSWER, &bytes))
        reads_fail(task, ERR_INPUT);
    else
        tell_bytes(task, buf_span(&bytes));
    buf_free(&bytes);
}

/* It may have been refused, or marked as queued, where its show was before: that lies under that
 * partition's keys. A keyed id's reply has both. */
static void on_former(void *context, const struct redis_value *reply)
{
    struct task *task = context;
    bool both = reply != NULL && redis_count(*reply) == 2;
    uint64_t deadline_ms;

    if (!task_resume(task))
        return;
    if (reply == NULL || redis_kind(*reply) == REDIS_ERROR) {
        reads_fail(task, ERR_UNAVAILABLE);
        return;
    }
    struct redis_value answer = both ? redis_at(*reply, 0) : *reply;
    if (redis_kind(answer) == REDIS_STRING) {
        tell_bytes(task, redis_text(answer));
        return;
    }
    if (both && task->deadline_ms == 0 &&
        text_u64(redis_text(redis_at(*reply, 1)), INT64_MAX, &deadline_ms))
        task->deadline_ms = (int64_t)deadline_ms;
    ask_postgres(task);
}

static void look_back(struct task *task, uint32_t former)
{
    task->has_looked_back = true;
    task->partition = former; /* until on_row says it again */
    ask_redis(task, on_former);
}

static void on_row(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;

    if (!task_resume(task))
        return;
    if (!err && rows_count(rows) > 0)
        task->partition = (uint32_t)rows_i64(rows, 0, COLUMN_PARTITION);
    if (err)
        reads_fail(task, err);
    else if (rows_count(rows) == 0)
        tell_absence(task, 0, 0);
    else if (!rows_is_null(rows, 0, COLUMN_ANSWER))
        tell_change(task, rows);
    else if (!rows_is_null(rows, 0, COLUMN_BOOKING))
        tell_booking(task, rows);
    else if (!rows_is_null(rows, 0, COLUMN_FORMER) && !task->has_looked_back)
        look_back(task, (uint32_t)rows_i64(rows, 0, COLUMN_FORMER));
    else
        tell_absence(task, rows_i64(rows, 0, COLUMN_NOW), rows_i64(rows, 0, COLUMN_VERSION));
}
