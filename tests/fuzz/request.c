/* Entries of the stream. What is taken is within bounds, and comes back the same when packed. */
#include "base/request.h"

#include "base/codec.h"
#include "base/seats.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

static void check_bounds(const struct request *r)
{
    CHECK(r->show >= 1 && r->deadline_ms >= 0 && operation_name(r->op) != NULL);
    CHECK(r->user.len == 0 || text_is_user(r->user));
    CHECK(r->reply_to.len <= GATEWAY_NAME_BYTES_MAX && r->trace.len <= TRACE_BYTES_MAX);
    if (r->op == OP_SEVERAL)
        CHECK(r->user.len > 0 && r->parts >= 2 && r->parts <= PARTS_MAX &&
              r->part[0].show == r->show && (r->take == OP_BOOK || r->take == OP_HOLD));
    if (r->op == OP_JOIN)
        CHECK(r->user.len > 0 && r->lines == 1 && r->line[0].tier >= 1 &&
              r->line[0].tier <= TIERS_MAX && r->line[0].quantity >= 1 &&
              r->line[0].quantity <= QUANTITY_MAX);
    if (r->op == OP_PAY)
        CHECK(r->method.len <= METHOD_BYTES_MAX);
    if (r->op == OP_SETTLE)
        CHECK(r->user.len == 0 && r->result >= RESULT_SUCCEEDED && r->result <= RESULT_GIVEN_UP &&
              r->reference.len <= REFERENCE_BYTES_MAX && r->reason.len <= REASON_BYTES_MAX);
    if (r->op == OP_ADMIN)
        CHECK(r->user.len > 0 && r->action.len > 0 && r->action.len <= ACTION_BYTES_MAX &&
              r->settings.len <= SETTINGS_BYTES_MAX && text_is_utf8(r->settings));
    if (r->op != OP_BOOK && r->op != OP_HOLD)
        return;
    CHECK(r->user.len > 0 && r->lines >= 1 && r->lines <= LINES_MAX);
    for (size_t i = 0; i < r->lines; i++) {
        CHECK(r->line[i].tier >= 1 && r->line[i].tier <= TIERS_MAX);
        CHECK(r->line[i].quantity >= 1 && r->line[i].quantity <= QUANTITY_MAX);
        for (size_t j = 0; j < i; j++)
            CHECK(r->line[i].tier != r->line[j].tier);
    }
    CHECK(seats_are_right(r->seats));
    CHECK(r->seats.len == 0 || r->op == OP_BOOK || r->op == OP_HOLD || r->op == OP_CANCEL);
}

/* The fingerprint is of what is asked, not of who waits for it, or when. */
static void check_fingerprint(const struct request *r)
{
    struct request a = *r, b = *r;

    b.deadline_ms = 1;
    b.reply_to = b.trace = (struct span){"x", 1};
    memset(b.id.bytes, 7, ID_BYTES);
    request_set_fingerprint(&a);
    request_set_fingerprint(&b);
    CHECK(memcmp(a.fingerprint, b.fingerprint, FINGERPRINT_BYTES) == 0);
    b.show++;
    request_set_fingerprint(&b);
    CHECK(memcmp(a.fingerprint, b.fingerprint, FINGERPRINT_BYTES) != 0);
}

static void pack(struct buf *b, const struct request *requests, size_t count)
{
    buf_init(b, ENTRY_BYTES_MAX);
    pack_array(b, count);
    for (size_t i = 0; i < count; i++)
        request_pack(b, &requests[i]);
    CHECK(!b->failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request requests[BATCH_REQUESTS_MAX], again[BATCH_REQUESTS_MAX];
    size_t count, count_again;
    struct buf first, second;

    if (entry_read(fuzz_span(data, size), requests, BATCH_REQUESTS_MAX, &count) != ERR_NONE)
        return 0;
    CHECK(count >= 1 && count <= BATCH_REQUESTS_MAX);
    CHECK(entry_read(fuzz_span(data, size), again, count - 1, &count_again) == ERR_BOUND);
    for (size_t i = 0; i < count; i++) {
        check_bounds(&requests[i]);
        check_fingerprint(&requests[i]);
    }
    pack(&first, requests, count);
    CHECK(first.len <= size);
    CHECK(entry_read(buf_span(&first), again, BATCH_REQUESTS_MAX, &count_again) == ERR_NONE);
    CHECK(count_again == count);
    pack(&second, again, count);
    CHECK(span_equal(buf_span(&first), buf_span(&second)));
    buf_free(&first);
    buf_free(&second);
    return 0;
}
