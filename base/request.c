#include "request.h"

#include <assert.h>
#include <string.h>

#include "codec.h"
#include "digest.h"
#include "seats.h"
#include "text.h"

#define FIELDS 9
#define LINE_FIELDS 2
/* More than [op, show, user, arguments] can take. */
#define ASKED_BYTES_MAX                                                                            \
    (USER_BYTES_MAX + (LINES_MAX + PARTS_MAX) * 24 + BOOKING_SEATS_MAX * SEAT_POSITION_BYTES +     \
     METHOD_BYTES_MAX + REFERENCE_BYTES_MAX + REASON_BYTES_MAX + ACTION_BYTES_MAX +                \
     SETTINGS_BYTES_MAX + 64)

static void arguments_pack(struct buf *b, const struct request *r);
static bool request_from(struct value v, struct request *r);
static bool operation_from(struct value v, enum operation *op);
static bool user_from(struct value v, struct request *r);
static bool arguments_from(struct value v, struct request *r);
static bool admission_from(struct value v, struct request *r);
static bool settlement_from(struct value v, struct request *r);
static bool admin_from(struct value v, struct request *r);
static bool lines_from(struct value v, size_t count, struct request *r);
static bool line_from(struct value of, struct line *line);
static bool seats_from(struct value v, struct span *seats);
static bool several_from(struct value v, struct request *r);
static bool part_from(struct value of, struct line *part);
static bool bytes_from(struct value v, void *bytes, size_t n);
static bool short_text_from(struct value v, size_t bytes_max, struct span *text);

bool op_takes(enum operation op)
{
    return op == OP_BOOK || op == OP_HOLD;
}

bool op_changes(enum operation op)
{
    return op == OP_CONFIRM || op == OP_CANCEL || op == OP_EXTEND || op == OP_PAY ||
           op == OP_SETTLE || op == OP_LEAVE;
}

bool request_names_booking(const struct request *r)
{
    return op_changes(r->op) || (r->op == OP_ADMIN && r->has_booking);
}

void request_pack(struct buf *b, const struct request *r)
{
    pack_array(b, FIELDS + (r->admission > 0));
    pack_str(b, r->id.bytes, ID_BYTES);
    pack_uint(b, r->op);
    pack_uint(b, r->show);
    pack_str(b, r->user.bytes, r->user.len);
    pack_int(b, r->deadline_ms);
    pack_str(b, r->fingerprint, FINGERPRINT_BYTES);
    pack_str(b, r->reply_to.bytes, r->reply_to.len);
    pack_str(b, r->trace.bytes, r->trace.len);
    arguments_pack(b, r);
    if (r->admission == 0)
        return;
    pack_array(b, 2);
    pack_uint(b, r->admission);
    pack_int(b, r->admitted_ms);
}

void request_set_fingerprint(struct request *r)
{
    static struct buf asked; /* keeps its memory: this runs for every request */
    unsigned char digest[DIGEST_BYTES];
    struct span whole;

    if (asked.max == 0)
        buf_init(&asked, ASKED_BYTES_MAX);
    buf_reset(&asked);
    pack_array(&asked, 4);
    pack_uint(&asked, r->op);
    pack_uint(&asked, r->show);
    pack_str(&asked, r->user.bytes, r->user.len);
    arguments_pack(&asked, r);
    assert(!asked.failed);
    whole = buf_span(&asked);
    digest_sha256(&whole, 1, digest);
    memcpy(r->fingerprint, digest, FINGERPRINT_BYTES);
}

enum err entry_read(struct span bytes, struct request *requests, size_t max, size_t *count)
{
    struct tree tree;
    struct value root;
    size_t weight = 0;
    enum err err = ERR_NONE;

    if (bytes.len > ENTRY_BYTES_MAX)
        return ERR_INPUT;
    TRY(tree_read(&tree, bytes.bytes, bytes.len));
    root = tree_root(&tree);
    if (!value_is_array(root, count) || *count == 0)
        err = ERR_INPUT;
    else if (*count > max)
        err = ERR_BOUND;
    for (size_t i = 0; err == ERR_NONE && i < *count; i++) {
        if (!request_from(value_at(root, i), &requests[i]))
            err = ERR_INPUT;
        else if ((weight += request_weight(&requests[i])) > max)
            err = ERR_BOUND;
    }
    tree_free(&tree);
    return err;
}

size_t request_weight(const struct request *r)
{
    if (r->op == OP_ADMIN)
        return BATCH_REQUESTS_MAX;
    return r->op == OP_SEVERAL ? r->parts : 1;
}

size_t request_parts_of_show(const struct request *r, size_t at)
{
    size_t n = 1;

    while (at + n < r->parts && r->part[at + n].show == r->part[at].show)
        n++;
    return n;
}

static void several_pack(struct buf *b, const struct request *r)
{
    pack_array(b, 2);
    pack_uint(b, r->take);
    pack_array(b, r->parts);
    for (size_t i = 0; i < r->parts; i++) {
        const struct show_line *part = &r->part[i];
        pack_array(b, 3 + (part->seats.len > 0));
        pack_uint(b, part->show);
        pack_uint(b, part->line.tier);
        pack_uint(b, part->line.quantity);
        if (part->seats.len > 0)
            pack_str(b, part->seats.bytes, part->seats.len);
    }
}

static void arguments_pack(struct buf *b, const struct request *r)
{
    switch (r->op) {
    case OP_BOOK:
    case OP_HOLD:
        pack_array(b, r->lines + (r->seats.len > 0));
        for (size_t i = 0; i < r->lines; i++) {
            pack_array(b, LINE_FIELDS);
            pack_uint(b, r->line[i].tier);
            pack_uint(b, r->line[i].quantity);
        }
        if (r->seats.len > 0)
            pack_str(b, r->seats.bytes, r->seats.len);
        return;
    case OP_JOIN:
        pack_array(b, 2);
        pack_uint(b, r->line[0].tier);
        pack_uint(b, r->line[0].quantity);
        return;
    case OP_CONFIRM:
    case OP_EXTEND:
    case OP_LEAVE:
        pack_array(b, 1);
        pack_str(b, r->booking.bytes, ID_BYTES);
        return;
    case OP_CANCEL:
        pack_array(b, 3 + (r->seats.len > 0));
        pack_str(b, r->booking.bytes, ID_BYTES);
        pack_uint(b, r->line[0].tier);
        pack_uint(b, r->line[0].quantity);
        if (r->seats.len > 0)
            pack_str(b, r->seats.bytes, r->seats.len);
        return;
    case OP_PAY:
        pack_array(b, 2);
        pack_str(b, r->booking.bytes, ID_BYTES);
        pack_str(b, r->method.bytes, r->method.len);
        return;
    case OP_SETTLE:
        pack_array(b, 5);
        pack_str(b, r->booking.bytes, ID_BYTES);
        pack_str(b, r->payment.bytes, ID_BYTES);
        pack_uint(b, r->result);
        pack_str(b, r->reference.bytes, r->reference.len);
        pack_str(b, r->reason.bytes, r->reason.len);
        return;
    case OP_REFRESH:
        pack_array(b, 0);
        return;
    case OP_ADMIN:
        pack_array(b, 3);
        pack_str(b, r->action.bytes, r->action.len);
        pack_str(b, r->settings.bytes, r->settings.len);
        pack_str(b, r->booking.bytes, r->has_booking ? ID_BYTES : 0);
        return;
    case OP_SEVERAL:
        several_pack(b, r);
        return;
    }
    assert(!"an operation");
}

static bool request_from(struct value v, struct request *r)
{
    size_t count;

    memset(r, 0, sizeof(*r));
    return value_is_array(v, &count) && (count == FIELDS || count == FIELDS + 1) &&
           bytes_from(value_at(v, 0), r->id.bytes, ID_BYTES) &&
           operation_from(value_at(v, 1), &r->op) && value_u32(value_at(v, 2), &r->show) &&
           r->show >= 1 && r->show <= INT32_MAX && user_from(value_at(v, 3), r) &&
           value_int(value_at(v, 4), &r->deadline_ms) && r->deadline_ms >= 0 &&
           bytes_from(value_at(v, 5), r->fingerprint, FINGERPRINT_BYTES) &&
           short_text_from(value_at(v, 6), GATEWAY_NAME_BYTES_MAX, &r->reply_to) &&
           short_text_from(value_at(v, 7), TRACE_BYTES_MAX, &r->trace) &&
           arguments_from(value_at(v, 8), r) &&
           (count == FIELDS || admission_from(value_at(v, FIELDS), r));
}

static bool admission_from(struct value v, struct request *r)
{
    size_t count;

    return (op_takes(r->op) || r->op == OP_SEVERAL) && value_is_array(v, &count) && count == 2 &&
           value_u32(value_at(v, 0), &r->admission) && r->admission >= 1 &&
           r->admission <= ROOM_PEOPLE_MAX && value_int(value_at(v, 1), &r->admitted_ms) &&
           r->admitted_ms >= 0;
}

static bool operation_from(struct value v, enum operation *op)
{
    uint32_t number;

    if (!value_u32(v, &number) || operation_name((enum operation)number) == NULL)
        return false;
    *op = (enum operation)number;
    return true;
}

/* Whoever takes places must be named; who has a booking's id may act on it. */
static bool user_from(struct value v, struct request *r)
{
    bool must = op_takes(r->op) || r->op == OP_SEVERAL || r->op == OP_JOIN || r->op == OP_ADMIN;

    return value_str(v, &r->user) && (text_is_user(r->user) || (r->user.len == 0 && !must));
}

static bool arguments_from(struct value v, struct request *r)
{
    size_t count;

    if (!value_is_array(v, &count))
        return false;
    switch (r->op) {
    case OP_BOOK:
    case OP_HOLD:
        return count > 0 && lines_from(v, count - seats_from(value_at(v, count - 1), &r->seats), r);
    case OP_JOIN:
        r->lines = 1;
        return count == 2 && line_from(v, &r->line[0]);
    case OP_CONFIRM:
    case OP_EXTEND:
    case OP_LEAVE:
        return count == 1 && bytes_from(value_at(v, 0), r->booking.bytes, ID_BYTES);
    case OP_CANCEL:
        return (count == 3 || (count == 4 && seats_from(value_at(v, 3), &r->seats))) &&
               bytes_from(value_at(v, 0), r->booking.bytes, ID_BYTES) &&
               part_from(v, &r->line[0]) &&
               (count == 3 || (r->line[0].tier == 0 && r->line[0].quantity == 0));
    case OP_PAY:
        return count == 2 && bytes_from(value_at(v, 0), r->booking.bytes, ID_BYTES) &&
               short_text_from(value_at(v, 1), METHOD_BYTES_MAX, &r->method);
    case OP_SETTLE:
        return count == 5 && settlement_from(v, r);
    case OP_REFRESH:
        return count == 0;
    case OP_ADMIN:
        return count == 3 && admin_from(v, r);
    case OP_SEVERAL:
        return count == 2 && several_from(v, r);
    }
    return false;
}

static bool settlement_from(struct value v, struct request *r)
{
    uint32_t result;

    if (!bytes_from(value_at(v, 0), r->booking.bytes, ID_BYTES) ||
        !bytes_from(value_at(v, 1), r->payment.bytes, ID_BYTES) ||
        !value_u32(value_at(v, 2), &result) || result_name((enum result)result) == NULL)
        return false;
    r->result = (enum result)result;
    return short_text_from(value_at(v, 3), REFERENCE_BYTES_MAX, &r->reference) &&
           short_text_from(value_at(v, 4), REASON_BYTES_MAX, &r->reason);
}

static bool admin_from(struct value v, struct request *r)
{
    struct span booking;

    if (!short_text_from(value_at(v, 0), ACTION_BYTES_MAX, &r->action) || r->action.len == 0 ||
        !short_text_from(value_at(v, 1), SETTINGS_BYTES_MAX, &r->settings) ||
        !value_str(value_at(v, 2), &booking))
        return false;
    r->has_booking = booking.len > 0;
    return !r->has_booking || bytes_from(value_at(v, 2), r->booking.bytes, ID_BYTES);
}

static bool line_from(struct value of, struct line *line)
{
    size_t count;

    return value_is_array(of, &count) && count == LINE_FIELDS &&
           value_u32(value_at(of, 0), &line->tier) && line->tier >= 1 && line->tier <= TIERS_MAX &&
           value_u32(value_at(of, 1), &line->quantity) && line->quantity >= 1 &&
           line->quantity <= QUANTITY_MAX;
}

/* One list, not empty, at the end of the arguments. */
static bool seats_from(struct value v, struct span *seats)
{
    return value_str(v, seats) && seats->len > 0 && seats_are_right(*seats);
}

static bool lines_from(struct value v, size_t count, struct request *r)
{
    uint64_t seen = 0; /* a bit for each tier; TIERS_MAX is below 64 */

    r->lines = count;
    if (r->lines < 1 || r->lines > LINES_MAX)
        return false;
    for (size_t i = 0; i < r->lines; i++) {
        struct line *line = &r->line[i];
        if (!line_from(value_at(v, i), line) || (seen >> line->tier & 1) != 0)
            return false;
        seen |= UINT64_C(1) << line->tier;
    }
    return true;
}

static bool row_from(struct value v, struct show_line *part)
{
    size_t count;

    return value_is_array(v, &count) &&
           (count == 3 || (count == 4 && seats_from(value_at(v, 3), &part->seats))) &&
           value_u32(value_at(v, 0), &part->show) && part->show >= 1 && part->show <= INT32_MAX &&
           value_u32(value_at(v, 1), &part->line.tier) && part->line.tier >= 1 &&
           part->line.tier <= TIERS_MAX && value_u32(value_at(v, 2), &part->line.quantity) &&
           part->line.quantity >= 1 && part->line.quantity <= QUANTITY_MAX;
}

/* Row `at` comes behind the one before it: the request's own show first, then by number. */
static bool row_is_in_order(const struct request *r, size_t at)
{
    const struct show_line *part = &r->part[at], *last = &r->part[at - 1];

    if (part->show == last->show)
        return part->line.tier > last->line.tier && part->seats.len == 0;
    return part->show != r->show && (last->show == r->show || part->show > last->show);
}

static bool several_from(struct value v, struct request *r)
{
    struct value rows = value_at(v, 1);
    size_t seats = 0;

    if (!operation_from(value_at(v, 0), &r->take) || (r->take != OP_BOOK && r->take != OP_HOLD) ||
        !value_is_array(rows, &r->parts) || r->parts < 2 || r->parts > PARTS_MAX)
        return false;
    for (size_t i = 0; i < r->parts; i++)
        if (!row_from(value_at(rows, i), &r->part[i]) ||
            (i == 0 ? r->part[i].show != r->show : !row_is_in_order(r, i)))
            return false;
    for (size_t i = 0; i < r->parts; i += request_parts_of_show(r, i)) {
        seats += seats_count(r->part[i].seats);
        if (request_parts_of_show(r, i) > LINES_MAX || seats > BOOKING_SEATS_MAX)
            return false;
    }
    return r->part[r->parts - 1].show != r->show;
}

/* What CANCEL gives back: the second and third of its arguments, both of which may be 0. */
static bool part_from(struct value of, struct line *part)
{
    return value_u32(value_at(of, 1), &part->tier) && part->tier <= TIERS_MAX &&
           value_u32(value_at(of, 2), &part->quantity) && part->quantity <= QUANTITY_MAX;
}

static bool bytes_from(struct value v, void *bytes, size_t n)
{
    struct span s;

    if (!value_str(v, &s) || s.len != n)
        return false;
    memcpy(bytes, s.bytes, n);
    return true;
}

static bool short_text_from(struct value v, size_t bytes_max, struct span *text)
{
    return value_str(v, text) && text->len <= bytes_max && text_is_utf8(*text) &&
           !text_has_control(*text);
}
