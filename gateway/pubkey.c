#include "gateway/pubkey.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define P256_BYTES 32
#define NO_MEMORY "there is no memory for it"

const char *key_kind_name(enum key_kind kind)
{
    switch (kind) {
    case KEY_HS256:
        return "HS256";
    case KEY_RS256:
        return "RS256";
    case KEY_ES256:
        return "ES256";
    case KEY_EDDSA:
        return "EdDSA";
    }
    abort();
}

static bool keep(struct pubkey *key, enum key_kind kind, const void *bytes, size_t len,
                 const char **why)
{
    key->kind = kind;
    key->bytes = malloc(len + 1);
    key->len = len;
    if (key->bytes == NULL) {
        *why = NO_MEMORY;
        return false;
    }
    memcpy(key->bytes, bytes, len);
    key->bytes[len] = '\0';
    return true;
}

void pubkey_free(struct pubkey *key)
{
    if (key->bytes != NULL)
        OPENSSL_cleanse(key->bytes, key->len);
    free(key->bytes);
    key->bytes = NULL;
}

bool pubkey_from_secret(struct pubkey *key, struct span secret, const char **why)
{
    if (secret.len < SECRET_BYTES_MIN) {
        *why = "is too short: a secret has at least 32 bytes";
        return false;
    }
    return keep(key, KEY_HS256, secret.bytes, secret.len, why);
}

/* As PEM, which is what the verifying library reads. */
static bool keep_pem(struct pubkey *key, enum key_kind kind, EVP_PKEY *of, const char **why)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    bool right = bio != NULL && PEM_write_bio_PUBKEY(bio, of) == 1;
    long len = right ? BIO_get_mem_data(bio, &text) : 0;

    *why = NO_MEMORY;
    right = right && len > 0 && keep(key, kind, text, (size_t)len, why);
    BIO_free(bio);
    return right;
}

static bool keep_ed25519(struct pubkey *key, EVP_PKEY *of, const char **why)
{
    unsigned char raw[ED25519_BYTES];
    size_t len = sizeof raw;

    *why = "cannot be read";
    return EVP_PKEY_get_raw_public_key(of, raw, &len) == 1 && len == sizeof raw &&
           keep(key, KEY_EDDSA, raw, len, why);
}

static bool is_p256(EVP_PKEY *of)
{
    char name[64];
    size_t len;

    return EVP_PKEY_get_group_name(of, name, sizeof name, &len) == 1 &&
           strcmp(name, SN_X9_62_prime256v1) == 0;
}

/* Points that do not lie on their curve, even moduli and the like. */
static bool is_sound(EVP_PKEY *of)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(of, NULL);
    bool sound = context != NULL && EVP_PKEY_public_check(context) == 1;

    EVP_PKEY_CTX_free(context);
    return sound;
}

/* By what the key is; nothing else says which algorithm it serves. */
static bool take(struct pubkey *key, EVP_PKEY *of, const char **why)
{
    int type = EVP_PKEY_get_base_id(of);
    int bits = EVP_PKEY_get_bits(of);

    if (type == EVP_PKEY_RSA && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
        *why = "is an RSA key of less than 2048 or more than 8192 bits";
    else if (type == EVP_PKEY_EC && !is_p256(of))
        *why = "is on another curve than P-256";
    else if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC && type != EVP_PKEY_ED25519)
        *why = "is no RSA, P-256 or Ed25519 key";
    else if (type != EVP_PKEY_ED25519 && !is_sound(of))
        *why = "is not a sound key";
    else if (type == EVP_PKEY_ED25519)
        return keep_ed25519(key, of, why);
    else
        return keep_pem(key, type == EVP_PKEY_RSA ? KEY_RS256 : KEY_ES256, of, why);
    return false;
}

static bool take_and_free(struct pubkey *key, EVP_PKEY *of, const char **why)
{
    bool right = false;

    if (of == NULL)
        *why = "cannot be read";
    else
        right = take(key, of, why);
    EVP_PKEY_free(of);
    ERR_clear_error();
    return right;
}

bool pubkey_from_pem(struct pubkey *key, struct span pem, const char **why)
{
    static const char private_mark[] = "PRIVATE KEY-----";
    BIO *bio;
    EVP_PKEY *of;

    if (memmem(pem.bytes, pem.len, private_mark, sizeof private_mark - 1) != NULL) {
        *why = "holds a private key: only public ones belong here (openssl pkey -pubout)";
        return false;
    }
    if (pem.len > INT_MAX)
        return false;
    bio = BIO_new_mem_buf(pem.bytes, (int)pem.len);
    of = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return take_and_free(key, of, why);
}

static EVP_PKEY *made_of(const char *algorithm, OSSL_PARAM_BLD *parts)
{
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(parts);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
    EVP_PKEY *made = NULL;

    if (parameters == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &made, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        made = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return made;
}

static BIGNUM *number_of(struct span bytes)
{
    return bytes.len > RSA_BITS_MAX / 8 + 1
               ? NULL
               : BN_bin2bn((const unsigned char *)bytes.bytes, (int)bytes.len, NULL);
}

bool pubkey_from_rsa(struct pubkey *key, struct span n, struct span e, const char **why)
{
    OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = number_of(n), *exponent = number_of(e);
    EVP_PKEY *of = NULL;

    if (parts != NULL && modulus != NULL && exponent != NULL &&
        OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        of = made_of("RSA", parts);
    OSSL_PARAM_BLD_free(parts);
    BN_free(modulus);
    BN_free(exponent);
    return take_and_free(key, of, why);
}

bool pubkey_from_p256(struct pubkey *key, struct span x, struct span y, const char **why)
{
    unsigned char point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    EVP_PKEY *of = NULL;

    if (x.len == P256_BYTES && y.len == P256_BYTES && parts != NULL) {
        memcpy(point + 1, x.bytes, P256_BYTES);
        memcpy(point + 1 + P256_BYTES, y.bytes, P256_BYTES);
        if (OSSL_PARAM_BLD_push_utf8_string(parts, OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1,
                                            0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(parts, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) ==
                1)
            of = made_of("EC", parts);
    }
    OSSL_PARAM_BLD_free(parts);
    return take_and_free(key, of, why);
}

bool pubkey_from_ed25519(struct pubkey *key, struct span x, const char **why)
{
    return take_and_free(
        key,
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.bytes, x.len),
        why);
}

bool pubkey_verify_ed25519(const struct pubkey *key, struct span text, struct span signature)
{
    EVP_PKEY *of;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool right;

    assert(key->kind == KEY_EDDSA);
    of = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)key->bytes,
                                     key->len);
    right = of != NULL && context != NULL && signature.len == ED25519_SIGNATURE_BYTES &&
            EVP_DigestVerifyInit(context, NULL, NULL, NULL, of) == 1 &&
            EVP_DigestVerify(context, (const unsigned char *)signature.bytes, signature.len,
                             (const unsigned char *)text.bytes, text.len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(of);
    ERR_clear_error();
    return right;
}
