/* Bearer tokens: JSON Web Tokens (RFC 7519), signed and not encrypted. Reads no clock. */
#ifndef USHER_GATEWAY_TOKEN_H
#define USHER_GATEWAY_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/buf.h"
#include "gateway/keyring.h"

/* What a token must say beside who it is for. */
struct token_rules {
    const char *issuer;     /* "iss"; "": anybody's */
    const char *audience;   /* in "aud"; "": the token may name none */
    int64_t leeway_s;       /* by how much clocks may differ */
    const char *role_claim; /* where roles stand: a word, words with spaces between, or a list */
    const char *admin_role; /* "": no token is an administrator's */
};

struct token_claims {
    char user[USER_BYTES_MAX + 1]; /* "sub" */
    size_t user_len;
    bool is_admin;
    int64_t begins_s, ends_s; /* seconds since 1970, the leeway included; begins_s 0: always */
};

/* NULL if the token is right in all but its time; else what is wrong with it, for its bearer. */
const char *token_read(const struct keyring *keyring, const struct token_rules *rules,
                       struct span token, struct token_claims *claims);
/* NULL if now is within its time. */
const char *token_check_time(const struct token_claims *claims, int64_t now_s);

#endif
