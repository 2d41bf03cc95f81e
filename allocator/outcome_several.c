#include "allocator/outcome_several.h"

#include <assert.h>

#include "allocator/outcome_parts.h"
#include "base/id.h"
#include "base/seats.h"

#define OTHERS_BYTES_MAX 65536

/* The booking of one of the shows: the request's own has the request's id. */
static struct id booking_id(const struct request *r, uint32_t show)
{
    return show == r->show ? r->id : id_part(r->id, show);
}

static size_t count_shows(const struct request *r)
{
    size_t shows = 0;

    for (size_t i = 0; i < r->parts; i += request_parts_of_show(r, i))
        shows++;
    return shows;
}

/* Its lines, and the seats that are named in it. */
static void pack_show(struct buf *b, const struct request *r, size_t first)
{
    size_t lines = request_parts_of_show(r, first);
    struct span seats = r->part[first].seats;
    struct id id = booking_id(r, r->part[first].show);

    pack_array(b, 2 + 2 * lines + (seats.len > 0));
    pack_str(b, id.bytes, ID_BYTES);
    pack_uint(b, r->part[first].show);
    for (size_t i = first; i < first + lines; i++) {
        pack_uint(b, r->part[i].line.tier);
        pack_uint(b, r->part[i].line.quantity);
    }
    if (seats.len > 0)
        pack_str(b, seats.bytes, seats.len);
}

void outcome_pack_several(struct buf *b, const struct request *r)
{
    pack_uint(b, r->take);
    pack_array(b, count_shows(r));
    for (size_t i = 0; i < r->parts; i += request_parts_of_show(r, i))
        pack_show(b, r, i);
}

/* [0, available, expires, price, …] of the show whose rows begin at `first`. */
static bool read_taken(const struct batch *batch, const struct request *r, size_t first,
                       struct value decision, struct booking *booking)
{
    int64_t code;
    size_t count;

    *booking = (struct booking){.id = booking_id(r, r->part[first].show),
                                .user = r->user,
                                .state = r->take == OP_HOLD ? STATE_HELD : STATE_CONFIRMED,
                                .created_ms = batch->now_ms,
                                .lines = request_parts_of_show(r, first)};
    if (!outcome_i64(decision, 0, &code) || code != CODE_GRANTED ||
        !outcome_i64(decision, 2, &booking->expires_ms))
        return false;
    for (size_t i = 0; i < booking->lines; i++) {
        struct booking_line *line = &booking->line[i];
        line->tier = r->part[first + i].line.tier;
        line->quantity = r->part[first + i].line.quantity;
        if (!outcome_i64(decision, 3 + i, &line->price))
            return false;
        booking->amount += line->price * line->quantity;
    }
    if (!value_is_array(decision, &count) || count == 3 + booking->lines)
        return true;
    return value_str(value_at(decision, count - 1), &booking->seats) &&
           seats_are_right(booking->seats);
}

/* Which bookings the request made; the first one's row has the answer. */
static void put_several(struct batch *batch, size_t at, const struct id *ids, size_t count)
{
    struct columns *c = &batch->columns;
    struct span answer = batch_answer_of(batch, at);

    for (size_t i = 0; i < count; i++) {
        columns_put_bytes(c, COLUMN_V_REQUEST, batch->request[at].id.bytes, ID_BYTES);
        columns_put_number(c, COLUMN_V_POSITION, (int64_t)i + 1);
        columns_put_bytes(c, COLUMN_V_BOOKING, ids[i].bytes, ID_BYTES);
        if (i == 0)
            columns_put_bytes(c, COLUMN_V_ANSWER, answer.bytes, answer.len);
        else
            columns_put_null(c, COLUMN_V_ANSWER);
    }
}

/* [0, decision, …] */
static bool read_granted(struct batch *batch, size_t at, struct value decision, struct buf *others)
{
    const struct request *r = &batch->request[at];
    struct answer answer = outcome_answer(batch, r, CODE_GRANTED);
    struct id ids[PARTS_MAX];
    size_t shows = 0, count, expected = count_shows(r);

    if (!value_is_array(decision, &count) || count != 1 + expected)
        return false;
    pack_array(others, expected - 1);
    for (size_t i = 0; i < r->parts; i += request_parts_of_show(r, i), shows++) {
        struct booking booking;
        if (!read_taken(batch, r, i, value_at(decision, 1 + shows), &booking))
            return false;
        outcome_put_new(&batch->columns, r->part[i].show, outcome_fingerprint(r), &booking);
        ids[shows] = booking.id;
        if (shows == 0)
            answer.booking = booking;
        else
            booking_pack(others, &booking);
    }
    assert(!others->failed);
    answer.has_booking = true;
    answer.others = buf_span(others);
    outcome_store(batch, at, &answer);
    put_several(batch, at, ids, shows);
    outcome_put_admission(&batch->columns, r);
    return true;
}

static bool read_refused(struct batch *batch, size_t at, struct value decision, int64_t code)
{
    struct answer answer = outcome_answer(batch, &batch->request[at], (enum code)code);
    int64_t detail = 0;

    if (code < 0 || code >= CODES_END || !outcome_u32(decision, 2, &answer.refused_show))
        return false;
    if (code == CODE_SEAT_TAKEN ? !outcome_conflicts(value_at(decision, 1), &answer)
                                : !outcome_i64(decision, 1, &detail) || detail < 0)
        return false;
    answer.detail = (uint64_t)detail;
    outcome_store(batch, at, &answer);
    return true;
}

bool outcome_read_several(struct batch *batch, size_t at, struct value decision)
{
    struct buf others;
    int64_t code;
    bool read;

    if (!outcome_i64(decision, 0, &code))
        return false;
    if (code != CODE_GRANTED)
        return read_refused(batch, at, decision, code);
    buf_init(&others, OTHERS_BYTES_MAX);
    read = read_granted(batch, at, decision, &others);
    buf_free(&others);
    return read;
}
