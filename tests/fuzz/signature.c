/*
 * Signatures of webhooks. The input is a field, a body and secrets, each up to a NUL. Nobody who
 * does not know the secret makes one that is right; what was signed is right by either of two
 * secrets, whatever else stands behind it, for as long as it counts, and for this body alone.
 */
#include "gateway/signature.h"

#include <inttypes.h>

#include "base/digest.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

#define NOW_S INT64_C(1777777777)
#define SIGNED_BYTES_MAX 65536
static const char secret[] = "whsec_that_no_input_has";

/* "t=<at>,v1=<hex>" */
static void sign(struct buf *field, struct span body, int64_t at_s)
{
    unsigned char mac[DIGEST_BYTES];
    struct buf text;

    buf_init(&text, SIGNED_BYTES_MAX);
    buf_putf(&text, "%" PRId64 ".", at_s);
    buf_put(&text, body.bytes, body.len);
    CHECK(!text.failed);
    digest_hmac_sha256(span_of(secret), buf_span(&text), mac);
    buf_free(&text);
    buf_putf(field, "t=%" PRId64 ",v1=", at_s);
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        buf_putf(field, "%02x", mac[i]);
}

static bool is_right(const struct buf *field, struct span body, const char *secrets, int64_t now_s)
{
    return signature_is_right(buf_span(field), body, span_of(secrets), now_s);
}

static void check_signed(struct span body, struct span more)
{
    char both[sizeof(secret) + 8];
    struct buf field;

    buf_init(&field, SIGNED_BYTES_MAX);
    sign(&field, body, NOW_S);
    snprintf(both, sizeof both, "old, %s", secret);
    CHECK(is_right(&field, body, secret, NOW_S) && is_right(&field, body, both, NOW_S));
    CHECK(is_right(&field, body, secret, NOW_S + SIGNATURE_AGE_S_MAX));
    CHECK(!is_right(&field, body, secret, NOW_S + SIGNATURE_AGE_S_MAX + 1));
    CHECK(!is_right(&field, body, secret, NOW_S - SIGNATURE_AGE_S_MAX - 1));
    CHECK(!is_right(&field, body, "old", NOW_S) && !is_right(&field, body, "", NOW_S));
    if (body.len > 0)
        CHECK(!is_right(&field, (struct span){body.bytes, body.len - 1}, secret, NOW_S));
    buf_putc(&field, ',');
    buf_put(&field, more.bytes, more.len);
    CHECK(!field.failed && is_right(&field, body, secret, NOW_S));
    buf_free(&field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = fuzz_span(data, size);

    if (size > SIGNED_BYTES_MAX / 4)
        return 0;
    struct span field = text_cut(&rest, '\0'), body = text_cut(&rest, '\0');
    CHECK(!signature_is_right(field, body, span_of(secret), NOW_S));
    signature_is_right(field, body, rest, NOW_S);
    check_signed(body, field);
    return 0;
}
