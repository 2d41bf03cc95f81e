#include "answer.h"

#include <string.h>

#include "seats.h"
#include "text.h"

#define FIELDS 8
#define BOOKING_FIELDS 7
#define LINE_FIELDS 3
#define WAITING_FIELDS 6

static bool answer_from(struct value v, struct answer *a);
static bool code_from(struct value v, enum code *code);
static bool operation_from(struct value v, enum operation *op);
static bool fingerprint_from(struct value v, unsigned char fingerprint[FINGERPRINT_BYTES]);
static bool subject_from(struct value v, struct answer *a);
static bool more_from(struct value v, size_t count, struct answer *a);
static bool has_element(struct value v, size_t count, size_t at);
static void waiting_pack(struct buf *b, const struct waiting *w);
static bool waiting_is_whole(struct value v, struct waiting *w);
static bool optional_available_from(struct value v, struct answer *a);
static bool booking_is_whole(struct value v, struct booking *booking);
static bool id_from(struct value v, struct id *id);
static bool state_from(struct value v, enum state *state);
static bool natural_from(struct value v, int64_t *n);
static bool lines_from(struct value v, struct booking *booking);
static bool seats_from(struct value v, struct span *seats);

void booking_pack(struct buf *b, const struct booking *booking)
{
    pack_array(b, BOOKING_FIELDS + (booking->seats.len > 0));
    pack_str(b, booking->id.bytes, ID_BYTES);
    pack_str(b, booking->user.bytes, booking->user.len);
    pack_uint(b, booking->state);
    pack_int(b, booking->created_ms);
    pack_int(b, booking->expires_ms);
    pack_int(b, booking->amount);
    pack_array(b, booking->lines);
    for (size_t i = 0; i < booking->lines; i++) {
        pack_array(b, LINE_FIELDS);
        pack_uint(b, booking->line[i].tier);
        pack_uint(b, booking->line[i].quantity);
        pack_int(b, booking->line[i].price);
    }
    if (booking->seats.len > 0)
        pack_str(b, booking->seats.bytes, booking->seats.len);
}

enum err booking_from(struct value v, struct booking *booking)
{
    return booking_is_whole(v, booking) ? ERR_NONE : ERR_INPUT;
}

void answer_pack(struct buf *b, const struct answer *a)
{
    bool several = a->op == OP_SEVERAL && (a->others.len > 0 || a->refused_show != 0);
    bool admin = a->op == OP_ADMIN && a->told.len > 0;

    pack_array(b, (size_t)FIELDS + several + admin + (a->conflicts.len > 0));
    pack_uint(b, a->code);
    pack_int(b, a->at_ms);
    pack_uint(b, a->op);
    pack_str(b, a->fingerprint, FINGERPRINT_BYTES);
    pack_uint(b, a->show);
    if (a->has_booking)
        booking_pack(b, &a->booking);
    else if (a->has_waiting)
        waiting_pack(b, &a->waiting);
    else
        pack_nil(b);
    if (a->has_available)
        pack_int(b, a->available);
    else
        pack_nil(b);
    pack_uint(b, a->detail);
    if (several && a->others.len > 0)
        pack_str(b, a->others.bytes, a->others.len);
    else if (several)
        pack_uint(b, a->refused_show);
    if (admin)
        pack_str(b, a->told.bytes, a->told.len);
    if (a->conflicts.len > 0)
        pack_str(b, a->conflicts.bytes, a->conflicts.len);
}

static bool line_read(struct span text, struct booking_line *line)
{
    uint64_t tier, quantity, price;

    if (!text_u64(text_cut(&text, ':'), TIERS_MAX, &tier) ||
        !text_u64(text_cut(&text, ':'), UINT32_MAX, &quantity) ||
        !text_u64(text, PRICE_MAX, &price))
        return false;
    *line = (struct booking_line){
        .tier = (uint32_t)tier, .quantity = (uint32_t)quantity, .price = (int64_t)price};
    return true;
}

bool booking_lines_read(struct span text, struct booking *booking)
{
    booking->lines = 0;
    while (text.len > 0) {
        struct booking_line line;
        if (!line_read(text_cut(&text, ','), &line) || booking->lines == LINES_MAX)
            return false;
        if (line.quantity > 0)
            booking->line[booking->lines++] = line;
    }
    return booking->lines > 0;
}

enum err bookings_read(struct span bytes, struct booking *bookings, size_t max, size_t *count)
{
    struct tree tree;
    struct value root;
    enum err err = ERR_NONE;

    TRY(tree_read(&tree, bytes.bytes, bytes.len));
    root = tree_root(&tree);
    if (!value_is_array(root, count) || *count > max)
        err = ERR_INPUT;
    for (size_t i = 0; !err && i < *count; i++)
        err = booking_from(value_at(root, i), &bookings[i]);
    tree_free(&tree);
    return err;
}

enum err answer_read(struct span bytes, struct answer *a)
{
    struct tree tree;
    bool right;

    TRY(tree_read(&tree, bytes.bytes, bytes.len));
    right = answer_from(tree_root(&tree), a);
    tree_free(&tree);
    return right ? ERR_NONE : ERR_INPUT;
}

uint32_t booking_quantity(const struct booking *booking)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < booking->lines; i++)
        sum += booking->line[i].quantity;
    return sum;
}

static bool answer_from(struct value v, struct answer *a)
{
    size_t count;

    memset(a, 0, sizeof(*a));
    return value_is_array(v, &count) && count >= FIELDS && code_from(value_at(v, 0), &a->code) &&
           natural_from(value_at(v, 1), &a->at_ms) && operation_from(value_at(v, 2), &a->op) &&
           fingerprint_from(value_at(v, 3), a->fingerprint) &&
           value_u32(value_at(v, 4), &a->show) && subject_from(value_at(v, 5), a) &&
           optional_available_from(value_at(v, 6), a) && value_uint(value_at(v, 7), &a->detail) &&
           more_from(v, count, a);
}

/* One of those that may be missing: at the end, or nil where a later version has more behind it. */
static bool has_element(struct value v, size_t count, size_t at)
{
    return at < count && !value_is_nil(value_at(v, at));
}

/* What stands behind the fields. A str must be whole bookings, so that whoever reads them later
 * need not fear. */
static bool more_from(struct value v, size_t count, struct answer *a)
{
    static struct booking bookings[PARTS_MAX];
    size_t others;

    if (!has_element(v, count, FIELDS))
        return true;
    struct value more = value_at(v, FIELDS);
    if (a->op == OP_ADMIN && a->code != CODE_SEAT_TAKEN)
        return value_str(more, &a->told) && a->told.len > 0 && a->told.len <= SETTINGS_BYTES_MAX &&
               text_is_utf8(a->told);
    if (a->op != OP_SEVERAL)
        return seats_from(more, &a->conflicts);
    if (!a->has_booking)
        return value_u32(more, &a->refused_show) && a->refused_show != 0 &&
               (!has_element(v, count, FIELDS + 1) ||
                seats_from(value_at(v, FIELDS + 1), &a->conflicts));
    return value_str(more, &a->others) &&
           bookings_read(a->others, bookings, PARTS_MAX, &others) == ERR_NONE && others > 0;
}

static bool code_from(struct value v, enum code *code)
{
    uint32_t number;

    if (!value_u32(v, &number) || code_name((enum code)number) == NULL)
        return false;
    *code = (enum code)number;
    return true;
}

static bool operation_from(struct value v, enum operation *op)
{
    uint32_t number;

    if (!value_u32(v, &number) || operation_name((enum operation)number) == NULL)
        return false;
    *op = (enum operation)number;
    return true;
}

static bool fingerprint_from(struct value v, unsigned char fingerprint[FINGERPRINT_BYTES])
{
    struct span s;

    if (!value_str(v, &s) || s.len != FINGERPRINT_BYTES)
        return false;
    memcpy(fingerprint, s.bytes, FINGERPRINT_BYTES);
    return true;
}

static bool subject_from(struct value v, struct answer *a)
{
    size_t count, lines;

    if (value_is_nil(v))
        return true;
    if (!value_is_array(v, &count) || count < WAITING_FIELDS)
        return false;
    /* Of a booking the seventh are its lines. */
    a->has_waiting =
        count == WAITING_FIELDS || !value_is_array(value_at(v, WAITING_FIELDS), &lines);
    a->has_booking = !a->has_waiting;
    return a->has_waiting ? waiting_is_whole(v, &a->waiting) : booking_is_whole(v, &a->booking);
}

static void waiting_pack(struct buf *b, const struct waiting *w)
{
    pack_array(b, WAITING_FIELDS);
    pack_str(b, w->id.bytes, ID_BYTES);
    pack_str(b, w->user.bytes, w->user.len);
    pack_uint(b, w->line.tier);
    pack_uint(b, w->line.quantity);
    pack_int(b, w->joined_ms);
    pack_uint(b, w->place);
}

static bool waiting_is_whole(struct value v, struct waiting *w)
{
    return id_from(value_at(v, 0), &w->id) && value_str(value_at(v, 1), &w->user) &&
           text_is_user(w->user) && value_u32(value_at(v, 2), &w->line.tier) && w->line.tier >= 1 &&
           w->line.tier <= TIERS_MAX && value_u32(value_at(v, 3), &w->line.quantity) &&
           w->line.quantity >= 1 && w->line.quantity <= QUANTITY_MAX &&
           natural_from(value_at(v, 4), &w->joined_ms) && value_u32(value_at(v, 5), &w->place);
}

static bool optional_available_from(struct value v, struct answer *a)
{
    a->has_available = !value_is_nil(v);
    return !a->has_available || natural_from(v, &a->available);
}

static bool booking_is_whole(struct value v, struct booking *booking)
{
    size_t count;

    booking->seats = booking->seat_ids = (struct span){NULL, 0};
    return value_is_array(v, &count) && count >= BOOKING_FIELDS &&
           id_from(value_at(v, 0), &booking->id) && value_str(value_at(v, 1), &booking->user) &&
           text_is_user(booking->user) && state_from(value_at(v, 2), &booking->state) &&
           natural_from(value_at(v, 3), &booking->created_ms) &&
           natural_from(value_at(v, 4), &booking->expires_ms) &&
           natural_from(value_at(v, 5), &booking->amount) && lines_from(value_at(v, 6), booking) &&
           (!has_element(v, count, BOOKING_FIELDS) ||
            seats_from(value_at(v, BOOKING_FIELDS), &booking->seats));
}

static bool id_from(struct value v, struct id *id)
{
    struct span s;

    if (!value_str(v, &s) || s.len != ID_BYTES)
        return false;
    memcpy(id->bytes, s.bytes, ID_BYTES);
    return true;
}

static bool state_from(struct value v, enum state *state)
{
    uint32_t number;

    if (!value_u32(v, &number) || state_name((enum state)number) == NULL)
        return false;
    *state = (enum state)number;
    return true;
}

/* Times, money and counts are never negative. */
static bool natural_from(struct value v, int64_t *n)
{
    return value_int(v, n) && *n >= 0;
}

/* A line may have come down to 0 places where a booking was cancelled in part. */
static bool lines_from(struct value v, struct booking *booking)
{
    if (!value_is_array(v, &booking->lines) || booking->lines < 1 || booking->lines > LINES_MAX)
        return false;
    for (size_t i = 0; i < booking->lines; i++) {
        struct value of = value_at(v, i);
        struct booking_line *line = &booking->line[i];
        size_t count;

        if (!value_is_array(of, &count) || count < LINE_FIELDS ||
            !value_u32(value_at(of, 0), &line->tier) || line->tier < 1 || line->tier > TIERS_MAX ||
            !value_u32(value_at(of, 1), &line->quantity) || line->quantity > QUANTITY_MAX ||
            !natural_from(value_at(of, 2), &line->price) || line->price > PRICE_MAX)
            return false;
    }
    return true;
}

/* One that is there is not empty. */
static bool seats_from(struct value v, struct span *seats)
{
    return value_str(v, seats) && seats->len > 0 && seats_are_right(*seats);
}
