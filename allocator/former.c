#include "allocator/former.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bounds.h"
#include "base/codec.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/text.h"

#define SQL_BYTES_MAX 512

enum err former_read(struct ledger *ledger, const struct tenure *t, struct formers *formers)
{
    struct postgres_result *rows = NULL;
    char sql[SQL_BYTES_MAX];

    formers->count = 0;
    snprintf(sql, sizeof sql,
             "SELECT m.show, m.from_partition, m.at_ms, m.from_version FROM show_moves m"
             " JOIN shows s ON s.show = m.show AND s.partition = %" PRIu32
             " WHERE m.from_partition <> %" PRIu32 " AND m.at_ms > %" PRId64
             " ORDER BY m.id DESC LIMIT %d",
             t->partition, t->partition, t->now_ms - (int64_t)ANSWER_KEYED_SECONDS * 1000,
             FORMERS_MAX);
    TRY(ledger_judge(ledger, ledger->reader,
                     postgres_query(ledger->reader, sql, 0, NULL, false, &rows)));
    for (size_t i = 0; i < postgres_rows(rows); i++)
        formers->of[formers->count++] =
            (struct former){.show = (uint32_t)postgres_cell_i64(rows, i, 0),
                            .partition = (uint32_t)postgres_cell_i64(rows, i, 1),
                            .left_ms = postgres_cell_i64(rows, i, 2),
                            .version = (uint64_t)postgres_cell_i64(rows, i, 3)};
    postgres_result_free(rows);
    return ERR_NONE;
}

static bool may_know(const struct former *former, const struct request *r)
{
    return former->show == r->show &&
           (id_is_keyed(r->id) || id_made_ms(r->id) <= former->left_ms + AHEAD_MS_MAX);
}

bool former_may_know(const struct formers *formers, const struct request *r)
{
    for (size_t i = 0; i < formers->count; i++)
        if (may_know(&formers->of[i], r))
            return true;
    return false;
}

/* Requests that are asked about, and what is known of where. */
struct look {
    const struct former_means *means;
    const struct former *former;
    struct batch *b;
    uint16_t asked[BATCH_REQUESTS_MAX];
    size_t count;
    uint64_t published; /* answers up to this version are under the keys there */
};

static void find_questions(struct look *l)
{
    for (size_t i = 0; i < l->b->count; i++)
        if (l->b->slot[i].origin == ORIGIN_UNDECIDED && may_know(l->former, &l->b->request[i]))
            l->asked[l->count++] = (uint16_t)i;
}

/* In one step with the answers: how far they are there. */
static enum err send_questions(struct redis *redis, const struct look *l)
{
    struct key state = key_state(l->former->partition);
    struct span published[] = {SPAN("HGET"), {state.text, state.len}, SPAN("published")};

    TRY(redis_send(redis, 1, &SPAN("MULTI")));
    TRY(redis_send(redis, 3, published));
    for (size_t i = 0; i < l->count; i++) {
        struct id id = l->b->request[l->asked[i]].id;
        struct key key = key_answer(l->former->partition, id);
        struct span get[3];
        TRY(redis_send(redis, key_answer_get(&key, &id, get), get));
    }
    return redis_send(redis, 1, &SPAN("EXEC"));
}

static enum err take_answers(struct redis *redis, struct look *l)
{
    struct redis_reply *reply = NULL;

    for (size_t i = 0; i < l->count + 2; i++) { /* OK, and QUEUED for each */
        TRY(redis_take(redis, &reply));
        redis_reply_free(reply);
    }
    TRY(redis_take(redis, &reply));
    bool is_whole = redis_count(reply) == l->count + 1;
    l->published = 0;
    if (is_whole)
        text_u64(redis_text(redis_at(reply, 0)), INT64_MAX, &l->published);
    for (size_t i = 0; is_whole && i < l->count; i++) {
        const struct redis_reply *answer = redis_at(reply, i + 1);
        if (redis_kind_of(answer) == REDIS_STRING)
            batch_answer(l->b, l->asked[i], ORIGIN_REPEATED, redis_text(answer));
    }
    redis_reply_free(reply);
    return is_whole ? ERR_NONE : ERR_UNAVAILABLE;
}

static enum err ask_there(struct look *l)
{
    struct elsewhere *elsewhere = l->means->elsewhere;

    TRY(elsewhere_go_to(elsewhere, l->former->partition));
    enum err err = send_questions(elsewhere->redis, l);
    if (!err)
        err = take_answers(elsewhere->redis, l);
    if (err)
        elsewhere_failed(elsewhere, l->former->partition);
    else
        elsewhere_answered(elsewhere, l->former->partition);
    return err;
}

/* One batch of the journal: is there an answer to one of these? */
static enum err take_row(void *context, int64_t now_ms, struct span answers)
{
    struct look *l = context;
    struct span raw, answer;
    struct tree tree;
    size_t count;
    struct id id;

    (void)now_ms;
    if (tree_read(&tree, answers.bytes, answers.len))
        return ERR_INPUT;
    struct value rows = tree_root(&tree);
    for (size_t i = 0; value_is_array(rows, &count) && i < count; i++) {
        struct value row = value_at(rows, i);
        if (!value_str(value_at(row, 0), &raw) || raw.len != ID_BYTES ||
            !value_str(value_at(row, 2), &answer))
            continue;
        memcpy(id.bytes, raw.bytes, ID_BYTES);
        long at = batch_find(l->b, id);
        if (at >= 0 && l->b->slot[at].origin == ORIGIN_UNDECIDED)
            batch_answer(l->b, (size_t)at, ORIGIN_REPEATED, answer);
    }
    tree_free(&tree);
    return ERR_NONE;
}

/* That Redis was emptied, or came back with an old file, and its owner has not said again what the
 * journal has. */
static enum err look_in_journal(struct ledger *ledger, struct look *l)
{
    struct tenure there = {.partition = l->former->partition, .now_ms = l->b->now_ms};

    log_event(LOG_INFO, "journal_read", "partition", log_u64(there.partition), "behind",
              log_u64(l->published), NULL);
    return ledger_read_journal(ledger, &there, l->published, JOURNAL_REPLAY_BATCHES, take_row, l);
}

/* Whoever asks again after a time finds under this partition's keys what is not to be had there. */
static enum err adopt(const struct look *l, const struct tenure *t, struct formers *formers)
{
    struct tenure now = *t;

    now.now_ms = l->b->now_ms;
    TRY(publisher_adopt(l->means->publisher, l->means->ledger, &now, l->former->partition));
    for (size_t i = 0; i < formers->count; i++)
        if (formers->of[i].partition == l->former->partition)
            formers->of[i].adopted = true;
    return ERR_NONE;
}

static enum err look_in(const struct former_means *means, const struct tenure *t,
                        struct formers *formers, size_t at, struct batch *b, bool *away)
{
    const struct former *former = &formers->of[at];
    struct look l = {.means = means, .former = former, .b = b};

    find_questions(&l);
    if (l.count == 0)
        return ERR_NONE;
    enum err err = ask_there(&l);
    if (!err)
        return l.published < former->version ? look_in_journal(means->ledger, &l) : ERR_NONE;
    if (former->adopted)
        return ERR_NONE;
    if (elsewhere_is_lost(means->elsewhere, former->partition))
        return adopt(&l, t, formers);
    *away = true;
    return err;
}

enum err former_look(const struct former_means *means, const struct tenure *t,
                     struct formers *formers, struct batch *b, bool *away)
{
    *away = false;
    for (size_t i = 0; i < formers->count; i++)
        TRY(look_in(means, t, formers, i, b, away));
    return ERR_NONE;
}
