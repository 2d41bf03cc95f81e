/* A show's admissions that were used: the bits in Redis are the rows in Postgres. And what a show
 * that has moved may have left behind. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "verify_redis.h"

static const char admissions_sql[] =
    "SELECT number FROM admissions WHERE show = $1 ORDER BY number";

static enum err ask_number(struct comparison *c, size_t argc, const struct span *argv, long long *n)
{
    struct redis_reply *reply;

    *n = -1;
    TRY(comparison_ask(c, argc, argv, &reply));
    if (reply != NULL)
        *n = redis_integer(reply);
    redis_reply_free(reply);
    return ERR_NONE;
}

static enum err compare(struct comparison *c, uint32_t show, const struct postgres_result *rows)
{
    struct key key = comparison_key(c, "admitted:", show);
    struct span count[] = {SPAN("BITCOUNT"), {key.text, key.len}};
    long long seen;

    TRY(ask_number(c, 2, count, &seen));
    if (seen >= 0 && seen != (long long)postgres_rows(rows))
        differences_add(c->found,
                        "show %" PRIu32 ": %lld admissions are used in Redis, %zu in Postgres",
                        show, seen, postgres_rows(rows));
    for (size_t i = 0; i < postgres_rows(rows); i++) {
        struct span bit[] = {SPAN("GETBIT"), {key.text, key.len}, postgres_cell(rows, i, 0)};
        TRY(ask_number(c, 3, bit, &seen));
        if (seen == 0)
            differences_add(c->found,
                            "show %" PRIu32 ": admission %.*s is used in Postgres, not in Redis",
                            show, (int)bit[2].len, bit[2].bytes);
    }
    return ERR_NONE;
}

enum err verify_room(struct comparison *c, uint32_t show)
{
    char number[16];
    struct postgres_result *rows;

    snprintf(number, sizeof(number), "%" PRIu32, show);
    struct postgres_parameter parameter = {number, strlen(number), false};
    TRY(postgres_query(c->postgres, admissions_sql, 1, &parameter, false, &rows));
    enum err err = compare(c, show, rows);
    postgres_result_free(rows);
    return err;
}

static const char left_sql[] =
    "SELECT r.show, r.issued_upto FROM rooms r JOIN shows s USING (show)"
    " WHERE s.partition <> $1::integer AND EXISTS (SELECT FROM show_moves m WHERE m.show = r.show"
    "  AND m.from_partition = $1::integer) ORDER BY r.show";

/* What is reserved only grows, and nobody moves a room here that has left: an older snapshot is
 * good enough. */
static enum err compare_left(struct comparison *c, uint32_t show, int64_t reserved)
{
    struct key key = key_room(c->partition, show);
    struct span get[] = {SPAN("HGET"), {key.text, key.len}, SPAN("upto")};
    struct redis_reply *reply;
    uint64_t upto;

    TRY(comparison_ask(c, 3, get, &reply));
    if (reply != NULL && text_u64(redis_text(reply), INT64_MAX, &upto) && (int64_t)upto > reserved)
        differences_add(c->found,
                        "show %" PRIu32 ": partition %" PRIu32 ", which it has left, may give"
                        " numbers of its waiting room up to %" PRIu64 ", and %" PRId64
                        " are reserved",
                        show, c->partition, upto, reserved);
    redis_reply_free(reply);
    return ERR_NONE;
}

enum err verify_left_rooms(struct comparison *c)
{
    char number[16];
    struct postgres_result *rows;

    snprintf(number, sizeof(number), "%" PRIu32, c->partition);
    struct postgres_parameter parameter = {number, strlen(number), false};
    TRY(postgres_query(c->postgres, left_sql, 1, &parameter, false, &rows));
    enum err err = ERR_NONE;
    for (size_t i = 0; !err && i < postgres_rows(rows); i++)
        err =
            compare_left(c, (uint32_t)postgres_cell_i64(rows, i, 0), postgres_cell_i64(rows, i, 1));
    postgres_result_free(rows);
    return err;
}
