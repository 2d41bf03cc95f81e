/*
 * Keys that tokens are checked with; the gateway's only place that includes libcrypto. A key's kind
 * is the one algorithm that it serves: what a token says of its algorithm is compared with that and
 * decides nothing.
 */
#ifndef USHER_GATEWAY_PUBKEY_H
#define USHER_GATEWAY_PUBKEY_H

#include <stdbool.h>

#include "base/buf.h"

enum key_kind {
    KEY_HS256, /* a secret, shared with whoever makes the tokens */
    KEY_RS256,
    KEY_ES256,
    KEY_EDDSA, /* Ed25519 */
};

#define KID_BYTES_MAX 128
#define SECRET_BYTES_MIN 32 /* RFC 7518, 3.2: as long as the hash */
#define ED25519_BYTES 32
#define ED25519_SIGNATURE_BYTES 64

struct pubkey {
    char kid[KID_BYTES_MAX + 1]; /* "": it has no name */
    enum key_kind kind;
    char *bytes; /* owned: the secret; RSA and EC a PEM; Ed25519 its 32 bytes; then a NUL */
    size_t len;  /* without the NUL */
};

const char *key_kind_name(enum key_kind kind); /* as in "alg" */

/* Fill kind and bytes; the kid is the caller's. False: *why says what is wrong with it. Only RSA of
 * 2048 to 8192 bits, EC on P-256 and Ed25519 are right. */
bool pubkey_from_pem(struct pubkey *key, struct span pem, const char **why);
bool pubkey_from_secret(struct pubkey *key, struct span secret, const char **why);
/* Of a JWK: the bytes of its members "n" and "e", "x" and "y", "x". */
bool pubkey_from_rsa(struct pubkey *key, struct span n, struct span e, const char **why);
bool pubkey_from_p256(struct pubkey *key, struct span x, struct span y, const char **why);
bool pubkey_from_ed25519(struct pubkey *key, struct span x, const char **why);
void pubkey_free(struct pubkey *key);

bool pubkey_verify_ed25519(const struct pubkey *key, struct span text, struct span signature);

#endif
