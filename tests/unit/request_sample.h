/* A request of every operation, and entries of them, for tests of base/request.h. */
#ifndef USHER_TESTS_UNIT_REQUEST_SAMPLE_H
#define USHER_TESTS_UNIT_REQUEST_SAMPLE_H

#include "base/codec.h"
#include "base/request.h"
#include "base/seats.h"
#include "tests/unit/unit.h"

#define OPERATIONS_END (OP_ADMIN + 1)
#define TRACE "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"

static inline struct request sample(enum operation op)
{
    struct request r = {
        .id = id_fresh(7, ID_EPOCH_MS + 1000, 30000, 42),
        .op = op,
        .show = 7,
        .user = SPAN("Zo\xc3\xab"),
        .deadline_ms = 1767225600000,
        .fingerprint = "\x00\xff"
                       "345678",
        .reply_to = SPAN("gateway-1"),
        .trace = SPAN(TRACE),
    };

    switch (op) {
    case OP_BOOK:
    case OP_HOLD:
        r.lines = 2;
        r.line[0] = (struct line){1, 3};
        r.line[1] = (struct line){TIERS_MAX, QUANTITY_MAX};
        break;
    case OP_JOIN:
        r.lines = 1;
        r.line[0] = (struct line){3, 2};
        break;
    case OP_CONFIRM:
    case OP_EXTEND:
    case OP_LEAVE:
        r.booking = id_fresh(7, ID_EPOCH_MS, 30000, 41);
        break;
    case OP_CANCEL:
        r.booking = id_fresh(7, ID_EPOCH_MS, 30000, 41);
        r.line[0] = (struct line){2, 1};
        break;
    case OP_PAY:
        r.booking = id_fresh(7, ID_EPOCH_MS, 30000, 41);
        r.method = SPAN("pm_1");
        break;
    case OP_SETTLE:
        r.booking = id_fresh(7, ID_EPOCH_MS, 30000, 41);
        r.payment = id_fresh(7, ID_EPOCH_MS, 30000, 40);
        r.result = RESULT_FAILED;
        r.reference = SPAN("pi_1");
        r.reason = SPAN("card_declined");
        break;
    case OP_REFRESH:
        break;
    case OP_ADMIN:
        r.action = SPAN("booking.cancel");
        r.settings = SPAN("{\"reason\":\"rain\"}");
        r.booking = id_fresh(7, ID_EPOCH_MS, 30000, 41);
        r.has_booking = true;
        break;
    case OP_SEVERAL:
        r.take = OP_HOLD;
        r.parts = 4;
        r.part[0] =
            (struct show_line){.show = 7, .line = {2, 1}, .seats = BYTES("\0\0\0\1\0\0\0\2")};
        r.part[1] = (struct show_line){.show = 7, .line = {3, 1}};
        r.part[2] = (struct show_line){.show = 5, .line = {1, QUANTITY_MAX}};
        r.part[3] = (struct show_line){.show = 9, .line = {1, 2}, .seats = BYTES("\0\0\0\7")};
        break;
    }
    return r;
}

static inline void assert_same(const struct request *a, const struct request *b)
{
    assert_true(id_equal(a->id, b->id));
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->show, b->show);
    assert_span(a->user, b->user);
    assert_true(a->deadline_ms == b->deadline_ms);
    assert_memory_equal(a->fingerprint, b->fingerprint, FINGERPRINT_BYTES);
    assert_span(a->reply_to, b->reply_to);
    assert_span(a->trace, b->trace);
    assert_int_equal(a->lines, b->lines);
    assert_memory_equal(a->line, b->line, sizeof(a->line));
    assert_true(id_equal(a->booking, b->booking));
    assert_span(a->seats, b->seats);
    assert_int_equal(a->take, b->take);
    assert_int_equal(a->parts, b->parts);
    for (size_t i = 0; i < a->parts; i++) {
        assert_int_equal(a->part[i].show, b->part[i].show);
        assert_memory_equal(&a->part[i].line, &b->part[i].line, sizeof(a->part[i].line));
        assert_span(a->part[i].seats, b->part[i].seats);
    }
    assert_span(a->method, b->method);
    assert_true(id_equal(a->payment, b->payment));
    assert_int_equal(a->result, b->result);
    assert_span(a->reference, b->reference);
    assert_span(a->reason, b->reason);
}

/* An entry of one request; owned by the caller. */
static inline struct buf entry_of(const struct request *r)
{
    struct buf b;

    buf_init(&b, ENTRY_BYTES_MAX);
    pack_array(&b, 1);
    request_pack(&b, r);
    assert_false(b.failed);
    return b;
}

static inline enum err read_one(struct span s)
{
    static struct request r[BATCH_REQUESTS_MAX]; /* room for one that stands alone */
    struct guarded g = guarded_copy(s);
    size_t count = 0;
    enum err err = entry_read(g.span, r, BATCH_REQUESTS_MAX, &count);

    guarded_free(&g);
    return err;
}

static inline enum err written_and_read(const struct request *r)
{
    struct buf b = entry_of(r);
    enum err err = read_one(buf_span(&b));

    buf_free(&b);
    return err;
}

static inline void is_refused(struct span s)
{
    assert_int_equal(read_one(s), ERR_INPUT);
}

/* Some seats, packed: the first n of them. */
static const char sample_positions[] = "\0\0\0\1\0\0\0\2\0\3\0\1";
#define SEATS(n) ((struct span){sample_positions, 4 * (n)})

#endif
