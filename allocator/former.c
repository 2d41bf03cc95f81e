#include "allocator/former.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/bounds.h"
#include "base/keys.h"

#define SQL_BYTES_MAX 512

enum err former_read(struct ledger *ledger, const struct tenure *t, struct formers *formers)
{
    struct postgres_result *rows = NULL;
    char sql[SQL_BYTES_MAX];

    formers->count = 0;
    snprintf(sql, sizeof sql,
             "SELECT m.show, m.from_partition, m.at_ms FROM show_moves m"
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
                            .left_ms = postgres_cell_i64(rows, i, 2)};
    postgres_result_free(rows);
    return ERR_NONE;
}

static bool may_know(const struct former *former, const struct request *r)
{
    return former->show == r->show &&
           (id_is_keyed(r->id) || id_made_ms(r->id) <= former->left_ms + AHEAD_MS_MAX);
}

/* All of one former partition's questions go out before the first answer is taken. */
static enum err look_in(struct redis *redis, const struct former *former, struct batch *b)
{
    uint16_t asked[BATCH_REQUESTS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < b->count; i++) {
        if (b->slot[i].origin != ORIGIN_UNDECIDED || !may_know(former, &b->request[i]))
            continue;
        struct key key = key_answer(former->partition, b->request[i].id);
        struct span get[3];
        if (count == 0)
            TRY(redis_go_to(redis, former->partition));
        TRY(redis_send(redis, key_answer_get(&key, &b->request[i].id, get), get));
        asked[count++] = (uint16_t)i;
    }
    for (size_t i = 0; i < count; i++) {
        struct redis_reply *reply = NULL;
        TRY(redis_take(redis, &reply));
        if (redis_kind_of(reply) == REDIS_STRING)
            batch_answer(b, asked[i], ORIGIN_REPEATED, redis_text(reply));
        redis_reply_free(reply);
    }
    return ERR_NONE;
}

enum err former_look(struct redis *redis, const struct formers *formers, struct batch *b)
{
    for (size_t i = 0; i < formers->count; i++)
        TRY(look_in(redis, &formers->of[i], b));
    return ERR_NONE;
}
