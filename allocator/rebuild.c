#include "allocator/rebuild.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/history.h"
#include "allocator/loading.h"
#include "allocator/rebuild_waiting.h"
#include "base/availability.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/price.h"
#include "base/seats.h"
#include "base/text.h"

#define SHOWS_MAX 100000 /* of one partition */
#define PART_BYTES_MAX (4u << 20)
#define PARTS_PENDING_MAX 4 /* parts on their way to Redis */
#define SQL_BYTES_MAX 2048

void part_start(struct part *part, const char *kind, uint32_t show)
{
    if (show > 0)
        snprintf(part->what, sizeof part->what, "%s:%" PRIu32, kind, show);
    else
        snprintf(part->what, sizeof part->what, "%s", kind);
    buf_reset(&part->bytes);
    part->pairs = 0;
}

void part_end_span(struct part *part, size_t at)
{
    assert(part->pairs < PART_PAIRS);
    part->span[part->pairs].at = at;
    part->span[part->pairs++].len = part->bytes.len - at;
}

static enum err wait_for_parts(struct loading *l, size_t pending_max)
{
    while (redis_pending(l->r->redis) > pending_max)
        TRY(decider_load_taken(l->r->decider));
    return ERR_NONE;
}

/* A long rebuild is not a hung owner. */
static enum err stamp_if_due(struct loading *l)
{
    int64_t now = clock_mono_us() / 1000;

    if (now - l->stamped_ms < l->r->heartbeat_ms)
        return ERR_NONE;
    l->stamped_ms = now;
    return ledger_stamp(l->r->ledger, l->t, l->t->now_ms);
}

enum err part_send(struct loading *l, struct part *part)
{
    static struct span pairs[PART_PAIRS];

    if (part->bytes.failed)
        return ERR_MEMORY;
    if (part->pairs == 0)
        return ERR_NONE;
    for (size_t i = 0; i < part->pairs; i++)
        pairs[i] = (struct span){part->bytes.bytes + part->span[i].at, part->span[i].len};
    TRY(decider_load_send(l->r->decider, l->t, part->what, part->pairs, pairs));
    TRY(redis_flush(l->r->redis));
    buf_reset(&part->bytes);
    part->pairs = 0;
    TRY(stamp_if_due(l));
    return wait_for_parts(l, PARTS_PENDING_MAX);
}

enum err part_send_if_full(struct loading *l, struct part *part)
{
    return part->pairs + 2 > PART_PAIRS ? part_send(l, part) : ERR_NONE;
}

static enum err put_hold(struct loading *l, const struct booking *booking)
{
    struct part *part = &l->holds;
    size_t at = part->bytes.len;

    buf_put_u64(&part->bytes, (unsigned long long)booking->expires_ms);
    part_end_span(part, at);
    at = part->bytes.len;
    buf_put(&part->bytes, booking->id.bytes, ID_BYTES);
    part_end_span(part, at);
    return part_send_if_full(l, part);
}

/* A hold was extended if it was first answered with another expiry. */
static bool read_extended(struct span origin_hex, int64_t expires_ms, bool *extended)
{
    char bytes[BOOKING_BYTES_MAX];
    struct tree tree;
    struct booking origin;

    *extended = false;
    if (origin_hex.len == 0)
        return true;
    if (origin_hex.len / 2 > sizeof bytes || !text_unhex(origin_hex, bytes) ||
        tree_read(&tree, bytes, origin_hex.len / 2))
        return false;
    bool is_booking = booking_from(tree_root(&tree), &origin) == ERR_NONE;
    *extended = is_booking && origin.expires_ms != expires_ms;
    tree_free(&tree);
    return is_booking;
}

/* id, status, user, expires, origin, created, lines, payment, seats */
static enum err take_booking(void *context, struct span line)
{
    static char seats[BOOKING_SEATS_MAX * SEAT_POSITION_BYTES];
    struct loading *l = context;
    struct booking booking = {0};
    struct span field[9];
    char user[2 * USER_BYTES_MAX], payment[ID_BYTES];
    uint64_t state, expires, created;
    bool extended;
    size_t at = l->main.bytes.len;

    if (postgres_copy_split(line, field, 9) != 9 || field[0].len != 2 * ID_BYTES ||
        !text_unhex(field[0], booking.id.bytes) || !text_u64(field[1], 6, &state) ||
        field[2].len > sizeof user || !text_u64(field[3], INT64_MAX, &expires) ||
        !read_extended(field[4], (int64_t)expires, &extended) ||
        !text_u64(field[5], INT64_MAX, &created) || !booking_lines_read(field[6], &booking) ||
        field[7].len > 2 * sizeof payment || !text_unhex(field[7], payment) ||
        field[8].len > 2 * sizeof seats || !text_unhex(field[8], seats))
        return ERR_INPUT;
    booking.seats = (struct span){seats, field[8].len / 2};
    booking.user = (struct span){user, postgres_copy_unescape(field[2], user)};
    booking.state = (enum state)state;
    booking.expires_ms = (int64_t)expires;
    booking.created_ms = (int64_t)created;

    buf_put(&l->main.bytes, booking.id.bytes, ID_BYTES);
    part_end_span(&l->main, at);
    at = l->main.bytes.len;
    decider_pack_booking(&l->main.bytes, &booking, extended,
                         (struct span){payment, field[7].len / 2});
    part_end_span(&l->main, at);
    l->rows++;
    TRY(part_send_if_full(l, &l->main));
    return booking.state == STATE_HELD ? put_hold(l, &booking) : ERR_NONE;
}

/* user, places */
static enum err take_user(void *context, struct span line)
{
    struct loading *l = context;
    struct part *part = &l->main;
    struct span field[2];
    char user[2 * USER_BYTES_MAX];
    size_t at = part->bytes.len;

    if (postgres_copy_split(line, field, 2) != 2 || field[0].len > sizeof user)
        return ERR_INPUT;
    buf_put(&part->bytes, user, postgres_copy_unescape(field[0], user));
    part_end_span(part, at);
    at = part->bytes.len;
    buf_put(&part->bytes, field[1].bytes, field[1].len);
    part_end_span(part, at);
    return part_send_if_full(l, part);
}

/* field, value: of the show's hash */
static enum err take_field(void *context, struct span line)
{
    struct loading *l = context;
    struct span field[2];

    if (postgres_copy_split(line, field, 2) != 2)
        return ERR_INPUT;
    for (int i = 0; i < 2; i++) {
        size_t at = l->main.bytes.len;
        buf_put(&l->main.bytes, field[i].bytes, field[i].len);
        part_end_span(&l->main, at);
    }
    return ERR_NONE;
}

/* Ids of a show stand together: its number is their first four bytes. */
#define ID_RANGE_SQL                                                                               \
    "b.id BETWEEN '%08" PRIx32 "-0000-0000-0000-000000000000'"                                     \
    " AND '%08" PRIx32 "-ffff-ffff-ffff-ffffffffffff'"
#define LIVE_SQL "b.status IN ('HELD', 'PENDING', 'CONFIRMED')"

static enum err load_bookings(struct loading *l, uint32_t show)
{
    char sql[SQL_BYTES_MAX];

    part_start(&l->main, "bookings", show);
    part_start(&l->holds, "holds", 0);
    snprintf(sql, sizeof sql,
             "SELECT encode(uuid_send(b.id), 'hex'), CASE b.status WHEN 'HELD' THEN 1"
             " WHEN 'PENDING' THEN 2 ELSE 3 END, b.user_id, coalesce(b.expires_ms, 0),"
             " CASE WHEN b.status = 'HELD' THEN coalesce(encode(b.origin, 'hex'), '') ELSE '' END,"
             " b.created_ms, " HISTORY_LINES_SQL
             ", coalesce(encode(uuid_send(b.payment), 'hex'), ''), " HISTORY_SEATS_SQL
             " FROM bookings b WHERE " ID_RANGE_SQL " AND " LIVE_SQL,
             show, show);
    TRY(postgres_copy_out(l->r->ledger->reader, sql, take_booking, l));
    TRY(part_send(l, &l->main));
    return part_send(l, &l->holds);
}

static enum err load_users(struct loading *l, uint32_t show)
{
    char sql[SQL_BYTES_MAX];

    part_start(&l->main, "users", show);
    snprintf(sql, sizeof sql,
             "SELECT b.user_id, sum(b.quantity) FROM bookings b WHERE " ID_RANGE_SQL
             " AND " LIVE_SQL " GROUP BY b.user_id",
             show, show);
    TRY(postgres_copy_out(l->r->ledger->reader, sql, take_user, l));
    return part_send(l, &l->main);
}

#define MS_SQL(column) "coalesce((extract(epoch FROM s." column ") * 1000)::bigint, 0)"
#define RULES_SQL                                                                                  \
    "SELECT f.* FROM shows s, LATERAL (VALUES ('state', s.state),"                                 \
    " ('opens', " MS_SQL(                                                                          \
        "sales_open_at") "::text),"                                                                \
                         " ('closes', " MS_SQL(                                                    \
                             "sales_close_at") "::text),"                                          \
                                               " ('max_per_user', coalesce(s.max_per_user, "       \
                                               "0)::text),"                                        \
                                               " ('max_per_booking', s.max_per_booking::text), "   \
                                               "('hold_ms', s.hold_ms::text),"                     \
                                               " ('hold_ms_max', s.hold_ms_max::text), "           \
                                               "('payment', s.payment),"                           \
                                               "('offer_ms', coalesce(s.offer_ms, "                \
                                               "s.hold_ms)::text),"                                \
                                               " ('tiers', (SELECT count(*) FROM tiers t WHERE "   \
                                               "t.show = s.show)::text)) f (name, value)"          \
                                               " WHERE s.show = %" PRIu32

/* Fields of the tiers that a change of rules brings along, and those that only decisions change. */
#define PRICES_SQL " ('price', t.price::text), ('steps', " PRICE_STEPS_SQL ")"
#define COUNTERS_SQL                                                                               \
    " ('available', t.available), ('held', t.held), ('pending', t.pending),"                       \
    " ('confirmed', t.confirmed), ('blocked', t.blocked),"                                         \
    " ('seats', (t.kind = 'seats')::integer)"
#define TIERS_SQL(fields)                                                                          \
    "SELECT t.tier || ':' || f.name, f.value FROM tiers t, LATERAL (VALUES" fields                 \
    ") f (name, value) WHERE t.show = %" PRIu32

#define WAITS_SQL                                                                                  \
    "SELECT 'waits', count(*) FROM waitlist WHERE show = %" PRIu32 " AND status = 'WAITING'"       \
    " UNION ALL "                                                                                  \
    "SELECT 'joined', coalesce(max(position), 0) FROM waitlist WHERE show = %" PRIu32

/* The show's hash: its rules and, unless only those are wanted, its counters. */
static enum err load_fields(struct loading *l, uint32_t show, bool counters)
{
    char sql[SQL_BYTES_MAX];

    part_start(&l->main, "show", show);
    snprintf(sql, sizeof sql, RULES_SQL, show);
    TRY(postgres_copy_out(l->r->ledger->reader, sql, take_field, l));
    snprintf(sql, sizeof sql, TIERS_SQL(PRICES_SQL), show);
    TRY(postgres_copy_out(l->r->ledger->reader, sql, take_field, l));
    if (counters) {
        snprintf(sql, sizeof sql, TIERS_SQL(COUNTERS_SQL), show);
        TRY(postgres_copy_out(l->r->ledger->reader, sql, take_field, l));
        snprintf(sql, sizeof sql, WAITS_SQL, show, show);
        TRY(postgres_copy_out(l->r->ledger->reader, sql, take_field, l));
    }
    TRY(part_send(l, &l->main));
    return wait_for_parts(l, 0);
}

/* Readers see what is committed, whatever the owner does. */
static enum err write_availability(struct loading *l, uint32_t show)
{
    struct availability a = {.show = show, .version = l->t->version};
    struct postgres_result *rows = NULL;
    struct redis_reply *reply = NULL;
    struct key key = key_availability(l->t->partition, show);
    struct buf packed;
    char sql[SQL_BYTES_MAX];

    snprintf(sql, sizeof sql,
             "SELECT tier, capacity, available, held, pending + confirmed, blocked FROM tiers"
             " WHERE show = %" PRIu32 " ORDER BY tier",
             show);
    TRY(postgres_query(l->r->ledger->reader, sql, 0, NULL, false, &rows));
    for (size_t i = 0; i < postgres_rows(rows) && a.tiers < TIERS_MAX; i++) {
        struct tier_count *tier = &a.tier[a.tiers++];
        tier->tier = (uint32_t)postgres_cell_i64(rows, i, 0);
        tier->capacity = (uint32_t)postgres_cell_i64(rows, i, 1);
        tier->available = (uint32_t)postgres_cell_i64(rows, i, 2);
        tier->held = (uint32_t)postgres_cell_i64(rows, i, 3);
        tier->booked = (uint32_t)postgres_cell_i64(rows, i, 4);
        tier->blocked = (uint32_t)postgres_cell_i64(rows, i, 5);
    }
    postgres_result_free(rows);
    buf_init(&packed, 65536);
    availability_pack(&packed, &a);
    struct span argv[] = {SPAN("SET"), {key.text, key.len}, buf_span(&packed)};
    enum err err = redis_do(l->r->redis, 3, argv, &reply);
    redis_reply_free(reply);
    buf_free(&packed);
    return err;
}

/* position, tier, status: the bytes up to it, separators where there are no seats. */
static enum err take_seat(void *context, struct span line)
{
    struct loading *l = context;
    struct buf *bytes = &l->main.bytes;
    struct span field[3];
    uint64_t position, tier, status;

    if (postgres_copy_split(line, field, 3) != 3 || !text_u64(field[0], POSITIONS_MAX, &position) ||
        !text_u64(field[1], TIERS_MAX, &tier) || !text_u64(field[2], SEAT_BLOCKED, &status) ||
        tier == 0 || position <= l->position)
        return ERR_INPUT;
    while (++l->position < position)
        buf_putc(bytes, (char)SEAT_SEPARATOR);
    buf_putc(bytes, (char)((tier - 1) * 8 + status));
    return ERR_NONE;
}

/* The whole map is a few bytes a seat: it goes in one part, from offset 0. */
static enum err load_seats(struct loading *l, uint32_t show)
{
    char sql[SQL_BYTES_MAX];

    l->position = 0;
    part_start(&l->main, "seats", show);
    buf_putc(&l->main.bytes, '0');
    part_end_span(&l->main, 0);
    snprintf(sql, sizeof sql,
             "SELECT position, tier, status FROM seats WHERE show = %" PRIu32 " ORDER BY position",
             show);
    TRY(postgres_copy_out(l->r->ledger->reader, sql, take_seat, l));
    if (l->position == 0)
        return ERR_NONE;
    buf_putc(&l->main.bytes, (char)SEAT_SEPARATOR);
    part_end_span(&l->main, 1);
    TRY(part_send(l, &l->main));
    part_start(&l->main, "seatlog", show);
    buf_put_u64(&l->main.bytes, l->t->version);
    part_end_span(&l->main, 0);
    part_end_span(&l->main, l->main.bytes.len);
    return part_send(l, &l->main);
}

static enum err load_show(struct loading *l, uint32_t show)
{
    TRY(load_seats(l, show));
    TRY(load_bookings(l, show));
    TRY(load_users(l, show));
    TRY(rebuild_waiting(l, show));
    TRY(load_fields(l, show, true));
    return write_availability(l, show);
}

static void loading_init(struct loading *l, struct rebuild *r, const struct tenure *t)
{
    memset(l, 0, sizeof *l);
    l->r = r;
    l->t = t;
    l->stamped_ms = clock_mono_us() / 1000;
    buf_init(&l->main.bytes, PART_BYTES_MAX);
    buf_init(&l->holds.bytes, PART_BYTES_MAX);
    buf_init(&l->waiters.bytes, PART_BYTES_MAX);
}

static void loading_free(struct loading *l)
{
    buf_free(&l->main.bytes);
    buf_free(&l->holds.bytes);
    buf_free(&l->waiters.bytes);
}

/* The snapshot must be of the version that the tenure began with. */
static enum err check_version(struct rebuild *r, const struct tenure *t)
{
    struct postgres_result *row = NULL;
    char sql[SQL_BYTES_MAX];
    enum err err = ERR_NONE;

    snprintf(sql, sizeof sql, "SELECT epoch, version FROM partitions WHERE partition = %" PRIu32,
             t->partition);
    TRY(postgres_query(r->ledger->reader, sql, 0, NULL, false, &row));
    if (postgres_rows(row) != 1 || (uint64_t)postgres_cell_i64(row, 0, 0) != t->epoch)
        err = ERR_FENCED;
    else if ((uint64_t)postgres_cell_i64(row, 0, 1) != t->version)
        err = ERR_REBUILD;
    postgres_result_free(row);
    return err;
}

static enum err with_snapshot(struct rebuild *r, struct loading *l,
                              enum err (*load)(struct loading *l, void *argument), void *argument)
{
    enum err err =
        postgres_run(r->ledger->reader, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");

    if (!err)
        err = check_version(r, l->t);
    if (!err)
        err = load(l, argument);
    if (!err)
        return postgres_run(r->ledger->reader, "COMMIT");
    if (postgres_is_connected(r->ledger->reader))
        postgres_run(r->ledger->reader, "ROLLBACK");
    return err;
}

static enum err each_show(struct loading *l, enum err (*load)(struct loading *l, uint32_t show))
{
    struct postgres_result *shows = NULL;
    char sql[SQL_BYTES_MAX];
    enum err err = ERR_NONE;

    snprintf(sql, sizeof sql,
             "SELECT s.show FROM shows s WHERE s.partition = %" PRIu32 " AND ("
             " (s.state = 'open' AND (s.sales_close_at IS NULL OR s.sales_close_at > now()))"
             " OR EXISTS (SELECT FROM tiers t WHERE t.show = s.show AND t.held + t.pending > 0))"
             " ORDER BY s.show LIMIT %d",
             l->t->partition, SHOWS_MAX);
    TRY(postgres_query(l->r->ledger->reader, sql, 0, NULL, false, &shows));
    for (size_t i = 0; !err && i < postgres_rows(shows); i++)
        err = load(l, (uint32_t)postgres_cell_i64(shows, i, 0));
    postgres_result_free(shows);
    return err;
}

static enum err load_partition(struct loading *l, void *argument)
{
    (void)argument;
    return each_show(l, load_show);
}

static enum err load_availability(struct loading *l, void *argument)
{
    (void)argument;
    return each_show(l, write_availability);
}

static enum err do_and_forget(struct redis *redis, size_t argc, const struct span *argv)
{
    struct redis_reply *reply = NULL;

    TRY(redis_do(redis, argc, argv, &reply));
    redis_reply_free(reply);
    return ERR_NONE;
}

static struct span name_in(struct buf *b, struct span prefix, const char *kind, struct span show)
{
    buf_reset(b);
    buf_put(b, prefix.bytes, prefix.len);
    buf_puts(b, kind);
    buf_put(b, show.bytes, show.len);
    return buf_span(b);
}

/* A namespace that nobody uses any more; Redis frees it in the background. */
static enum err drop_generation(struct rebuild *r, const struct tenure *t, const char *generation)
{
    struct key prefix_key = key_generation(t->partition, generation);
    struct key generations = key_generations(t->partition);
    struct span prefix = {prefix_key.text, prefix_key.len};
    struct redis_reply *shows = NULL;
    struct buf name[5];
    enum err err;

    for (int i = 0; i < 5; i++)
        buf_init(&name[i], KEY_NAME_BYTES_MAX + 64);
    struct span members[] = {SPAN("SMEMBERS"), name_in(&name[0], prefix, "shows", SPAN(""))};
    err = redis_do(r->redis, 2, members, &shows);
    for (size_t i = 0; !err && i < redis_count(shows); i++) {
        struct span show = redis_text(redis_at(shows, i));
        struct span argv[] = {SPAN("UNLINK"),
                              name_in(&name[0], prefix, "show:", show),
                              name_in(&name[1], prefix, "users:", show),
                              name_in(&name[2], prefix, "bookings:", show),
                              name_in(&name[3], prefix, "seats:", show),
                              name_in(&name[4], prefix, "seatlog:", show)};
        err = do_and_forget(r->redis, 6, argv);
        if (!err)
            err = rebuild_drop_waiting(r->redis, prefix, show);
    }
    redis_reply_free(shows);
    struct span rest[] = {SPAN("UNLINK"), name_in(&name[0], prefix, "shows", SPAN("")),
                          name_in(&name[1], prefix, "holds", SPAN("")),
                          name_in(&name[2], prefix, "unseen", SPAN("")),
                          name_in(&name[3], prefix, "offers", SPAN(""))};
    struct span forget[] = {SPAN("SREM"), {generations.text, generations.len}, span_of(generation)};
    if (!err)
        err = do_and_forget(r->redis, 5, rest);
    if (!err)
        err = do_and_forget(r->redis, 3, forget);
    for (int i = 0; i < 5; i++)
        buf_free(&name[i]);
    return err;
}

/*
 * Only older ones: their names are epochs, and an owner that slept between its switch and this must
 * not take away what a newer one goes on with.
 */
static enum err drop_older_generations(struct rebuild *r, const struct tenure *t)
{
    struct key generations = key_generations(t->partition);
    struct span argv[] = {SPAN("SMEMBERS"), {generations.text, generations.len}};
    struct redis_reply *names = NULL;
    enum err err;

    TRY(redis_do(r->redis, 2, argv, &names));
    err = ERR_NONE;
    for (size_t i = 0; !err && i < redis_count(names); i++) {
        struct span name = redis_text(redis_at(names, i));
        char generation[GENERATION_BYTES_MAX];
        uint64_t epoch;
        if (name.len >= sizeof generation || !text_u64(name, UINT64_MAX, &epoch) ||
            epoch >= t->epoch)
            continue;
        memcpy(generation, name.bytes, name.len);
        generation[name.len] = '\0';
        err = drop_generation(r, t, generation);
    }
    redis_reply_free(names);
    return err;
}

enum err rebuild_availability(struct rebuild *r, const struct tenure *t)
{
    struct loading l;

    loading_init(&l, r, t);
    enum err err = with_snapshot(r, &l, load_availability, NULL);
    loading_free(&l);
    return err;
}

enum err rebuild_partition(struct rebuild *r, struct tenure *t)
{
    struct key generations = key_generations(t->partition);
    struct loading l;
    int64_t began_us = clock_mono_us();

    snprintf(t->generation, sizeof t->generation, "%" PRIu64, t->epoch);
    struct span argv[] = {
        SPAN("SADD"), {generations.text, generations.len}, span_of(t->generation)};
    TRY(do_and_forget(r->redis, 3, argv));
    loading_init(&l, r, t);
    enum err err = with_snapshot(r, &l, load_partition, NULL);
    if (!err)
        err = ledger_name_generation(r->ledger, t);
    if (!err)
        err = decider_switch(r->decider, t);
    if (!err)
        log_event(LOG_INFO, "rebuilt", "partition", log_u64(t->partition), "generation",
                  t->generation, "bookings", log_u64(l.rows), "ms",
                  log_i64((clock_mono_us() - began_us) / 1000), NULL);
    loading_free(&l);
    TRY(err);
    return drop_older_generations(r, t);
}

static enum err load_one(struct loading *l, void *argument)
{
    return load_show(l, *(const uint32_t *)argument);
}

enum err rebuild_show(struct rebuild *r, const struct tenure *t, uint32_t show, bool *found)
{
    struct postgres_result *row = NULL;
    struct loading l;
    char sql[SQL_BYTES_MAX];

    snprintf(sql, sizeof sql, "SELECT FROM shows WHERE show = %" PRIu32 " AND partition = %" PRIu32,
             show, t->partition);
    TRY(postgres_query(r->ledger->reader, sql, 0, NULL, false, &row));
    *found = postgres_rows(row) == 1;
    postgres_result_free(row);
    if (!*found)
        return ERR_NONE;
    loading_init(&l, r, t);
    enum err err = with_snapshot(r, &l, load_one, &show);
    loading_free(&l);
    return err;
}

enum err rebuild_rules(struct rebuild *r, const struct tenure *t, uint32_t show)
{
    struct key prefix = key_generation(t->partition, t->generation);
    struct redis_reply *reply = NULL;
    struct loading l;
    struct buf name;
    char number[16];

    snprintf(number, sizeof number, "%" PRIu32, show);
    buf_init(&name, KEY_NAME_BYTES_MAX + 64);
    struct span argv[] = {SPAN("SISMEMBER"),
                          name_in(&name, (struct span){prefix.text, prefix.len}, "shows", SPAN("")),
                          span_of(number)};
    enum err err = redis_do(r->redis, 3, argv, &reply);
    bool loaded = !err && redis_integer(reply) == 1;
    redis_reply_free(reply);
    buf_free(&name);
    if (err || !loaded)
        return err;
    loading_init(&l, r, t);
    err = load_fields(&l, show, false);
    loading_free(&l);
    return err;
}
