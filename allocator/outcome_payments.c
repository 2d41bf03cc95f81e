#include "allocator/outcome_payments.h"

#include "allocator/outcome.h"

static void put_id(struct columns *c, enum column_name name, struct id id)
{
    columns_put_bytes(c, name, id.bytes, ID_BYTES);
}

static void put_text(struct columns *c, enum column_name name, struct span text)
{
    columns_put_bytes(c, name, text.bytes, text.len);
}

static void put_pay(struct columns *c, const struct request *r, const struct booking *after)
{
    put_id(c, COLUMN_P_ID, r->id);
    put_id(c, COLUMN_P_BOOKING, r->booking);
    columns_put_number(c, COLUMN_P_AMOUNT, after->amount);
    put_text(c, COLUMN_P_REPLY_TO, r->reply_to);
    put_text(c, COLUMN_P_METHOD, r->method);
}

static void put_settle(struct columns *c, const struct request *r)
{
    put_id(c, COLUMN_S_REQUEST, r->id);
    put_id(c, COLUMN_S_PAYMENT, r->payment);
    put_id(c, COLUMN_S_BOOKING, r->booking);
    columns_put_number(c, COLUMN_S_RESULT, r->result);
    put_text(c, COLUMN_S_REFERENCE, r->reference);
    put_text(c, COLUMN_S_REASON, r->reason);
}

static void note(struct batch *batch, struct id payment, enum result result)
{
    if (batch->payments < BATCH_REQUESTS_MAX)
        batch->payment[batch->payments++] = (struct paid){payment, result};
}

bool outcome_put_payment(struct batch *batch, const struct request *r, struct value before,
                         const struct booking *after)
{
    struct columns *c = &batch->columns;
    struct span payment;

    if (r->op == OP_PAY) {
        put_pay(c, r, after);
        if (after->state == STATE_PENDING) /* one of nothing is settled at once */
            note(batch, r->id, 0);
    } else if (r->op == OP_SETTLE) {
        put_settle(c, r);
        note(batch, r->payment, r->result);
    }
    if (r->op != OP_CANCEL && r->op != OP_ADMIN)
        return true;
    if (!value_str(value_at(before, B_PAYMENT), &payment))
        return false;
    if (payment.len != ID_BYTES)
        return payment.len == 0;
    put_id(c, COLUMN_R_REQUEST, r->id);
    put_text(c, COLUMN_R_PAYMENT, payment);
    return true;
}
