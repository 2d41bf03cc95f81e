#include "allocator/outcome_admin.h"

#include "allocator/outcome_parts.h"

void outcome_pack_admin(struct buf *b, const struct batch *batch, const struct request *r)
{
    const struct preview *p = &batch->preview;

    pack_str(b, r->action.bytes, r->action.len);
    pack_str(b, r->settings.bytes, r->settings.len);
    pack_str(b, r->booking.bytes, r->has_booking ? ID_BYTES : 0);
    pack_uint(b, p->code);
    pack_str(b, p->told.len > 0 ? p->told.bytes : "", p->told.len);
    if (p->fields.len > 0)
        buf_put(b, p->fields.bytes, p->fields.len);
    else
        pack_array(b, 0);
}

static void put_text(struct columns *c, enum column_name name, struct span text)
{
    columns_put_bytes(c, name, text.bytes, text.len);
}

/* What all rows have. */
static void put_row(struct batch *batch, size_t at, struct span told)
{
    struct columns *c = &batch->columns;
    const struct request *r = &batch->request[at];

    columns_put_bytes(c, COLUMN_A_REQUEST, r->id.bytes, ID_BYTES);
    columns_put_number(c, COLUMN_A_SHOW, r->show);
    put_text(c, COLUMN_A_ACTOR, r->user);
    put_text(c, COLUMN_A_ACTION, r->action);
    put_text(c, COLUMN_A_SETTINGS, r->settings);
    put_text(c, COLUMN_A_TOLD, told);
}

static bool read_refused(struct batch *batch, size_t at, struct value decision, int64_t code)
{
    struct answer answer = outcome_answer(batch, &batch->request[at], (enum code)code);
    int64_t detail = 0;
    size_t count;

    if (code < 0 || code >= CODES_END || !outcome_i64(decision, 1, &detail) || detail < 0)
        return false;
    answer.detail = (uint64_t)detail;
    if (value_is_array(decision, &count) && count == 3 &&
        !value_str(value_at(decision, 2), &answer.told))
        return false;
    outcome_store(batch, at, &answer);
    return true;
}

bool outcome_read_admin(struct batch *batch, size_t at, struct value decision)
{
    struct answer answer = outcome_answer(batch, &batch->request[at], CODE_GRANTED);
    int64_t code;
    size_t count;

    if (!outcome_i64(decision, 0, &code) || !value_is_array(decision, &count))
        return false;
    if (code != CODE_GRANTED)
        return read_refused(batch, at, decision, code);
    if (count != 2 || !value_str(value_at(decision, 1), &answer.told) || answer.told.len == 0)
        return false;
    outcome_store(batch, at, &answer);
    put_row(batch, at, answer.told);
    struct span bytes = batch_answer_of(batch, at);
    columns_put_null(&batch->columns, COLUMN_A_BOOKING);
    columns_put_null(&batch->columns, COLUMN_A_BEFORE);
    columns_put_bytes(&batch->columns, COLUMN_A_ANSWER, bytes.bytes, bytes.len);
    return true;
}

static void describe(struct buf *b, const struct booking *booking)
{
    buf_putf(b, "{\"status\":\"%s\",\"quantity\":%u,\"amount\":%lld}", state_name(booking->state),
             booking_quantity(booking), (long long)booking->amount);
}

void outcome_put_cancelled(struct batch *batch, size_t at, const struct booking *before,
                           const struct booking *after)
{
    struct columns *c = &batch->columns;
    struct buf was, is;

    buf_init(&was, 256);
    buf_init(&is, 256);
    describe(&was, before);
    describe(&is, after);
    put_row(batch, at, buf_span(&is));
    columns_put_bytes(c, COLUMN_A_BOOKING, batch->request[at].booking.bytes, ID_BYTES);
    put_text(c, COLUMN_A_BEFORE, buf_span(&was));
    columns_put_null(c, COLUMN_A_ANSWER);
    buf_free(&was);
    buf_free(&is);
}
