/*
 * Bearer tokens, JWK sets, and what proxies say. The first byte says what the rest is read as.
 * Nothing that is made up is taken for signed; what is signed here is read as it was written.
 */
#include "gateway/token.h"

#include "base/base64.h"
#include "base/digest.h"
#include "gateway/keyring.h"
#include "gateway/origin.h"
#include "tests/fuzz/fuzz.h"

#define SECRET "a secret that has thirty-two bytes"
#define SET                                                                                        \
    "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"k\",\"alg\":\"HS256\","                                 \
    "\"k\":\"YSBzZWNyZXQgdGhhdCBoYXMgdGhpcnR5LXR3byBieXRlcw\"}]}"
#define HEAD "{\"alg\":\"HS256\",\"kid\":\"k\"}"
#define TOKEN_BYTES_MAX 65536

static const struct token_rules rules = {
    .issuer = "", .audience = "", .leeway_s = 10, .role_claim = "role", .admin_role = "admin"};

static const struct keyring *our_keys(void)
{
    static struct keyring keyring;
    char why[KEYRING_WHY_BYTES];

    if (keyring.count == 0)
        CHECK(keyring_add_set(&keyring, SPAN(SET), why));
    return &keyring;
}

static void check_claims(const struct token_claims *claims)
{
    CHECK(claims->user_len >= 1 && claims->user_len <= USER_BYTES_MAX);
    CHECK(claims->user[claims->user_len] == '\0');
    CHECK(claims->ends_s >= 10);
}

/* Whoever does not know the secret makes no token. */
static void check_forged(struct span text)
{
    struct token_claims claims;
    const char *why = token_read(our_keys(), &rules, text, &claims);

    CHECK(why != NULL);
}

static void put_part(struct buf *text, struct span part)
{
    if (text->len > 0)
        buf_putc(text, '.');
    base64url_write(text, part);
}

/* Signed rightly, over any head and claims. */
static void check_signed(struct span head, struct span claims)
{
    unsigned char digest[DIGEST_BYTES];
    struct token_claims read;
    struct buf text;

    buf_init(&text, TOKEN_BYTES_MAX);
    put_part(&text, head);
    put_part(&text, claims);
    digest_hmac_sha256(SPAN(SECRET), buf_span(&text), digest);
    put_part(&text, (struct span){(const char *)digest, sizeof digest});
    if (token_read(our_keys(), &rules, buf_span(&text), &read) == NULL)
        check_claims(&read);
    buf_free(&text);
}

static void check_set(struct span text)
{
    struct keyring keyring = {0};
    char why[KEYRING_WHY_BYTES] = "";

    if (!keyring_add_set(&keyring, text, why))
        CHECK(why[0] != '\0');
    CHECK(keyring.count <= KEYS_MAX);
    for (size_t i = 0; i < keyring.count; i++) {
        CHECK(keyring.key[i].len > 0);
        pubkey_free(&keyring.key[i]);
    }
}

/* Written and read again, an address is the same. */
static void check_origin(struct span text, enum forwarded_by by)
{
    struct proxies proxies = {.by = by};
    struct address peer, at, again;
    char written[ADDRESS_TEXT_BYTES];

    CHECK(proxies_read(&proxies, "10.0.0.0/8, ::1") && address_read(SPAN("10.0.0.1"), &peer));
    at = origin_of(&proxies, peer, &text, 1);
    address_format(at, written);
    CHECK(address_read(span_of(written), &again) && address_equal(at, again));
    /* Who is not trusted is taken as it is. */
    CHECK(address_read(SPAN("192.0.2.1"), &peer));
    CHECK(address_equal(origin_of(&proxies, peer, &text, 1), peer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data + 1, size - 1};

    if (size == 0 || size > TOKEN_BYTES_MAX / 4)
        return 0;
    switch (data[0] % 6) {
    case 0:
        check_forged(text);
        break;
    case 1:
        check_signed(SPAN(HEAD), text);
        break;
    case 2:
        check_signed(text, SPAN("{\"sub\":\"ann\",\"exp\":9}"));
        break;
    case 3:
        check_set(text);
        break;
    default:
        check_origin(text, data[0] % 6 == 4 ? FORWARDED : FORWARDED_X);
        break;
    }
    return 0;
}
