#include "digest.h"

#include <assert.h>
#include <stdbool.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/*
 * Looking up the algorithm costs OpenSSL 3 several times what hashing a request does, so it is
 * done once; the context keeps its memory from one digest to the next.
 */
void digest_sha256(const struct span *parts, size_t count, unsigned char digest[DIGEST_BYTES])
{
    static EVP_MD *sha256;
    static EVP_MD_CTX *context;
    unsigned len = 0;
    bool right;

    if (context == NULL) {
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        context = EVP_MD_CTX_new();
        assert(sha256 != NULL && context != NULL);
    }
    right = EVP_DigestInit_ex2(context, sha256, NULL) == 1;
    for (size_t i = 0; i < count && right; i++)
        right = parts[i].len == 0 || EVP_DigestUpdate(context, parts[i].bytes, parts[i].len) == 1;
    right = right && EVP_DigestFinal_ex(context, digest, &len) == 1;
    assert(right && len == DIGEST_BYTES);
}

void digest_sha1_base64(const struct span *parts, size_t count, char text[DIGEST_SHA1_TEXT_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    bool right = context != NULL && EVP_DigestInit_ex(context, EVP_sha1(), NULL) == 1;

    for (size_t i = 0; i < count && right; i++)
        right = EVP_DigestUpdate(context, parts[i].bytes, parts[i].len) == 1;
    right = right && EVP_DigestFinal_ex(context, digest, &len) == 1;
    assert(right &&
           EVP_EncodeBlock((unsigned char *)text, digest, (int)len) == DIGEST_SHA1_TEXT_BYTES - 1);
    EVP_MD_CTX_free(context);
}

void digest_hmac_sha256(struct span key, struct span message, unsigned char digest[DIGEST_BYTES])
{
    unsigned len = 0;
    bool right = HMAC(EVP_sha256(), key.bytes, (int)key.len, (const unsigned char *)message.bytes,
                      message.len, digest, &len) != NULL;

    assert(right && len == DIGEST_BYTES);
}

bool digest_equal(const unsigned char a[DIGEST_BYTES], const unsigned char b[DIGEST_BYTES])
{
    return CRYPTO_memcmp(a, b, DIGEST_BYTES) == 0;
}
