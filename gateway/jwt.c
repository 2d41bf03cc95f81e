#include "gateway/jwt.h"

#include <assert.h>
#include <jwt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/bounds.h"

static jwt_alg_t algorithm_of(enum key_kind kind)
{
    switch (kind) {
    case KEY_HS256:
        return JWT_ALG_HS256;
    case KEY_RS256:
        return JWT_ALG_RS256;
    case KEY_ES256:
        return JWT_ALG_ES256;
    case KEY_EDDSA:
        break;
    }
    abort(); /* this library has none of that kind */
}

static bool is_signed_by_library(struct span token, const struct pubkey *key)
{
    char text[HEAD_BYTES_MAX + 1];
    jwt_t *jwt = NULL;
    bool right;

    if (token.len >= sizeof text || key->len == 0 || key->len > INT_MAX)
        return false;
    memcpy(text, token.bytes, token.len);
    text[token.len] = '\0';
    right = jwt_decode(&jwt, text, (const unsigned char *)key->bytes, (int)key->len) == 0 &&
            jwt != NULL && jwt_get_alg(jwt) == algorithm_of(key->kind);
    jwt_free(jwt);
    return right;
}

static bool is_signed_ed25519(struct span token, const struct pubkey *key)
{
    const char *dot = memrchr(token.bytes, '.', token.len);
    struct buf signature;
    bool right;

    if (dot == NULL)
        return false;
    size_t signed_len = (size_t)(dot - token.bytes);
    buf_init(&signature, ED25519_SIGNATURE_BYTES);
    right =
        base64url_read((struct span){dot + 1, token.len - signed_len - 1}, &signature) &&
        pubkey_verify_ed25519(key, (struct span){token.bytes, signed_len}, buf_span(&signature));
    buf_free(&signature);
    return right;
}

bool jwt_is_signed(struct span token, const struct pubkey *key)
{
    return key->kind == KEY_EDDSA ? is_signed_ed25519(token, key)
                                  : is_signed_by_library(token, key);
}
