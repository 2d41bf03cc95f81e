/* One show that Redis has loaded: its rules, its counters, its committed availability. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/availability.h"
#include "base/price.h"
#include "verify_redis.h"

/* field, value: of the show's hash, as the decision script expects it (lua/state.lua). */
#define MS(column) "coalesce((extract(epoch FROM s." column ") * 1000)::bigint, 0)::text"
static const char fields_sql[] =
    "SELECT f.name, f.value, s.slug FROM shows s, LATERAL (VALUES ('state', s.state),"
    " ('opens', " MS("sales_open_at") "), ('closes', " MS(
        "sales_close_at") "),"
                          " ('max_per_user', coalesce(s.max_per_user, 0)::text),"
                          " ('max_per_booking', s.max_per_booking::text), ('hold_ms', "
                          "s.hold_ms::text),"
                          " ('hold_ms_max', s.hold_ms_max::text), ('offer_ms', "
                          "coalesce(s.offer_ms, s.hold_ms)::text), ('payment', s.payment),"
                          " ('tiers', (SELECT count(*) FROM tiers t WHERE t.show = s.show)::text)) "
                          "f (name, value)"
                          " WHERE s.show = $1 AND s.partition = $2"
                          " UNION ALL "
                          "SELECT t.tier || ':' || f.name, f.value, s.slug FROM shows s JOIN "
                          "tiers t USING (show),"
                          " LATERAL (VALUES ('price', t.price::text), ('steps', " PRICE_STEPS_SQL
                          "),"
                          " ('available', t.available::text), ('held', t.held::text),"
                          " ('pending', t.pending::text), ('confirmed', t.confirmed::text),"
                          " ('seats', (t.kind = 'seats')::integer::text), ('blocked', "
                          "t.blocked::text)) "
                          "f (name, value)"
                          " WHERE s.show = $1 AND s.partition = $2";

static const char tiers_sql[] =
    "SELECT tier, capacity, available, held, pending + confirmed, blocked FROM tiers"
    " WHERE show = $1 ORDER BY tier";

static enum err check_fields(struct comparison *c, uint32_t show,
                             const struct postgres_result *fields);
static enum err check_availability(struct comparison *c, uint32_t show,
                                   const struct postgres_result *tiers);

enum err verify_show(struct comparison *c, uint32_t show)
{
    char texts[2][16];
    snprintf(texts[0], sizeof(texts[0]), "%" PRIu32, show);
    snprintf(texts[1], sizeof(texts[1]), "%" PRIu32, c->partition);
    const struct postgres_parameter parameters[] = {{texts[0], strlen(texts[0]), false},
                                                    {texts[1], strlen(texts[1]), false}};
    struct postgres_result *rows;
    TRY(postgres_query(c->postgres, fields_sql, 2, parameters, false, &rows));
    if (postgres_rows(rows) == 0) {
        postgres_result_free(rows);
        differences_add(
            c->found, "show %" PRIu32 ": Redis has it in partition %" PRIu32 ", Postgres does not",
            show, c->partition);
        return ERR_NONE;
    }
    enum err err = check_fields(c, show, rows);
    postgres_result_free(rows);
    TRY(err);
    TRY(postgres_query(c->postgres, tiers_sql, 1, parameters, false, &rows));
    err = check_availability(c, show, rows);
    postgres_result_free(rows);
    if (!err)
        err = verify_seats(c, show);
    if (!err)
        err = verify_waiting(c, show);
    if (!err)
        err = verify_room(c, show);
    return err ? err : verify_bookings(c, show);
}

static enum err check_fields(struct comparison *c, uint32_t show,
                             const struct postgres_result *fields)
{
    struct key key = comparison_key(c, "show:", show);
    for (size_t i = 0; i < postgres_rows(fields); i++) {
        struct span name = postgres_cell(fields, i, 0), value = postgres_cell(fields, i, 1);
        struct span get[] = {SPAN("HGET"), {key.text, key.len}, name};
        struct redis_reply *reply;
        TRY(comparison_ask(c, 3, get, &reply));
        if (reply == NULL)
            return ERR_NONE; /* told once; the others would say the same */
        struct span has = redis_text(reply);
        if (redis_kind_of(reply) == REDIS_NIL)
            has = SPAN("nothing");
        if (!span_equal(has, value))
            differences_add(c->found,
                            "show %" PRIu32 " (%.*s): %.*s is %.*s in Redis, %.*s in"
                            " Postgres",
                            show, (int)postgres_cell(fields, i, 2).len,
                            postgres_cell(fields, i, 2).bytes, (int)name.len, name.bytes,
                            (int)has.len, has.bytes, (int)value.len, value.bytes);
        redis_reply_free(reply);
    }
    return ERR_NONE;
}

static void check_tier(struct comparison *c, uint32_t show, const struct tier_count *tier,
                       const struct postgres_result *tiers, size_t row)
{
    const struct {
        const char *name;
        uint32_t published;
    } figures[] = {{"tier", tier->tier},           {"capacity", tier->capacity},
                   {"available", tier->available}, {"held", tier->held},
                   {"booked", tier->booked},       {"blocked", tier->blocked}};
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        int64_t committed = postgres_cell_i64(tiers, row, i);
        if (figures[i].published != committed)
            differences_add(c->found,
                            "show %" PRIu32 " tier %" PRId64 ": readers are told %s %" PRIu32
                            ", committed is %" PRId64,
                            show, postgres_cell_i64(tiers, row, 0), figures[i].name,
                            figures[i].published, committed);
    }
}

static void check_availability_is(struct comparison *c, uint32_t show, const struct availability *a,
                                  const struct postgres_result *tiers)
{
    if (a->show != show || a->tiers != postgres_rows(tiers)) {
        differences_add(c->found,
                        "show %" PRIu32 ": readers are told of %zu tiers of show %" PRIu32
                        ", it has %zu",
                        show, a->tiers, a->show, postgres_rows(tiers));
        return;
    }
    if (a->version > (uint64_t)c->version)
        differences_add(c->found,
                        "show %" PRIu32 ": readers are told version %" PRIu64
                        ", committed is %" PRId64,
                        show, a->version, c->version);
    for (size_t i = 0; i < a->tiers; i++)
        check_tier(c, show, &a->tier[i], tiers, i);
}

static enum err check_availability(struct comparison *c, uint32_t show,
                                   const struct postgres_result *tiers)
{
    struct key key = key_availability(c->partition, show);
    struct span get[] = {SPAN("GET"), {key.text, key.len}};
    struct redis_reply *reply;
    TRY(comparison_ask(c, 2, get, &reply));
    if (reply == NULL)
        return ERR_NONE;
    struct availability a;
    if (redis_kind_of(reply) != REDIS_STRING)
        differences_add(c->found, "show %" PRIu32 ": readers are told nothing of what is left",
                        show);
    else if (availability_read(redis_text(reply), &a))
        differences_add(c->found, "show %" PRIu32 ": what readers are told cannot be read", show);
    else
        check_availability_is(c, show, &a, tiers);
    redis_reply_free(reply);
    return ERR_NONE;
}
