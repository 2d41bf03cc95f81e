#include <stdio.h>

#include "base/base64.h"
#include "base/digest.h"
#include "gateway/token.h"
#include "tests/unit/unit.h"

#define SECRET "a secret that has thirty-two bytes"
#define SET                                                                                        \
    "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"k\",\"alg\":\"HS256\","                                 \
    "\"k\":\"YSBzZWNyZXQgdGhhdCBoYXMgdGhpcnR5LXR3byBieXRlcw\"}]}"
#define HEAD "{\"alg\":\"HS256\",\"kid\":\"k\"}"
#define NOW 1767225600

static struct keyring keyring;
static const struct token_rules rules = {.issuer = "us",
                                         .audience = "usher",
                                         .leeway_s = 10,
                                         .role_claim = "role",
                                         .admin_role = "admin"};

static struct span token_of(const char *head, const char *claims)
{
    static struct buf text;
    unsigned char digest[DIGEST_BYTES];

    buf_free(&text);
    buf_init(&text, 16384);
    base64url_write(&text, span_of(head));
    buf_putc(&text, '.');
    base64url_write(&text, span_of(claims));
    digest_hmac_sha256(SPAN(SECRET), buf_span(&text), digest);
    buf_putc(&text, '.');
    base64url_write(&text, (struct span){(char *)digest, sizeof digest});
    return buf_span(&text);
}

static const char *why(const char *head, const char *claims, struct token_claims *read)
{
    struct guarded g = guarded_copy(token_of(head, claims));
    const char *wrong = token_read(&keyring, &rules, g.span, read);

    guarded_free(&g);
    return wrong;
}

static bool is_right(const char *head, const char *claims)
{
    struct token_claims read;

    return why(head, claims, &read) == NULL;
}

static bool is_admin(const char *roles)
{
    struct token_claims read;
    char claims[512];

    snprintf(claims, sizeof claims,
             "{\"sub\":\"ann\",\"exp\":%d,\"iss\":\"us\",\"aud\":\"usher\",\"role\":%s}", NOW,
             roles);
    assert_null(why(HEAD, claims, &read));
    return read.is_admin;
}

static int set_up(void **state)
{
    char wrong[KEYRING_WHY_BYTES];

    (void)state;
    assert_true(keyring_add_set(&keyring, SPAN(SET), wrong));
    assert_int_equal(keyring.count, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pubkey_free(&keyring.key[0]);
    (void)token_of("", "");
    return 0;
}

TEST(a_right_token_says_who_it_is_and_when)
{
    struct token_claims read;

    assert_null(why(HEAD,
                    "{\"sub\":\"\\u00e4nn\",\"exp\":1767225600.9,\"nbf\":1767225000,\"iss\":\"us\","
                    "\"aud\":[\"x\",\"usher\"]}",
                    &read));
    assert_string_equal(read.user, "\xc3\xa4nn");
    assert_int_equal(read.user_len, 4);
    assert_false(read.is_admin);
    assert_int_equal(read.ends_s, NOW + 10);
    assert_int_equal(read.begins_s, NOW - 610);
    assert_null(token_check_time(&read, NOW + 9));
    assert_non_null(token_check_time(&read, NOW + 10));
    assert_null(token_check_time(&read, NOW - 610));
    assert_non_null(token_check_time(&read, NOW - 611));
}

TEST(what_a_token_must_say)
{
    assert_true(is_right(HEAD, "{\"sub\":\"a\",\"exp\":1,\"iss\":\"us\",\"aud\":\"usher\"}"));
    assert_false(is_right(HEAD, "{\"sub\":\"a\",\"iss\":\"us\",\"aud\":\"usher\"}"));
    assert_false(is_right(HEAD, "{\"sub\":\"a\",\"exp\":-1,\"iss\":\"us\",\"aud\":\"usher\"}"));
    assert_false(is_right(HEAD, "{\"sub\":\"a\",\"exp\":1e99,\"iss\":\"us\",\"aud\":\"usher\"}"));
    assert_false(is_right(HEAD, "{\"sub\":\"a\",\"exp\":\"1\",\"iss\":\"us\",\"aud\":\"usher\"}"));
    assert_false(
        is_right(HEAD, "{\"sub\":\"a\",\"exp\":1,\"nbf\":{},\"iss\":\"us\",\"aud\":\"usher\"}"));
    assert_false(is_right(HEAD, "{\"sub\":\"\",\"exp\":1,\"iss\":\"us\",\"aud\":\"usher\"}"));
    assert_false(is_right(HEAD, "{\"sub\":[\"a\"],\"exp\":1,\"iss\":\"us\",\"aud\":\"usher\"}"));
    assert_false(is_right(HEAD, "{\"sub\":\"a\",\"exp\":1,\"iss\":\"them\",\"aud\":\"usher\"}"));
    assert_false(is_right(HEAD, "{\"sub\":\"a\",\"exp\":1,\"iss\":[\"us\"],\"aud\":\"usher\"}"));
    assert_false(is_right(HEAD, "{\"sub\":\"a\",\"exp\":1,\"iss\":\"us\",\"aud\":\"ushers\"}"));
    assert_false(is_right(HEAD, "{\"sub\":\"a\",\"exp\":1,\"iss\":\"us\",\"aud\":{}}"));
    /* Twice the same member: whoever made it and whoever reads it might not mean the same one. */
    assert_false(
        is_right(HEAD, "{\"sub\":\"a\",\"sub\":\"b\",\"exp\":1,\"iss\":\"us\",\"aud\":\"usher\"}"));
    assert_false(is_right(HEAD, "[]"));
    assert_false(is_right(HEAD, ""));
}

TEST(what_the_head_may_be)
{
    static const char claims[] = "{\"sub\":\"a\",\"exp\":1,\"iss\":\"us\",\"aud\":\"usher\"}";

    assert_true(is_right("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims)); /* the only key */
    assert_true(is_right("{\"alg\":\"HS256\",\"typ\":\"jwt\"}", claims));
    assert_false(is_right("{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", claims));
    assert_false(is_right("{\"alg\":\"HS256\",\"typ\":[\"JWT\"]}", claims));
    assert_false(is_right("{\"alg\":\"HS256\",\"typ\":\"\"}", claims));
    assert_false(is_right("{\"alg\":\"HS256\",\"kid\":\"l\"}", claims));
    assert_false(is_right("{\"alg\":\"HS256\",\"kid\":7}", claims));
    assert_false(is_right("{\"alg\":\"hs256\",\"kid\":\"k\"}", claims));
    assert_false(is_right("{\"alg\":\"HS384\",\"kid\":\"k\"}", claims));
    assert_false(is_right("{\"alg\":\"none\",\"kid\":\"k\"}", claims));
    assert_false(is_right("{\"kid\":\"k\"}", claims));
    assert_false(is_right("{\"alg\":\"HS256\",\"kid\":\"k\",\"crit\":[\"exp\"]}", claims));
    assert_false(is_right("{\"alg\":\"none\",\"alg\":\"HS256\",\"kid\":\"k\"}", claims));
    assert_false(is_right("", claims));
}

TEST(whatever_byte_is_changed_it_is_refused)
{
    struct token_claims read;
    struct span token =
        token_of(HEAD, "{\"sub\":\"a\",\"exp\":1,\"iss\":\"us\",\"aud\":\"usher\"}");
    char changed[1024];

    assert_null(token_read(&keyring, &rules, token, &read));
    for (size_t i = 0; i < token.len; i++)
        for (int c = 0; c < 3; c++) {
            memcpy(changed, token.bytes, token.len);
            changed[i] = "A.\xff"[c];
            if (changed[i] != token.bytes[i])
                assert_non_null(
                    token_read(&keyring, &rules, (struct span){changed, token.len}, &read));
        }
    for (size_t len = 0; len < token.len; len++)
        assert_non_null(token_read(&keyring, &rules, (struct span){token.bytes, len}, &read));
}

TEST(a_role_is_a_word_or_stands_in_a_list)
{
    assert_true(is_admin("\"admin\""));
    assert_true(is_admin("\"user admin other\""));
    assert_true(is_admin("[\"user\",\"admin\"]"));
    assert_false(is_admin("\"administrator\""));
    assert_false(is_admin("\"\""));
    assert_false(is_admin("[\"user admin\"]"));
    assert_false(is_admin("[[\"admin\"]]"));
    assert_false(is_admin("{\"admin\":true}"));
    assert_false(is_admin("true"));
    assert_false(is_admin("null"));
}

TEST(a_set_tells_what_is_wrong_with_it)
{
    static const char *const wrong[] = {
        "",
        "{}",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[7]}",
        "{\"keys\":[{\"kty\":\"RSA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AA\"}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"YSBz=\"}]}",
    };
    char told[KEYRING_WHY_BYTES];

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct keyring empty = {0};
        told[0] = '\0';
        assert_false(keyring_add_set(&empty, span_of(wrong[i]), told));
        assert_true(told[0] != '\0');
        assert_int_equal(empty.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_token_says_who_it_is_and_when),
        cmocka_unit_test(what_a_token_must_say),
        cmocka_unit_test(what_the_head_may_be),
        cmocka_unit_test(whatever_byte_is_changed_it_is_refused),
        cmocka_unit_test(a_role_is_a_word_or_stands_in_a_list),
        cmocka_unit_test(a_set_tells_what_is_wrong_with_it),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
