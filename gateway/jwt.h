/* Signatures of JSON Web Tokens: the only file that includes libjwt is jwt.c. */
#ifndef USHER_GATEWAY_JWT_H
#define USHER_GATEWAY_JWT_H

#include <stdbool.h>

#include "base/buf.h"
#include "gateway/pubkey.h"

/*
 * Whether the token, "head.claims.signature", is signed by this key, by the algorithm that this key
 * serves and no other. What it claims is not looked at.
 *
 * libjwt reads a token by the algorithm that stands in the token's own head: a public key would do
 * as the secret of an HMAC. So the head's word is compared with the key's kind before (by the
 * caller, who reads the head to find the key) and once more here, after libjwt has read it.
 */
bool jwt_is_signed(struct span token, const struct pubkey *key);

#endif
