#include "allocator/history.h"

#include <endian.h>
#include <string.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/seats.h"
#include "base/text.h"

#define JOURNAL_ROW_BYTES_MAX (16u << 20)

/* Granted requests: those that made a booking (answer is NULL), those that made several, those that
 * changed one, those that waited, and what operators did. An offer to who waits is a booking that
 * its request did not answer with. */
const char history_repeated_sql[] =
    "SELECT u.n, NULL AS answer, b.user_id, b.created_ms, coalesce(b.expires_ms, 0), b.amount,"
    " b.fingerprint, " HISTORY_LINES_SQL ", encode(b.origin, 'hex'), " HISTORY_SEATS_SQL
    " FROM unnest($1::uuid[]) WITH ORDINALITY u (id, n) JOIN bookings b ON b.id = u.id"
    " WHERE NOT EXISTS (SELECT FROM request_bookings r WHERE r.request = u.id AND r.position = 1)"
    " AND NOT EXISTS (SELECT FROM waitlist w WHERE w.id = u.id)"
    " UNION ALL "
    "SELECT u.n, encode(r.answer, 'hex'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    " FROM unnest($1::uuid[]) WITH ORDINALITY u (id, n)"
    " JOIN request_bookings r ON r.request = u.id AND r.position = 1"
    " UNION ALL "
    "SELECT u.n, encode(c.answer, 'hex'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    " FROM unnest($1::uuid[]) WITH ORDINALITY u (id, n) JOIN booking_changes c ON c.request = u.id"
    " UNION ALL "
    "SELECT u.n, encode(w.answer, 'hex'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    " FROM unnest($1::uuid[]) WITH ORDINALITY u (id, n) JOIN waitlist w ON w.id = u.id"
    " UNION ALL "
    "SELECT u.n, encode(l.answer, 'hex'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    " FROM unnest($1::uuid[]) WITH ORDINALITY u (id, n)"
    " JOIN waitlist_changes l ON l.request = u.id"
    " UNION ALL "
    "SELECT u.n, encode(a.answer, 'hex'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    " FROM unnest($1::uuid[]) WITH ORDINALITY u (id, n)"
    " JOIN audit a ON a.request = u.id AND a.answer IS NOT NULL";

const char history_bookings_sql[] =
    "SELECT u.n, status_number(b.status), b.user_id, coalesce(b.expires_ms, 0), b.created_ms,"
    " " HISTORY_LINES_SQL ", encode(uuid_send(p.id), 'hex'), " HISTORY_SEATS_SQL
    " FROM unnest($1::uuid[]) WITH ORDINALITY u (id, n) JOIN bookings b ON b.id = u.id"
    " LEFT JOIN payments p ON p.id = b.payment AND p.status <> 'SUCCEEDED'";

/* The booking as it was first answered, when it has changed since. */
static enum err read_origin(struct span hex, struct answer *answer, struct buf *bytes,
                            struct tree *tree)
{
    char *into = buf_room(bytes, hex.len / 2);

    if (into == NULL || !text_unhex(hex, into))
        return ERR_INPUT;
    buf_grew(bytes, hex.len / 2);
    TRY(tree_read(tree, bytes->bytes, bytes->len));
    return booking_from(tree_root(tree), &answer->booking);
}

static enum err answer_from_hex(struct span hex, struct buf *packed)
{
    char *into = hex.len > 0 ? buf_room(packed, hex.len / 2) : NULL;

    if (hex.len > 0 && (into == NULL || !text_unhex(hex, into)))
        return ERR_INPUT;
    buf_grew(packed, hex.len / 2);
    return ERR_NONE;
}

/* The answer that made a booking, from its row. */
static enum err answer_from_row(const struct postgres_result *r, size_t row,
                                const struct request *request, struct buf *packed)
{
    struct answer answer = {.code = CODE_GRANTED, .show = request->show, .has_booking = true};
    struct booking *booking = &answer.booking;
    struct buf bytes, seats;
    struct tree tree = {NULL, NULL};
    uint64_t fingerprint = htobe64((uint64_t)postgres_cell_i64(r, row, 6));
    enum err err = ERR_NONE;

    answer.at_ms = postgres_cell_i64(r, row, 3);
    memcpy(answer.fingerprint, &fingerprint, sizeof answer.fingerprint);
    booking->id = request->id;
    booking->user = postgres_cell(r, row, 2);
    booking->created_ms = answer.at_ms;
    booking->expires_ms = postgres_cell_i64(r, row, 4);
    booking->amount = postgres_cell_i64(r, row, 5);
    booking->state = booking->expires_ms > 0 ? STATE_HELD : STATE_CONFIRMED;
    answer.op = booking->expires_ms > 0 ? OP_HOLD : OP_BOOK;

    buf_init(&bytes, 65536);
    buf_init(&seats, BOOKING_SEATS_MAX * SEAT_POSITION_BYTES);
    if (!postgres_is_null(r, row, 8))
        err = read_origin(postgres_cell(r, row, 8), &answer, &bytes, &tree);
    else if (!booking_lines_read(postgres_cell(r, row, 7), booking) ||
             answer_from_hex(postgres_cell(r, row, 9), &seats))
        err = ERR_INPUT;
    else
        booking->seats = buf_span(&seats);
    if (!err)
        answer_pack(packed, &answer);
    tree_free(&tree);
    buf_free(&seats);
    buf_free(&bytes);
    return err;
}

enum err history_read_repeated(const struct postgres_result *result, size_t row,
                               struct batch *batch, const uint16_t *position, size_t count)
{
    int64_t number = postgres_cell_i64(result, row, 0);
    struct buf packed;
    enum err err;

    if (number < 1 || (size_t)number > count)
        return ERR_REFUSED;
    size_t at = position[number - 1];
    buf_init(&packed, 65536);
    if (postgres_is_null(result, row, 1))
        err = answer_from_row(result, row, &batch->request[at], &packed);
    else
        err = answer_from_hex(postgres_cell(result, row, 1), &packed);
    if (!err)
        batch_answer(batch, at, ORIGIN_REPEATED, buf_span(&packed));
    else
        log_event(LOG_ERROR, "first_answer_unreadable", "why", err_name(err), NULL);
    buf_free(&packed);
    return err;
}

static bool read_known(const struct postgres_result *r, size_t row, struct known_booking *k)
{
    struct booking *booking = &k->booking;
    struct span user = postgres_cell(r, row, 2);

    if (user.len > USER_BYTES_MAX)
        return false;
    memcpy(k->user, user.bytes, user.len);
    booking->user = (struct span){k->user, user.len};
    booking->state = (enum state)postgres_cell_i64(r, row, 1);
    booking->expires_ms = postgres_cell_i64(r, row, 3);
    booking->created_ms = postgres_cell_i64(r, row, 4);
    k->has_payment = !postgres_is_null(r, row, 6);
    if (k->has_payment && !text_unhex(postgres_cell(r, row, 6), k->payment.bytes))
        return false;
    struct span seats = postgres_cell(r, row, 7);
    if (seats.len > 2 * sizeof k->seats || !text_unhex(seats, k->seats))
        return false;
    booking->seats = (struct span){k->seats, seats.len / 2};
    return booking_lines_read(postgres_cell(r, row, 5), booking);
}

enum err history_read_bookings(const struct postgres_result *result, const struct need *need,
                               struct known *known)
{
    size_t first = known->bookings;

    if (need->bookings > BATCH_REQUESTS_MAX - first)
        return ERR_BOUND;
    for (size_t i = 0; i < need->bookings; i++)
        known->booking[first + i] = (struct known_booking){.booking = {.id = need->booking[i]}};
    known->bookings += need->bookings;
    for (size_t row = 0; row < postgres_rows(result); row++) {
        int64_t number = postgres_cell_i64(result, row, 0);
        if (number < 1 || (size_t)number > need->bookings)
            return ERR_REFUSED;
        struct known_booking *k = &known->booking[first + (size_t)number - 1];
        if (!read_known(result, row, k))
            return ERR_REFUSED;
        /* What is live in Postgres and not in Redis: they are not equal. */
        if (state_is_live(k->booking.state)) {
            log_event(LOG_WARN, "redis_differs", "in", "bookings", NULL);
            return ERR_REBUILD;
        }
    }
    return ERR_NONE;
}

struct journal_copy {
    struct buf bytes;
    enum err (*row)(void *context, int64_t now_ms, struct span answers);
    void *context;
};

static enum err copy_journal_line(void *context, struct span line)
{
    struct journal_copy *copy = context;
    struct span field[2];
    uint64_t now_ms;

    buf_reset(&copy->bytes);
    if (postgres_copy_split(line, field, 2) != 2 || !text_u64(field[0], INT64_MAX, &now_ms) ||
        answer_from_hex(field[1], &copy->bytes))
        return ERR_INPUT;
    return copy->row(copy->context, (int64_t)now_ms, buf_span(&copy->bytes));
}

enum err history_copy_journal(struct postgres *p, const char *sql,
                              enum err (*row)(void *context, int64_t now_ms, struct span answers),
                              void *context)
{
    struct journal_copy copy = {.row = row, .context = context};

    buf_init(&copy.bytes, JOURNAL_ROW_BYTES_MAX);
    enum err err = postgres_copy_out(p, sql, copy_journal_line, &copy);
    buf_free(&copy.bytes);
    return err;
}
