/*
 * The live bookings of a show, its users' places and its holds. Postgres' rows stream by in groups;
 * each group is looked up in Redis. If all are there and Redis' key holds no more than those, both
 * are equal; only then, when it does, is Redis' key read to find what does not belong there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/answer.h"
#include "base/codec.h"
#include "base/seats.h"
#include "base/text.h"
#include "verify_redis.h"
#include "verify_strays.h"

#define GROUP 256
#define SQL_BYTES_MAX 2000

/* A booking as either has it. Lines without places are left out. */
struct live_booking {
    struct id id;
    enum state state;
    int64_t expires_ms, created_ms;
    bool extended; /* of holds only */
    size_t user_len;
    char user[USER_BYTES_MAX];
    bool has_payment;
    struct id payment;
    size_t lines;
    struct booking_line line[LINES_MAX];
    size_t seats_len;
    char seats[BOOKING_SEATS_MAX * SEAT_POSITION_BYTES]; /* packed (base/seats.h) */
};

struct user_places {
    size_t len;
    char user[USER_BYTES_MAX];
    int64_t places;
};

struct stream {
    struct comparison *c;
    uint32_t show;
    int64_t total;
    size_t count; /* in the group */
    union {
        struct live_booking booking[GROUP];
        struct user_places user[GROUP];
    };
};

static enum err take_booking(void *context, struct span line);
static enum err take_user(void *context, struct span line);
static enum err compare_bookings(struct stream *s);
static enum err compare_holds(struct stream *s);
static enum err compare_users(struct stream *s);

#define ID_RANGE                                                                                   \
    "b.id BETWEEN '%08" PRIx32 "-0000-0000-0000-000000000000'"                                     \
    " AND '%08" PRIx32 "-ffff-ffff-ffff-ffffffffffff'"
#define LIVE "b.status IN ('HELD', 'PENDING', 'CONFIRMED')"

static const char bookings_sql[] =
    "SELECT encode(uuid_send(b.id), 'hex'), CASE b.status WHEN 'HELD' THEN 1 WHEN 'PENDING' THEN 2"
    " ELSE 3 END, b.user_id, coalesce(b.expires_ms, 0), b.created_ms,"
    " CASE WHEN b.status = 'HELD' THEN coalesce(encode(b.origin, 'hex'), '') ELSE '' END,"
    " CASE WHEN b.tier > 0 THEN b.tier || ':' || b.quantity || ':' || b.price ELSE"
    " (SELECT string_agg(i.tier || ':' || i.quantity || ':' || i.price, ',' ORDER BY i.tier)"
    "  FROM booking_items i WHERE i.booking = b.id) END,"
    " coalesce(encode(uuid_send(b.payment), 'hex'), ''),"
    " coalesce((SELECT string_agg(encode(int4send(s.position), 'hex'), '' ORDER BY s.position)"
    "  FROM booking_seats l, unnest(l.seats) AS s (position) WHERE l.booking = b.id), '')"
    " FROM bookings b WHERE " ID_RANGE " AND " LIVE;
static const char users_sql[] = "SELECT b.user_id, sum(b.quantity) FROM bookings b WHERE " ID_RANGE
                                " AND " LIVE " GROUP BY b.user_id";

/* $1: what Redis has. The answer: what of it has no business there. */
static const char stray_bookings_sql[] = "SELECT u FROM unnest($1::uuid[]) u WHERE NOT EXISTS"
                                         " (SELECT FROM bookings b WHERE b.id = u AND " LIVE ")";
static const char stray_holds_sql[] =
    "SELECT u FROM unnest($1::uuid[]) u WHERE NOT EXISTS"
    " (SELECT FROM bookings b WHERE b.id = u AND b.status = 'HELD')";
static const char stray_users_sql[] =
    "SELECT u FROM unnest($1::text[]) u WHERE NOT EXISTS"
    " (SELECT FROM bookings b WHERE hashtextextended(b.user_id, 0) = hashtextextended(u, 0)"
    "  AND b.user_id = u AND " ID_RANGE " AND " LIVE ")";

static enum err stream_rows(struct stream *s, const char *format,
                            enum err (*take)(void *context, struct span line))
{
    char sql[SQL_BYTES_MAX];
    s->count = 0;
    s->total = 0;
    snprintf(sql, sizeof(sql), format, s->show, s->show);
    return postgres_copy_out(s->c->postgres, sql, take, s);
}

static enum err verify_booking_key(struct stream *s)
{
    bool more;
    struct key key = comparison_key(s->c, "bookings:", s->show);
    TRY(stream_rows(s, bookings_sql, take_booking));
    TRY(compare_bookings(s));
    TRY(compare_size(s->c, "HLEN", key, s->total, "live bookings", &more));
    return more ? find_strays(s->c, "HSCAN", key, stray_bookings_sql, true, "booking") : ERR_NONE;
}

static enum err verify_user_key(struct stream *s)
{
    bool more;
    char sql[SQL_BYTES_MAX];
    struct key key = comparison_key(s->c, "users:", s->show);
    TRY(stream_rows(s, users_sql, take_user));
    TRY(compare_users(s));
    TRY(compare_size(s->c, "HLEN", key, s->total, "users with live places", &more));
    snprintf(sql, sizeof(sql), stray_users_sql, s->show, s->show);
    return more ? find_strays(s->c, "HSCAN", key, sql, false, "user") : ERR_NONE;
}

enum err verify_bookings(struct comparison *c, uint32_t show)
{
    struct stream *s = calloc(1, sizeof(*s));
    if (s == NULL)
        abort();
    s->c = c;
    s->show = show;
    enum err err = verify_booking_key(s);
    if (!err)
        err = verify_user_key(s);
    free(s);
    return err;
}

enum err verify_holds(struct comparison *c)
{
    bool more;
    struct key key = comparison_key(c, "holds", 0);
    TRY(compare_size(c, "ZCARD", key, c->held_total, "holds of its loaded shows", &more));
    return more ? find_strays(c, "ZSCAN", key, stray_holds_sql, true, "hold of booking") : ERR_NONE;
}

/* Reading what Postgres has. */

static void add_line(struct live_booking *b, uint64_t tier, uint64_t quantity, uint64_t price)
{
    if (quantity > 0 && b->lines < LINES_MAX)
        b->line[b->lines++] = (struct booking_line){
            .tier = (uint32_t)tier, .quantity = (uint32_t)quantity, .price = (int64_t)price};
}

static bool read_lines(struct span text, struct live_booking *b)
{
    struct booking booking;
    if (!booking_lines_read(text, &booking))
        return false;
    b->lines = booking.lines;
    memcpy(b->line, booking.line, booking.lines * sizeof(booking.line[0]));
    return true;
}

/* A hold was extended if it was first answered with another end. */
static bool read_extended(struct span origin_hex, struct live_booking *b)
{
    char bytes[BOOKING_BYTES_MAX];
    struct tree tree;
    struct booking origin;
    if (origin_hex.len == 0)
        return true;
    if (origin_hex.len / 2 > sizeof(bytes) || !text_unhex(origin_hex, bytes) ||
        tree_read(&tree, bytes, origin_hex.len / 2))
        return false;
    bool right = booking_from(tree_root(&tree), &origin) == ERR_NONE;
    b->extended = right && origin.expires_ms != b->expires_ms;
    tree_free(&tree);
    return right;
}

static bool read_user(struct span field, char user[USER_BYTES_MAX], size_t *len)
{
    char text[2 * USER_BYTES_MAX];
    if (field.len > sizeof(text))
        return false;
    *len = postgres_copy_unescape(field, text);
    if (*len > USER_BYTES_MAX)
        return false;
    memcpy(user, text, *len);
    return true;
}

static bool read_row(struct span line, struct live_booking *b)
{
    struct span field[9];
    uint64_t state, expires, created;
    *b = (struct live_booking){0};
    if (postgres_copy_split(line, field, 9) != 9 || field[0].len != 2 * ID_BYTES ||
        !text_unhex(field[0], b->id.bytes) || !text_u64(field[1], 6, &state) ||
        !read_user(field[2], b->user, &b->user_len) || !text_u64(field[3], INT64_MAX, &expires) ||
        !text_u64(field[4], INT64_MAX, &created) || field[7].len > 2 * ID_BYTES ||
        !text_unhex(field[7], b->payment.bytes) || field[8].len > 2 * sizeof(b->seats) ||
        !text_unhex(field[8], b->seats))
        return false;
    b->seats_len = field[8].len / 2;
    b->has_payment = field[7].len > 0;
    b->state = (enum state)state;
    b->expires_ms = (int64_t)expires;
    b->created_ms = (int64_t)created;
    return read_extended(field[5], b) && read_lines(field[6], b);
}

static enum err take_booking(void *context, struct span line)
{
    struct stream *s = context;
    s->total++;
    if (!read_row(line, &s->booking[s->count])) {
        differences_add(s->c->found, "show %" PRIu32 ": a booking in Postgres cannot be read: %.*s",
                        s->show, (int)line.len, line.bytes);
        return ERR_NONE;
    }
    return ++s->count == GROUP ? compare_bookings(s) : ERR_NONE;
}

static enum err take_user(void *context, struct span line)
{
    struct stream *s = context;
    struct user_places *u = &s->user[s->count];
    struct span field[2];
    uint64_t places;
    s->total++;
    if (postgres_copy_split(line, field, 2) != 2 || !read_user(field[0], u->user, &u->len) ||
        !text_u64(field[1], INT64_MAX, &places)) {
        differences_add(s->c->found, "show %" PRIu32 ": a user in Postgres cannot be read: %.*s",
                        s->show, (int)line.len, line.bytes);
        return ERR_NONE;
    }
    u->places = (int64_t)places;
    return ++s->count == GROUP ? compare_users(s) : ERR_NONE;
}

/* Comparing. */

/* lua/state.lua: {state, user, expires, extended, created, seats, payment, tier, quantity, price,
 * …}
 */
enum { HEAD_NUMBERS = 5, SEATS = 5, PAYMENT = 6, HEAD_FIELDS = 7 };

static bool read_packed(struct value v, struct live_booking *b)
{
    size_t count;
    uint64_t head[HEAD_NUMBERS] = {0}, line[3];
    struct span user, seats, payment;
    *b = (struct live_booking){0};
    if (!value_is_array(v, &count) || count < HEAD_FIELDS + 3 || (count - HEAD_FIELDS) % 3 != 0 ||
        count > HEAD_FIELDS + 3 * LINES_MAX)
        return false;
    for (size_t i = 0; i < HEAD_NUMBERS; i++)
        if (i != 1 && !value_uint(value_at(v, i), &head[i]))
            return false;
    if (!value_str(value_at(v, 1), &user) || user.len > USER_BYTES_MAX ||
        !value_str(value_at(v, PAYMENT), &payment) ||
        (payment.len != 0 && payment.len != ID_BYTES) || !value_str(value_at(v, SEATS), &seats) ||
        !seats_are_right(seats))
        return false;
    memcpy(b->seats, seats.bytes, seats.len);
    b->seats_len = seats.len;
    memcpy(b->payment.bytes, payment.bytes, payment.len);
    b->has_payment = payment.len > 0;
    memcpy(b->user, user.bytes, user.len);
    b->user_len = user.len;
    b->state = (enum state)head[0];
    b->expires_ms = (int64_t)head[2];
    b->extended = head[3] == 1;
    b->created_ms = (int64_t)head[4];
    for (size_t i = HEAD_FIELDS; i < count; i += 3) {
        for (size_t j = 0; j < 3; j++)
            if (!value_uint(value_at(v, i + j), &line[j]))
                return false;
        add_line(b, line[0], line[1], line[2]);
    }
    return true;
}

static bool same_lines(const struct live_booking *a, const struct live_booking *b)
{
    bool same = a->lines == b->lines;
    for (size_t i = 0; same && i < a->lines; i++) { /* their order may differ */
        same = false;
        for (size_t j = 0; j < b->lines; j++)
            same = same || (a->line[i].tier == b->line[j].tier &&
                            a->line[i].quantity == b->line[j].quantity &&
                            a->line[i].price == b->line[j].price);
    }
    return same;
}

static void compare_booking(struct stream *s, const struct live_booking *row, struct span packed)
{
    char id[UUID_BYTES];
    struct differences *found = s->c->found;
    struct live_booking has;
    struct tree tree;
    bool right = tree_read(&tree, packed.bytes, packed.len) == ERR_NONE;
    if (right) {
        right = read_packed(tree_root(&tree), &has);
        tree_free(&tree);
    }
    id_format_uuid(row->id, id);
    if (!right) {
        differences_add(found, "booking %s: what Redis has of it cannot be read", id);
        return;
    }
    const char *name = state_name(has.state);
    if (has.state != row->state)
        differences_add(found, "booking %s: %s in Redis, %s in Postgres", id,
                        name != NULL ? name : "of no state", state_name(row->state));
    if (!span_equal((struct span){has.user, has.user_len}, (struct span){row->user, row->user_len}))
        differences_add(found, "booking %s: of user %.*s in Redis, of %.*s in Postgres", id,
                        (int)has.user_len, has.user, (int)row->user_len, row->user);
    if (has.expires_ms != row->expires_ms || has.created_ms != row->created_ms)
        differences_add(found,
                        "booking %s: from %" PRId64 " to %" PRId64 " in Redis, from %" PRId64
                        " to %" PRId64 " in Postgres",
                        id, has.created_ms, has.expires_ms, row->created_ms, row->expires_ms);
    if (row->state == STATE_HELD && has.state == STATE_HELD && has.extended != row->extended)
        differences_add(found, "booking %s: Redis says that it was %sextended", id,
                        has.extended ? "" : "not ");
    if (has.has_payment != row->has_payment || !id_equal(has.payment, row->payment))
        differences_add(found, "booking %s: it has another payment in Redis than in Postgres", id);
    if (!same_lines(&has, row))
        differences_add(found, "booking %s: it has other places in Redis than in Postgres", id);
    if (!span_equal((struct span){has.seats, has.seats_len},
                    (struct span){row->seats, row->seats_len}))
        differences_add(found, "booking %s: it has other seats in Redis than in Postgres", id);
}

static enum err compare_bookings(struct stream *s)
{
    struct key key = comparison_key(s->c, "bookings:", s->show);
    struct span argv[GROUP + 2] = {SPAN("HMGET"), {key.text, key.len}};
    struct redis_reply *reply;
    if (s->count == 0)
        return ERR_NONE;
    for (size_t i = 0; i < s->count; i++)
        argv[i + 2] = (struct span){(const char *)s->booking[i].id.bytes, ID_BYTES};
    TRY(comparison_ask(s->c, s->count + 2, argv, &reply));
    for (size_t i = 0; reply != NULL && i < redis_count(reply); i++) {
        char id[UUID_BYTES];
        id_format_uuid(s->booking[i].id, id);
        if (redis_kind_of(redis_at(reply, i)) == REDIS_STRING)
            compare_booking(s, &s->booking[i], redis_text(redis_at(reply, i)));
        else
            differences_add(s->c->found,
                            "booking %s of show %" PRIu32 ": it is live in Postgres"
                            " (%s), and not in Redis",
                            id, s->show, state_name(s->booking[i].state));
    }
    redis_reply_free(reply);
    enum err err = compare_holds(s);
    s->count = 0;
    return err;
}

static void compare_hold(struct stream *s, const struct live_booking *held,
                         const struct redis_reply *score)
{
    char id[UUID_BYTES];
    id_format_uuid(held->id, id);
    if (redis_kind_of(score) != REDIS_STRING) /* it ends in a NUL, as hiredis' strings do */
        differences_add(s->c->found, "booking %s: it is held, and Redis does not know until when",
                        id);
    else if ((int64_t)strtod(redis_text(score).bytes, NULL) != held->expires_ms)
        differences_add(s->c->found, "booking %s: held until %s in Redis, %" PRId64 " in Postgres",
                        id, redis_text(score).bytes, held->expires_ms);
}

/* The zset says when to release each hold. */
static enum err compare_holds(struct stream *s)
{
    struct key key = comparison_key(s->c, "holds", 0);
    struct span argv[GROUP + 2] = {SPAN("ZMSCORE"), {key.text, key.len}};
    const struct live_booking *held[GROUP];
    struct redis_reply *reply;
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->booking[i].state == STATE_HELD) {
            held[count] = &s->booking[i];
            argv[2 + count++] = (struct span){(const char *)s->booking[i].id.bytes, ID_BYTES};
        }
    s->c->held_total += (int64_t)count;
    if (count == 0)
        return ERR_NONE;
    TRY(comparison_ask(s->c, count + 2, argv, &reply));
    for (size_t i = 0; reply != NULL && i < count && i < redis_count(reply); i++)
        compare_hold(s, held[i], redis_at(reply, i));
    redis_reply_free(reply);
    return ERR_NONE;
}

static enum err compare_users(struct stream *s)
{
    struct key key = comparison_key(s->c, "users:", s->show);
    struct span argv[GROUP + 2] = {SPAN("HMGET"), {key.text, key.len}};
    struct redis_reply *reply;
    if (s->count == 0)
        return ERR_NONE;
    for (size_t i = 0; i < s->count; i++)
        argv[i + 2] = (struct span){s->user[i].user, s->user[i].len};
    TRY(comparison_ask(s->c, s->count + 2, argv, &reply));
    for (size_t i = 0; reply != NULL && i < redis_count(reply); i++) {
        uint64_t places = 0;
        bool known = text_u64(redis_text(redis_at(reply, i)), INT64_MAX, &places);
        if (!known || (int64_t)places != s->user[i].places)
            differences_add(s->c->found,
                            "show %" PRIu32 ": user %.*s has %" PRIu64
                            " live places in Redis, %" PRId64 " in Postgres",
                            s->show, (int)s->user[i].len, s->user[i].user, places,
                            s->user[i].places);
    }
    redis_reply_free(reply);
    s->count = 0;
    return ERR_NONE;
}
