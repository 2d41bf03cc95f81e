#include "allocator/outcome_waiting.h"

#include <string.h>

#include "allocator/outcome_parts.h"
#include "base/seats.h"

static bool id_from(struct value array, size_t at, struct id *id)
{
    struct span text;

    if (!value_str(value_at(array, at), &text) || text.len != ID_BYTES)
        return false;
    memcpy(id->bytes, text.bytes, ID_BYTES);
    return true;
}

static void put_joined(struct batch *batch, size_t at, int64_t position)
{
    struct columns *c = &batch->columns;
    const struct request *r = &batch->request[at];
    struct span answer = batch_answer_of(batch, at);

    columns_put_bytes(c, COLUMN_W_ID, r->id.bytes, ID_BYTES);
    columns_put_number(c, COLUMN_W_SHOW, r->show);
    columns_put_number(c, COLUMN_W_TIER, r->line[0].tier);
    columns_put_number(c, COLUMN_W_QUANTITY, r->line[0].quantity);
    columns_put_number(c, COLUMN_W_POSITION, position);
    columns_put_bytes(c, COLUMN_W_USER, r->user.bytes, r->user.len);
    columns_put_bytes(c, COLUMN_W_ANSWER, answer.bytes, answer.len);
}

bool outcome_read_joined(struct batch *batch, size_t at, struct value decision)
{
    const struct request *r = &batch->request[at];
    struct answer answer = outcome_answer(batch, r, CODE_GRANTED);
    int64_t position;

    answer.has_waiting = true;
    answer.waiting = (struct waiting){
        .id = r->id, .user = r->user, .line = r->line[0], .joined_ms = batch->now_ms};
    if (!outcome_u32(decision, 1, &answer.waiting.place) || answer.waiting.place == 0 ||
        !outcome_i64(decision, 2, &position))
        return false;
    outcome_store(batch, at, &answer);
    put_joined(batch, at, position);
    return true;
}

bool outcome_read_left(struct batch *batch, size_t at, struct value decision)
{
    enum { E_TIER, E_QUANTITY, E_USER, E_JOINED, E_FIELDS = 5 };
    struct columns *c = &batch->columns;
    const struct request *r = &batch->request[at];
    struct answer answer = outcome_answer(batch, r, CODE_GRANTED);
    struct waiting *w = &answer.waiting;
    struct value entry = value_at(decision, 1);
    size_t count;

    if (!value_is_array(entry, &count) || count != E_FIELDS ||
        !outcome_u32(entry, E_TIER, &w->line.tier) ||
        !outcome_u32(entry, E_QUANTITY, &w->line.quantity) ||
        !value_str(value_at(entry, E_USER), &w->user) ||
        !outcome_i64(entry, E_JOINED, &w->joined_ms))
        return false;
    answer.has_waiting = true;
    w->id = r->booking;
    outcome_store(batch, at, &answer);
    struct span bytes = batch_answer_of(batch, at);
    columns_put_bytes(c, COLUMN_L_REQUEST, r->id.bytes, ID_BYTES);
    columns_put_bytes(c, COLUMN_L_ENTRY, r->booking.bytes, ID_BYTES);
    columns_put_bytes(c, COLUMN_L_ANSWER, bytes.bytes, bytes.len);
    return true;
}

/* Its id repeats that of a request whose answer stands in the waiting list, with its fingerprint:
 * the booking's own says nothing. */
static bool read_offer(struct batch *batch, struct value offer)
{
    struct booking booking = {.state = STATE_HELD, .created_ms = batch->now_ms, .lines = 1};
    struct booking_line *line = &booking.line[0];
    size_t count;

    if (!value_is_array(offer, &count) || count != 7 || !id_from(offer, 0, &booking.id) ||
        !value_str(value_at(offer, 1), &booking.user) ||
        !outcome_i64(offer, 2, &booking.expires_ms) || !outcome_u32(offer, 3, &line->tier) ||
        !outcome_u32(offer, 4, &line->quantity) || !outcome_i64(offer, 5, &line->price) ||
        !value_str(value_at(offer, 6), &booking.seats) || !seats_are_right(booking.seats))
        return false;
    booking.amount = line->price * line->quantity;
    outcome_put_new(&batch->columns, id_show(booking.id), 0, &booking);
    columns_put_bytes(&batch->columns, COLUMN_O_ID, booking.id.bytes, ID_BYTES);
    return true;
}

bool outcome_read_offers(struct batch *batch, struct value offers)
{
    size_t count;

    if (!value_is_array(offers, &count) || count > BATCH_OFFERS_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_offer(batch, value_at(offers, i)))
            return false;
    return true;
}
