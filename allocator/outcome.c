#include "allocator/outcome.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "allocator/outcome_admin.h"
#include "allocator/outcome_parts.h"
#include "allocator/outcome_payments.h"
#include "allocator/outcome_seats.h"
#include "allocator/outcome_several.h"
#include "allocator/outcome_waiting.h"
#include "base/seats.h"

static void pack_id(struct buf *b, struct id id)
{
    pack_str(b, id.bytes, sizeof id.bytes);
}

static size_t lines_of(const struct request *r)
{
    return r->op == OP_CANCEL ? 1 : r->lines;
}

static size_t arguments_of(const struct request *r)
{
    if (r->op == OP_ADMIN)
        return ADMIN_ARGUMENTS;
    if (r->op == OP_SEVERAL)
        return 2;
    return 2 * lines_of(r) + op_changes(r->op) + (r->op == OP_SETTLE ? 2 : 0);
}

static void pack_request(struct buf *b, const struct batch *batch, const struct request *r)
{
    pack_array(b, 5 + arguments_of(r) + (r->seats.len > 0));
    pack_id(b, r->id);
    pack_uint(b, r->op);
    pack_uint(b, r->show);
    pack_str(b, r->user.bytes, r->user.len);
    pack_int(b, r->deadline_ms);
    if (r->op == OP_SEVERAL)
        outcome_pack_several(b, r);
    if (r->op == OP_ADMIN)
        outcome_pack_admin(b, batch, r);
    if (op_changes(r->op))
        pack_id(b, r->booking);
    if (r->op == OP_SETTLE) {
        pack_id(b, r->payment);
        pack_uint(b, r->result);
    }
    for (size_t i = 0; i < lines_of(r); i++) {
        pack_uint(b, r->line[i].tier);
        pack_uint(b, r->line[i].quantity);
    }
    if (r->seats.len > 0)
        pack_str(b, r->seats.bytes, r->seats.len);
}

size_t outcome_pack_requests(struct buf *b, const struct batch *batch)
{
    size_t count = 0;

    for (size_t i = 0; i < batch->count; i++)
        count += batch->slot[i].origin == ORIGIN_UNDECIDED;
    pack_array(b, count);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->slot[i].origin == ORIGIN_UNDECIDED)
            pack_request(b, batch, &batch->request[i]);
    return count;
}

bool outcome_i64(struct value array, size_t at, int64_t *n)
{
    size_t count;

    return value_is_array(array, &count) && at < count && value_int(value_at(array, at), n);
}

bool outcome_u32(struct value array, size_t at, uint32_t *n)
{
    int64_t wide;

    if (!outcome_i64(array, at, &wide) || wide < 0 || wide > UINT32_MAX)
        return false;
    *n = (uint32_t)wide;
    return true;
}

static void set_amount(struct booking *booking)
{
    booking->amount = 0;
    for (size_t i = 0; i < booking->lines; i++)
        booking->amount += booking->line[i].price * booking->line[i].quantity;
}

/* A booking as the script has it; lines that were given back whole are left out. */
static bool read_booking(struct value v, struct id id, struct booking *booking)
{
    int64_t state;
    size_t count;

    memset(booking, 0, sizeof *booking);
    booking->id = id;
    if (!value_is_array(v, &count) || count < B_LINES + 3 || (count - B_LINES) % 3 != 0 ||
        !outcome_i64(v, B_STATE, &state) || !value_str(value_at(v, B_USER), &booking->user) ||
        !outcome_i64(v, B_EXPIRES, &booking->expires_ms) ||
        !outcome_i64(v, B_CREATED, &booking->created_ms) ||
        !value_str(value_at(v, B_SEATS), &booking->seats) || !seats_are_right(booking->seats))
        return false;
    booking->state = (enum state)state;
    for (size_t at = B_LINES; at < count; at += 3) {
        struct booking_line line;
        if (!outcome_u32(v, at, &line.tier) || !outcome_u32(v, at + 1, &line.quantity) ||
            !outcome_i64(v, at + 2, &line.price))
            return false;
        if (line.quantity > 0 && booking->lines < LINES_MAX)
            booking->line[booking->lines++] = line;
    }
    set_amount(booking);
    return state_name(booking->state) != NULL && booking->lines > 0;
}

struct answer outcome_answer(const struct batch *batch, const struct request *r, enum code code)
{
    struct answer answer = {.code = code, .at_ms = batch->now_ms, .op = r->op, .show = r->show};

    memcpy(answer.fingerprint, r->fingerprint, sizeof answer.fingerprint);
    return answer;
}

/* Pack an answer right into the batch's answers. */
void outcome_store(struct batch *batch, size_t at, const struct answer *answer)
{
    struct slot *slot = &batch->slot[at];

    slot->origin = ORIGIN_DECIDED;
    slot->code = answer->code;
    slot->answer_at = (uint32_t)batch->answers.len;
    answer_pack(&batch->answers, answer);
    slot->answer_len = (uint32_t)(batch->answers.len - slot->answer_at);
    batch->outcomes[answer->code]++;
}

void outcome_refuse(struct batch *batch, size_t at, enum code code)
{
    struct answer answer = outcome_answer(batch, &batch->request[at], code);

    outcome_store(batch, at, &answer);
}

int64_t outcome_fingerprint(const struct request *r)
{
    uint64_t wire;

    memcpy(&wire, r->fingerprint, sizeof wire);
    return (int64_t)be64toh(wire);
}

static void put_items(struct columns *c, const struct booking *booking)
{
    for (size_t i = 0; i < booking->lines; i++) {
        columns_put_bytes(c, COLUMN_I_BOOKING, booking->id.bytes, ID_BYTES);
        columns_put_number(c, COLUMN_I_TIER, booking->line[i].tier);
        columns_put_number(c, COLUMN_I_QUANTITY, booking->line[i].quantity);
        columns_put_number(c, COLUMN_I_PRICE, booking->line[i].price);
    }
}

/* In the row of the booking that was put last: those before it that have no seats have NULL there,
 * and so have those that follow, where the array ends. */
static void put_seats(struct columns *c, struct span seats)
{
    while (columns_rows(c, COLUMN_N_SEATS) + 1 < columns_rows(c, COLUMN_N_ID))
        columns_put_null(c, COLUMN_N_SEATS);
    columns_put_seats(c, COLUMN_N_SEATS, seats);
}

void outcome_put_new(struct columns *c, uint32_t show, int64_t fingerprint,
                     const struct booking *booking)
{
    bool one = booking->lines == 1;

    columns_put_bytes(c, COLUMN_N_ID, booking->id.bytes, ID_BYTES);
    columns_put_number(c, COLUMN_N_SHOW, show);
    columns_put_bytes(c, COLUMN_N_USER, booking->user.bytes, booking->user.len);
    if (booking->expires_ms > 0)
        columns_put_number(c, COLUMN_N_EXPIRES, booking->expires_ms);
    else
        columns_put_null(c, COLUMN_N_EXPIRES);
    columns_put_number(c, COLUMN_N_AMOUNT, booking->amount);
    columns_put_number(c, COLUMN_N_FINGERPRINT, fingerprint);
    columns_put_number(c, COLUMN_N_TIER, one ? booking->line[0].tier : 0);
    columns_put_number(c, COLUMN_N_QUANTITY, booking_quantity(booking));
    columns_put_number(c, COLUMN_N_PRICE, one ? booking->line[0].price : 0);
    if (booking->seats.len > 0)
        put_seats(c, booking->seats);
    if (!one)
        put_items(c, booking);
}

void outcome_put_admission(struct columns *c, const struct request *r)
{
    if (r->admission == 0)
        return;
    columns_put_number(c, COLUMN_Q_SHOW, r->show);
    columns_put_number(c, COLUMN_Q_NUMBER, r->admission);
    columns_put_bytes(c, COLUMN_Q_BOOKING, r->id.bytes, ID_BYTES);
}

/* BOOK or HOLD: [0, available, expires, price, …], and seats if it has any. */
static bool read_taken(struct batch *batch, size_t at, struct value decision, size_t count)
{
    const struct request *r = &batch->request[at];
    struct answer answer = outcome_answer(batch, r, CODE_GRANTED);
    struct booking *booking = &answer.booking;

    if ((count != 3 + r->lines && count != 4 + r->lines) ||
        !outcome_i64(decision, 1, &answer.available) ||
        !outcome_i64(decision, 2, &booking->expires_ms))
        return false;
    if (count == 4 + r->lines && (!value_str(value_at(decision, count - 1), &booking->seats) ||
                                  !seats_are_right(booking->seats)))
        return false;
    answer.has_booking = answer.has_available = true;
    booking->id = r->id;
    booking->user = r->user;
    booking->state = r->op == OP_HOLD ? STATE_HELD : STATE_CONFIRMED;
    booking->created_ms = batch->now_ms;
    booking->lines = r->lines;
    for (size_t i = 0; i < r->lines; i++) {
        booking->line[i].tier = r->line[i].tier;
        booking->line[i].quantity = r->line[i].quantity;
        if (!outcome_i64(decision, 3 + i, &booking->line[i].price))
            return false;
    }
    set_amount(booking);
    outcome_put_new(&batch->columns, r->show, outcome_fingerprint(r), booking);
    outcome_put_admission(&batch->columns, r);
    outcome_store(batch, at, &answer);
    return true;
}

/* Where the changed booking has fewer places and lives on: which tier gave how many. */
static struct line given_back(const struct booking *before, const struct booking *after)
{
    for (size_t i = 0, j = 0; i < before->lines; i++) {
        bool kept = j < after->lines && after->line[j].tier == before->line[i].tier;
        uint32_t left = kept ? after->line[j].quantity : 0;
        if (left < before->line[i].quantity)
            return (struct line){before->line[i].tier, before->line[i].quantity - left};
        j += kept;
    }
    return (struct line){0, 0};
}

/* How many changes of this booking the batch has already, and one. */
static uint32_t next_round(const struct batch *batch, size_t at)
{
    uint32_t round = 1;

    for (size_t i = 0; i < at; i++)
        if (op_changes(batch->request[i].op) && batch->slot[i].origin == ORIGIN_DECIDED &&
            id_equal(batch->request[i].booking, batch->request[at].booking))
            round++;
    return round;
}

static void put_change(struct batch *batch, size_t at, uint32_t round, const struct booking *before,
                       const struct booking *after)
{
    struct columns *c = &batch->columns;
    const struct request *r = &batch->request[at];
    struct line give =
        state_is_live(after->state) ? given_back(before, after) : (struct line){0, 0};
    struct span answer = batch_answer_of(batch, at);
    struct buf origin;

    columns_put_number(c, COLUMN_C_ROUND, round);
    columns_put_bytes(c, COLUMN_C_REQUEST, r->id.bytes, ID_BYTES);
    columns_put_bytes(c, COLUMN_C_BOOKING, r->booking.bytes, ID_BYTES);
    columns_put_number(c, COLUMN_C_OP, r->op == OP_ADMIN ? OP_CANCEL : r->op);
    columns_put_number(c, COLUMN_C_STATUS, after->state);
    if (r->op == OP_EXTEND)
        columns_put_number(c, COLUMN_C_EXPIRES, after->expires_ms);
    else
        columns_put_null(c, COLUMN_C_EXPIRES);
    columns_put_number(c, COLUMN_C_AMOUNT, after->amount);
    columns_put_number(c, COLUMN_C_GIVE_TIER, give.tier);
    columns_put_number(c, COLUMN_C_GIVE, give.quantity);
    buf_init(&origin, BOOKING_BYTES_MAX);
    booking_pack(&origin, before);
    columns_put_bytes(c, COLUMN_C_ORIGIN, origin.bytes, origin.len);
    if (after->seats.len < before->seats.len)
        columns_put_seats(c, COLUMN_C_SEATS, after->seats);
    else
        columns_put_null(c, COLUMN_C_SEATS);
    buf_free(&origin);
    columns_put_bytes(c, COLUMN_C_ANSWER, answer.bytes, answer.len);
}

/* CONFIRM, CANCEL, EXTEND, PAY, SETTLE, LEAVE that declines, or ADMIN that cancels:
 * [0, before, after] */
static bool read_changed(struct batch *batch, size_t at, struct value decision, size_t count)
{
    const struct request *r = &batch->request[at];
    struct answer answer = outcome_answer(batch, r, CODE_GRANTED);
    struct booking before;
    uint32_t round = next_round(batch, at);

    if (count != 3 || !read_booking(value_at(decision, 1), r->booking, &before) ||
        !read_booking(value_at(decision, 2), r->booking, &answer.booking))
        return false;
    answer.has_booking = true;
    outcome_store(batch, at, &answer);
    put_change(batch, at, round, &before, &answer.booking);
    if (r->op == OP_ADMIN)
        outcome_put_cancelled(batch, at, &before, &answer.booking);
    return outcome_put_payment(batch, r, value_at(decision, 1), &answer.booking);
}

static bool read_refused(struct batch *batch, size_t at, int64_t code, int64_t detail)
{
    struct answer answer = outcome_answer(batch, &batch->request[at], (enum code)code);

    if (code <= CODE_GRANTED || code >= CODES_END || detail < 0)
        return false;
    answer.detail = (uint64_t)detail;
    outcome_store(batch, at, &answer);
    return true;
}

bool outcome_conflicts(struct value seats, struct answer *answer)
{
    return value_str(seats, &answer->conflicts) && answer->conflicts.len > 0 &&
           seats_are_right(answer->conflicts);
}

static bool read_taken_seats(struct batch *batch, size_t at, struct value conflicts)
{
    struct answer answer = outcome_answer(batch, &batch->request[at], CODE_SEAT_TAKEN);

    if (!outcome_conflicts(conflicts, &answer))
        return false;
    outcome_store(batch, at, &answer);
    return true;
}

static bool read_decision(struct batch *batch, size_t at, struct value decision)
{
    const struct request *r = &batch->request[at];
    struct span first_answer;
    int64_t code, detail;
    size_t count;

    if (value_str(decision, &first_answer)) {
        batch_answer(batch, at, ORIGIN_REPEATED, first_answer);
        return true;
    }
    if (value_int(decision, &code))
        return read_refused(batch, at, code, 0);
    if (!value_is_array(decision, &count) || !outcome_i64(decision, 0, &code))
        return false;
    if (r->op == OP_SEVERAL)
        return outcome_read_several(batch, at, decision);
    if (code == CODE_SEAT_TAKEN)
        return count == 2 && read_taken_seats(batch, at, value_at(decision, 1));
    if (r->op == OP_ADMIN && (code != CODE_GRANTED || count == 2))
        return outcome_read_admin(batch, at, decision);
    if (code != CODE_GRANTED)
        return outcome_i64(decision, 1, &detail) && read_refused(batch, at, code, detail);
    if (op_takes(r->op))
        return read_taken(batch, at, decision, count);
    if (r->op == OP_JOIN)
        return outcome_read_joined(batch, at, decision);
    if (r->op == OP_LEAVE && count == 2)
        return outcome_read_left(batch, at, decision);
    if (request_names_booking(r))
        return read_changed(batch, at, decision, count);
    struct answer answer = outcome_answer(batch, r, CODE_GRANTED);
    outcome_store(batch, at, &answer);
    return true;
}

static bool read_expired(struct batch *batch, struct value expired)
{
    size_t count;
    struct span id;

    if (!value_is_array(expired, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!value_str(value_at(expired, i), &id) || id.len != ID_BYTES)
            return false;
        columns_put_bytes(&batch->columns, COLUMN_X_BOOKING, id.bytes, id.len);
    }
    batch->expired = count;
    return true;
}

/* The rows of one show stand together. */
static struct availability *availability_for(struct batch *batch, uint32_t show)
{
    struct availability *last = batch->shows > 0 ? &batch->show[batch->shows - 1] : NULL;

    if (last != NULL && last->show == show)
        return last->tiers < TIERS_MAX ? last : NULL;
    if (batch->shows == BATCH_SHOWS_MAX)
        return NULL;
    last = &batch->show[batch->shows++];
    last->show = show;
    last->version = batch->version;
    last->tiers = 0;
    return last;
}

static bool read_counter(struct batch *batch, struct value row)
{
    struct columns *c = &batch->columns;
    uint32_t show, tier, available, held, pending, confirmed, blocked;
    struct availability *a;

    if (!outcome_u32(row, 0, &show) || !outcome_u32(row, 1, &tier) ||
        !outcome_u32(row, 2, &available) || !outcome_u32(row, 3, &held) ||
        !outcome_u32(row, 4, &pending) || !outcome_u32(row, 5, &confirmed) ||
        !outcome_u32(row, 6, &blocked) || (a = availability_for(batch, show)) == NULL)
        return false;
    columns_put_number(c, COLUMN_T_SHOW, show);
    columns_put_number(c, COLUMN_T_TIER, tier);
    columns_put_number(c, COLUMN_T_AVAILABLE, available);
    columns_put_number(c, COLUMN_T_HELD, held);
    columns_put_number(c, COLUMN_T_PENDING, pending);
    columns_put_number(c, COLUMN_T_CONFIRMED, confirmed);
    a->tier[a->tiers++] =
        (struct tier_count){.tier = tier,
                            .capacity = available + held + pending + confirmed + blocked,
                            .available = available,
                            .held = held,
                            .booked = pending + confirmed,
                            .blocked = blocked};
    return true;
}

static bool read_decisions(struct batch *batch, struct value decisions)
{
    size_t count, next = 0;

    if (!value_is_array(decisions, &count))
        return false;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->slot[i].origin != ORIGIN_UNDECIDED)
            continue;
        if (next == count || !read_decision(batch, i, value_at(decisions, next++)))
            return false;
    }
    return next == count;
}

static bool read_counters(struct batch *batch, struct value counters)
{
    size_t count;

    if (!value_is_array(counters, &count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_counter(batch, value_at(counters, i)))
            return false;
    return true;
}

enum err outcome_read(struct batch *batch, const struct done *done)
{
    bool fits = read_expired(batch, done->expired) && read_decisions(batch, done->decisions) &&
                outcome_read_offers(batch, done->waits) && read_counters(batch, done->counters) &&
                outcome_read_seats(&batch->columns, done->seats);

    return fits ? ERR_NONE : ERR_REFUSED;
}

enum err outcome_finish(struct batch *batch)
{
    size_t decided = 0;

    for (size_t i = 0; i < batch->count; i++) {
        struct slot *slot = &batch->slot[i];
        if (slot->origin == ORIGIN_FOLLOWS) {
            const struct slot *leader = &batch->slot[slot->leader];
            if (leader->origin == ORIGIN_MOVED) {
                *slot = *leader;
                continue;
            }
            assert(leader->origin == ORIGIN_DECIDED || leader->origin == ORIGIN_REPEATED);
            slot->answer_at = leader->answer_at;
            slot->answer_len = leader->answer_len;
            slot->origin = ORIGIN_REPEATED;
        }
        assert(slot->origin != ORIGIN_UNDECIDED);
        decided += slot->origin == ORIGIN_DECIDED;
        batch->repeated += slot->origin == ORIGIN_REPEATED;
    }
    pack_array(&batch->journal, decided);
    for (size_t i = 0; i < batch->count; i++) {
        const struct request *r = &batch->request[i];
        if (batch->slot[i].origin != ORIGIN_DECIDED)
            continue;
        struct span answer = batch_answer_of(batch, i);
        pack_array(&batch->journal, 3);
        pack_str(&batch->journal, r->id.bytes, ID_BYTES);
        pack_str(&batch->journal, r->reply_to.bytes, r->reply_to.len);
        pack_str(&batch->journal, answer.bytes, answer.len);
    }
    return batch->answers.failed || batch->journal.failed ? ERR_MEMORY : ERR_NONE;
}
