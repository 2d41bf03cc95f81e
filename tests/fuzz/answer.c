/* Answers, and what is said of them in JSON. What is taken comes back the same when packed. */
#include "base/answer.h"

#include "base/text.h"
#include "tests/fuzz/fuzz.h"

static void check_bounds(const struct answer *a)
{
    CHECK(code_name(a->code) != NULL && operation_name(a->op) != NULL && a->at_ms >= 0);
    CHECK(code_status(a->code) >= 200 && code_status(a->code) < 600);
    CHECK(!a->has_available || a->available >= 0);
    CHECK(!a->has_waiting || !a->has_booking);
    if (a->has_waiting) {
        const struct waiting *w = &a->waiting;
        CHECK(text_is_user(w->user) && w->joined_ms >= 0);
        CHECK(w->line.tier >= 1 && w->line.tier <= TIERS_MAX);
        CHECK(w->line.quantity >= 1 && w->line.quantity <= QUANTITY_MAX);
    }
    if (!a->has_booking)
        return;
    const struct booking *b = &a->booking;
    CHECK(text_is_user(b->user) && state_name(b->state) != NULL);
    CHECK(b->created_ms >= 0 && b->expires_ms >= 0 && b->amount >= 0);
    CHECK(b->lines >= 1 && b->lines <= LINES_MAX);
    CHECK(booking_quantity(b) <= LINES_MAX * QUANTITY_MAX);
    for (size_t i = 0; i < b->lines; i++) {
        CHECK(b->line[i].tier >= 1 && b->line[i].tier <= TIERS_MAX);
        CHECK(b->line[i].price >= 0 && b->line[i].price <= PRICE_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answer a, again;
    struct buf first, second;

    if (answer_read(fuzz_span(data, size), &a) != ERR_NONE)
        return 0;
    check_bounds(&a);
    buf_init(&first, 65536);
    buf_init(&second, 65536);
    answer_pack(&first, &a);
    CHECK(!first.failed && first.len <= size);
    CHECK(answer_read(buf_span(&first), &again) == ERR_NONE);
    answer_pack(&second, &again);
    CHECK(span_equal(buf_span(&first), buf_span(&second)));
    CHECK(a.code == again.code && a.show == again.show && a.detail == again.detail);
    buf_free(&first);
    buf_free(&second);
    return 0;
}
