#include "base/settlement.h"
#include "tests/unit/unit.h"

static struct request settlement(enum result result, const char *reason)
{
    struct request r = {.booking = id_keyed(7, SPAN("ann"), SPAN("book"), SPAN("1")),
                        .payment = id_keyed(7, SPAN("ann"), SPAN("pay"), SPAN("1")),
                        .result = result,
                        .reference = SPAN("pi_1"),
                        .reason = span_of(reason),
                        .reply_to = SPAN("gateway-1"),
                        .trace = SPAN("")};

    settlement_name(&r, 1767225600000, 0);
    return r;
}

TEST(the_same_word_is_the_same_request)
{
    struct request a = settlement(RESULT_FAILED, "declined");
    struct request b = settlement(RESULT_FAILED, "by the webhook");

    assert_true(id_equal(a.id, b.id) && id_is_keyed(a.id));
    assert_memory_equal(a.fingerprint, b.fingerprint, FINGERPRINT_BYTES);
    assert_int_equal(a.op, OP_SETTLE);
    assert_int_equal(a.show, 7);
    assert_int_equal(id_show(a.id), 7);
    assert_span(a.reason, SPAN("declined"));
    assert_true(a.deadline_ms > 1767225600000 + INT64_C(86400000) * 365);
}

TEST(another_word_is_another_request)
{
    struct request failed = settlement(RESULT_FAILED, "");
    struct request succeeded = settlement(RESULT_SUCCEEDED, "");
    struct request again = failed;

    settlement_name(&again, 1767225600000, 1);
    assert_false(id_equal(failed.id, succeeded.id));
    assert_false(id_equal(failed.id, again.id));
}

TEST(it_is_told_under_the_booking)
{
    struct request r = settlement(RESULT_FAILED, "");
    struct id told = settlement_told_as(r.booking);

    assert_int_equal(id_show(told), 7);
    assert_false(id_equal(told, r.id) || id_equal(told, r.booking) || id_equal(told, r.payment));
    assert_false(id_equal(told, settlement_told_as(r.payment)));
}

int main(void)
{
    return RUN(cmocka_unit_test(the_same_word_is_the_same_request),
               cmocka_unit_test(another_word_is_another_request),
               cmocka_unit_test(it_is_told_under_the_booking));
}
