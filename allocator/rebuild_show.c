#include "allocator/rebuild_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "allocator/history.h"
#include "allocator/rebuild_waiting.h"
#include "base/availability.h"
#include "base/codec.h"
#include "base/keys.h"
#include "base/price.h"
#include "base/seats.h"
#include "base/text.h"

#define SQL_BYTES_MAX 2048

static enum err put_hold(struct loading *l, const struct booking *booking)
{
    struct part *part = &l->holds;

    part_put_number(part, (uint64_t)booking->expires_ms);
    part_put(part, booking->id.bytes, ID_BYTES);
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

    part_put(&l->main, booking.id.bytes, ID_BYTES);
    size_t at = l->main.bytes.len;
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

    if (postgres_copy_split(line, field, 2) != 2 || field[0].len > sizeof user)
        return ERR_INPUT;
    part_put(part, user, postgres_copy_unescape(field[0], user));
    part_put(part, field[1].bytes, field[1].len);
    return part_send_if_full(l, part);
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

enum err rebuild_show_rules(struct loading *l, uint32_t show)
{
    char sql[SQL_BYTES_MAX];

    part_start(&l->main, "show", show);
    snprintf(sql, sizeof sql, RULES_SQL, show);
    TRY(postgres_copy_out(l->r->ledger->reader, sql, loading_take_pair, l));
    snprintf(sql, sizeof sql, TIERS_SQL(PRICES_SQL), show);
    return postgres_copy_out(l->r->ledger->reader, sql, loading_take_pair, l);
}

enum err rebuild_show_last_tier(struct loading *l, uint32_t show)
{
    char sql[SQL_BYTES_MAX];

    snprintf(sql, sizeof sql,
             TIERS_SQL(COUNTERS_SQL) " AND t.tier = (SELECT max(tier) FROM tiers WHERE show ="
                                     " t.show)",
             show);
    return postgres_copy_out(l->r->ledger->reader, sql, loading_take_pair, l);
}

enum err rebuild_show_fields(struct loading *l, uint32_t show, bool counters)
{
    char sql[SQL_BYTES_MAX];

    TRY(rebuild_show_rules(l, show));
    if (counters) {
        snprintf(sql, sizeof sql, TIERS_SQL(COUNTERS_SQL), show);
        TRY(postgres_copy_out(l->r->ledger->reader, sql, loading_take_pair, l));
        snprintf(sql, sizeof sql, WAITS_SQL, show, show);
        TRY(postgres_copy_out(l->r->ledger->reader, sql, loading_take_pair, l));
    }
    TRY(part_send(l, &l->main));
    return loading_wait(l);
}

enum err rebuild_show_availability(struct loading *l, uint32_t show)
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
    part_put(&l->main, "0", 1);
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
    part_put_number(&l->main, l->t->version);
    part_put(&l->main, "", 0);
    return part_send(l, &l->main);
}

static enum err take_admission(void *context, struct span line)
{
    struct loading *l = context;

    part_put(&l->main, line.bytes, line.len);
    return part_send_if_full(l, &l->main);
}

/* Admissions to the waiting room that have made a booking. */
static enum err load_admissions(struct loading *l, uint32_t show)
{
    char sql[SQL_BYTES_MAX];

    part_start(&l->main, "admitted", show);
    snprintf(sql, sizeof sql, "SELECT number FROM admissions WHERE show = %" PRIu32, show);
    TRY(postgres_copy_out(l->r->ledger->reader, sql, take_admission, l));
    return part_send(l, &l->main);
}

enum err rebuild_show_all(struct loading *l, uint32_t show)
{
    TRY(load_seats(l, show));
    TRY(load_bookings(l, show));
    TRY(load_users(l, show));
    TRY(rebuild_waiting(l, show));
    TRY(load_admissions(l, show));
    TRY(rebuild_show_fields(l, show, true));
    return rebuild_show_availability(l, show);
}
