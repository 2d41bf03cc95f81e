#include <stdio.h>

#include "base/digest.h"
#include "gateway/signature.h"
#include "tests/unit/unit.h"

#define NOW 1767225600

/* The field of a body signed at a time by a secret. */
static const char *signed_at(int64_t at_s, const char *body, const char *secret)
{
    static char field[256];
    char text[256];
    unsigned char digest[DIGEST_BYTES];

    snprintf(text, sizeof text, "%lld.%s", (long long)at_s, body);
    digest_hmac_sha256(span_of(secret), span_of(text), digest);
    int n = snprintf(field, sizeof field, "t=%lld,v0=feed,v1=", (long long)at_s);
    for (int i = 0; i < DIGEST_BYTES; i++)
        n += snprintf(field + n, sizeof field - (size_t)n, "%02x", digest[i]);
    return field;
}

static bool is_right(const char *field, const char *body, const char *secrets)
{
    struct guarded g = guarded_copy(span_of(field));
    bool right = signature_is_right(g.span, span_of(body), span_of(secrets), NOW);

    guarded_free(&g);
    return right;
}

TEST(who_knows_the_secret_is_heard)
{
    assert_true(is_right(signed_at(NOW, "{}", "whsec"), "{}", "whsec"));
    assert_true(is_right(signed_at(NOW - 299, "{}", "old"), "{}", "new,old"));
    assert_true(is_right(signed_at(NOW + 299, "{}", "new"), "{}", "new, old"));
}

TEST(nobody_else_is)
{
    assert_false(is_right(signed_at(NOW, "{}", "other"), "{}", "whsec"));
    assert_false(is_right(signed_at(NOW, "{}", "whsec"), "{ }", "whsec"));
    assert_false(is_right(signed_at(NOW, "{}", ""), "{}", ""));
    assert_false(is_right(signed_at(NOW, "{}", ""), "{}", ",,"));
    assert_false(is_right(signed_at(NOW - 301, "{}", "whsec"), "{}", "whsec"));
    assert_false(is_right(signed_at(NOW + 301, "{}", "whsec"), "{}", "whsec"));
}

TEST(what_is_no_signature_is_none)
{
    static const char *const fields[] = {"",
                                         ",",
                                         "t=",
                                         "t=1767225600",
                                         "v1=",
                                         "t=x,v1=00",
                                         "t=1767225600,v1=00",
                                         "t=-1,v1=00",
                                         "t=99999999999999999999,v1=00",
                                         "v1",
                                         "t",
                                         ",,,,,,,,,,,,,,"};

    for (size_t i = 0; i < COUNT(fields); i++)
        assert_false(is_right(fields[i], "{}", "whsec"));
}

int main(void)
{
    return RUN(cmocka_unit_test(who_knows_the_secret_is_heard), cmocka_unit_test(nobody_else_is),
               cmocka_unit_test(what_is_no_signature_is_none));
}
