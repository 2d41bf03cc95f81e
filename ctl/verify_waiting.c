/*
 * A show's waiting list: who waits by Postgres must stand in each of Redis' lists; the sizes of
 * these tell whether anybody else does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/text.h"
#include "verify_redis.h"

#define SQL_BYTES_MAX 512
#define NAME_BYTES_MAX 64

static const char waiting_sql[] =
    "SELECT encode(uuid_send(id), 'hex'), id, tier || ':' || quantity, tier || ':' || user_id, "
    "position"
    " FROM waitlist WHERE show = $1 AND status = 'WAITING' ORDER BY position";
static const char totals_sql[] =
    "SELECT count(*) FILTER (WHERE status = 'WAITING'), coalesce(max(position), 0),"
    " count(DISTINCT (tier, quantity)) FILTER (WHERE status = 'WAITING')"
    " FROM waitlist WHERE show = $1";
enum column { COLUMN_ID, COLUMN_TEXT, COLUMN_SIZE, COLUMN_WAITER, COLUMN_POSITION };

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

static enum err check_waiter(struct comparison *c, uint32_t show,
                             const struct postgres_result *rows, size_t row)
{
    unsigned char bytes[ID_BYTES] = {0};
    char size[NAME_BYTES_MAX], what[NAME_BYTES_MAX];
    struct span slot = postgres_cell(rows, row, COLUMN_SIZE);
    struct span id = {(const char *)bytes, ID_BYTES};
    struct key waiters = comparison_key(c, "waiters:", show);
    struct key waiting = comparison_key(c, "waiting:", show);

    struct span hex = postgres_cell(rows, row, COLUMN_ID);
    if (hex.len != 2 * ID_BYTES || !text_unhex(hex, bytes))
        return ERR_INPUT;
    snprintf(size, sizeof(size), "order:%" PRIu32 ":%.*s", show, (int)slot.len, slot.bytes);
    struct key order = comparison_key(c, size, 0);
    snprintf(what, sizeof(what), "who waits as %.36s", postgres_cell(rows, row, COLUMN_TEXT).bytes);
    struct span by_user[] = {
        SPAN("HGET"), {waiters.text, waiters.len}, postgres_cell(rows, row, COLUMN_WAITER)};
    struct span in_order[] = {SPAN("ZSCORE"), {order.text, order.len}, id};
    struct span by_id[] = {SPAN("HEXISTS"), {waiting.text, waiting.len}, id};
    TRY(expect(c, show, 3, by_user, id, what));
    TRY(expect(c, show, 3, in_order, postgres_cell(rows, row, COLUMN_POSITION), what));
    return expect(c, show, 3, by_id, SPAN("1"), what);
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
    for (size_t row = 0; !err && row < postgres_rows(rows); row++)
        err = check_waiter(c, show, rows, row);
    postgres_result_free(rows);
    return err;
}
