/*
 * A show's waiting list: who waits by Postgres must stand in each of Redis' lists; the sizes of
 * these tell whether anybody else does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounds.h"
#include "base/codec.h"
#include "base/id.h"
#include "base/text.h"
#include "verify_redis.h"

#define GROUP 256
#define NAME_BYTES_MAX 64

/* By size, so that those of one order come together. */
static const char waiting_sql[] =
    "SELECT encode(uuid_send(id), 'hex'), tier, quantity, user_id, joined_ms, position"
    " FROM waitlist WHERE show = $1 AND status = 'WAITING' ORDER BY tier, quantity, position";
enum { W_ID, W_TIER, W_QUANTITY, W_USER, W_JOINED, W_POSITION };

static const char totals_sql[] =
    "SELECT count(*) FILTER (WHERE status = 'WAITING'), coalesce(max(position), 0),"
    " count(DISTINCT (tier, quantity)) FILTER (WHERE status = 'WAITING')"
    " FROM waitlist WHERE show = $1";

/* Who waits for so many places of a tier, a few of them at a time. */
struct group {
    struct comparison *c;
    uint32_t show;
    const struct postgres_result *rows;
    size_t first, count; /* rows */
    struct id id[GROUP];
    char waiter[GROUP][USER_BYTES_MAX + 8]; /* tier:user */
};

/* One question to Redis whose answer must be this text; "" stands for none. */
static enum err expect(struct comparison *c, uint32_t show, size_t argc, const struct span *argv,
                       struct span wanted, const char *what)
{
    struct redis_reply *reply;
    char number[24];

    TRY(comparison_ask(c, argc, argv, &reply));
    if (reply == NULL)
        return ERR_NONE;
    struct span seen = redis_text(reply);
    if (redis_kind_of(reply) == REDIS_INTEGER) {
        snprintf(number, sizeof(number), "%lld", (long long)redis_integer(reply));
        seen = span_of(number);
    }
    if (redis_kind_of(reply) == REDIS_NIL)
        seen = SPAN("");
    if (!span_equal(seen, wanted))
        differences_add(c->found, "show %" PRIu32 ": %s is not in Redis as it is in Postgres", show,
                        what);
    redis_reply_free(reply);
    return ERR_NONE;
}

static void tell_waiter(const struct group *g, size_t at, const char *where)
{
    char id[UUID_BYTES];

    id_format_uuid(g->id[at], id);
    differences_add(g->c->found,
                    "show %" PRIu32 ": who waits as %s is not in Redis' %s as it is in Postgres",
                    g->show, id, where);
}

/* What Redis has of each of the group under these fields or members must be what `is` says. */
static enum err check_each(const struct group *g, const char *command, struct key key,
                           const struct span *fields, const char *where,
                           bool (*is)(const struct group *g, size_t at, struct span has))
{
    struct span argv[GROUP + 2] = {span_of(command), {key.text, key.len}};
    struct redis_reply *reply;

    memcpy(argv + 2, fields, g->count * sizeof(*fields));
    TRY(comparison_ask(g->c, g->count + 2, argv, &reply));
    for (size_t i = 0; reply != NULL && i < g->count; i++) {
        const struct redis_reply *has = redis_at(reply, i);
        if (redis_kind_of(has) != REDIS_STRING || !is(g, i, redis_text(has)))
            tell_waiter(g, i, where);
    }
    redis_reply_free(reply);
    return ERR_NONE;
}

static bool is_its_id(const struct group *g, size_t at, struct span has)
{
    return span_equal(has, (struct span){(const char *)g->id[at].bytes, ID_BYTES});
}

static bool is_its_position(const struct group *g, size_t at, struct span has)
{
    return span_equal(has, postgres_cell(g->rows, g->first + at, W_POSITION));
}

/* lua/waiting.lua: {tier, quantity, user, joined, position} */
static bool is_its_entry(const struct group *g, size_t at, struct span has)
{
    static const size_t column[] = {W_TIER, W_QUANTITY, W_USER, W_JOINED, W_POSITION};
    size_t row = g->first + at, count;
    struct tree tree;
    bool same;

    if (tree_read(&tree, has.bytes, has.len))
        return false;
    same = value_is_array(tree_root(&tree), &count) && count == 5;
    for (size_t i = 0; same && i < 5; i++) {
        struct value value = value_at(tree_root(&tree), i);
        struct span user;
        uint64_t n;
        if (column[i] == W_USER)
            same = value_str(value, &user) && span_equal(user, postgres_cell(g->rows, row, W_USER));
        else
            same =
                value_uint(value, &n) && n == (uint64_t)postgres_cell_i64(g->rows, row, column[i]);
    }
    tree_free(&tree);
    return same;
}

static enum err check_group(struct group *g)
{
    struct span ids[GROUP] = {{NULL, 0}}, waiters[GROUP] = {{NULL, 0}};
    char order[NAME_BYTES_MAX];

    for (size_t i = 0; i < g->count; i++) {
        struct span hex = postgres_cell(g->rows, g->first + i, W_ID);
        struct span user = postgres_cell(g->rows, g->first + i, W_USER);
        if (hex.len != 2 * ID_BYTES || !text_unhex(hex, g->id[i].bytes) ||
            user.len > USER_BYTES_MAX)
            return ERR_INPUT;
        snprintf(g->waiter[i], sizeof(g->waiter[i]), "%" PRId64 ":%.*s",
                 postgres_cell_i64(g->rows, g->first + i, W_TIER), (int)user.len, user.bytes);
        waiters[i] = span_of(g->waiter[i]);
        ids[i] = (struct span){(const char *)g->id[i].bytes, ID_BYTES};
    }
    snprintf(order, sizeof(order), "order:%" PRIu32 ":%" PRId64 ":%" PRId64, g->show,
             postgres_cell_i64(g->rows, g->first, W_TIER),
             postgres_cell_i64(g->rows, g->first, W_QUANTITY));
    TRY(check_each(g, "HMGET", comparison_key(g->c, "waiters:", g->show), waiters, "list by user",
                   is_its_id));
    TRY(check_each(g, "ZMSCORE", comparison_key(g->c, order, 0), ids, "order", is_its_position));
    return check_each(g, "HMGET", comparison_key(g->c, "waiting:", g->show), ids, "list by id",
                      is_its_entry);
}

/* The row goes with the one before it: into the same order, while there is room. */
static bool goes_along(const struct group *g, size_t row)
{
    return g->count < GROUP &&
           postgres_cell_i64(g->rows, row, W_TIER) ==
               postgres_cell_i64(g->rows, g->first, W_TIER) &&
           postgres_cell_i64(g->rows, row, W_QUANTITY) ==
               postgres_cell_i64(g->rows, g->first, W_QUANTITY);
}

static enum err check_waiters(struct comparison *c, uint32_t show,
                              const struct postgres_result *rows)
{
    struct group *g = calloc(1, sizeof(*g));
    enum err err = ERR_NONE;

    if (g == NULL)
        abort();
    *g = (struct group){.c = c, .show = show, .rows = rows};
    for (size_t row = 0; !err && row < postgres_rows(rows); row++) {
        if (g->count > 0 && !goes_along(g, row)) {
            err = check_group(g);
            g->first = row;
            g->count = 0;
        }
        g->count++;
    }
    if (!err && g->count > 0)
        err = check_group(g);
    free(g);
    return err;
}

static enum err check_totals(struct comparison *c, uint32_t show,
                             const struct postgres_result *totals)
{
    struct key fields = comparison_key(c, "show:", show);
    const struct {
        const char *key;
        size_t column;
    } sizes[] = {{"waiting:", 0}, {"waiters:", 0}, {"sizes:", 2}};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct key key = comparison_key(c, sizes[i].key, show);
        struct span size[] = {SPAN("HLEN"), {key.text, key.len}};
        TRY(expect(c, show, 2, size, postgres_cell(totals, 0, sizes[i].column), "how many wait"));
    }
    struct span waits[] = {SPAN("HGET"), {fields.text, fields.len}, SPAN("waits")};
    struct span joined[] = {SPAN("HGET"), {fields.text, fields.len}, SPAN("joined")};
    TRY(expect(c, show, 3, waits, postgres_cell(totals, 0, 0), "how many wait"));
    return expect(c, show, 3, joined, postgres_cell(totals, 0, 1), "how many joined");
}

static enum err ask(struct comparison *c, const char *sql, uint32_t show,
                    struct postgres_result **rows)
{
    char number[16];

    snprintf(number, sizeof(number), "%" PRIu32, show);
    struct postgres_parameter parameter = {number, strlen(number), false};
    return postgres_query(c->postgres, sql, 1, &parameter, false, rows);
}

enum err verify_waiting(struct comparison *c, uint32_t show)
{
    struct postgres_result *rows;

    TRY(ask(c, totals_sql, show, &rows));
    enum err err = check_totals(c, show, rows);
    postgres_result_free(rows);
    TRY(err);
    TRY(ask(c, waiting_sql, show, &rows));
    err = check_waiters(c, show, rows);
    postgres_result_free(rows);
    return err;
}
