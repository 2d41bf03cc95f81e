#include "gateway/token.h"

#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "gateway/json.h"
#include "gateway/jwt.h"

#define SECONDS_MAX 1e14

/* "head.claims.signature": exactly three parts, none empty. */
static bool split(struct span token, struct span *head, struct span *claims)
{
    const char *end = token.bytes + token.len;
    const char *first = memchr(token.bytes, '.', token.len);
    const char *second = first == NULL ? NULL : memchr(first + 1, '.', (size_t)(end - first - 1));

    if (second == NULL || memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL)
        return false;
    *head = (struct span){token.bytes, (size_t)(first - token.bytes)};
    *claims = (struct span){first + 1, (size_t)(second - first - 1)};
    return head->len > 0 && claims->len > 0 && second + 1 < end;
}

/* False if the part is no base64url of a JSON object; json_free is due either way. */
static bool read_part(struct span part, struct json *json)
{
    struct buf text;
    bool right;

    buf_init(&text, HEAD_BYTES_MAX);
    right = base64url_read(part, &text) && text.len > 0;
    json_read(json, right ? buf_span(&text) : (struct span){"", 0});
    buf_free(&text);
    return right && !json->failed;
}

/* The key decides the algorithm. What the head says of it must be the same, and is not followed;
 * nor are keys that come in the head (jwk, jku, x5c): they are not even looked at. Whoever signs
 * logins signs other things with the same keys, and says so in "typ": those are no tokens here. */
static const struct pubkey *find_key(const struct keyring *keyring, struct json *head,
                                     const char **why)
{
    struct json_object root = json_root(head);
    struct span kid = {"", 0}, algorithm = {"", 0}, type = {"", 0};
    const struct pubkey *key;

    json_text(head, root, "kid", false, &kid);
    json_text(head, root, "alg", true, &algorithm);
    if ((json_text(head, root, "typ", false, &type) && !span_is_nocase(type, "JWT")) ||
        head->failed || json_has(root, "crit")) {
        *why = "The token's head is not one that is understood here";
        return NULL;
    }
    key = keyring_find(keyring, kid);
    if (key == NULL)
        *why = "The token is signed with a key that is not known here";
    else if (!span_is(algorithm, key_kind_name(key->kind)))
        *why = "The token's algorithm is not that of its key";
    else
        return key;
    return NULL;
}

static const char *check_signature(const struct keyring *keyring, struct span token,
                                   struct span head)
{
    const char *why = "The token cannot be read";
    const struct pubkey *key = NULL;
    struct json json;

    if (read_part(head, &json))
        key = find_key(keyring, &json, &why);
    json_free(&json);
    if (key == NULL)
        return why;
    return jwt_is_signed(token, key) ? NULL : "The token's signature is not right";
}

static bool read_seconds(struct json *json, const char *name, bool required, int64_t *seconds)
{
    double number = 0;

    if (!json_number(json, json_root(json), name, required, &number))
        return !json->failed;
    if (!(number >= 0 && number <= SECONDS_MAX))
        return false;
    *seconds = (int64_t)number;
    return true;
}

static const char *read_claims(struct json *json, const struct token_rules *rules,
                               struct token_claims *claims)
{
    struct json_object root = json_root(json);
    struct span user = {"", 0}, issuer = {"", 0};

    if (!json_text(json, root, "sub", true, &user) || !text_is_user(user))
        return "The token's \"sub\" must be 1 to 128 bytes of text without control characters";
    if (!read_seconds(json, "exp", true, &claims->ends_s) ||
        !read_seconds(json, "nbf", false, &claims->begins_s))
        return "The token's \"exp\" and \"nbf\" must be times, and \"exp\" be there";
    json_text(json, root, "iss", false, &issuer);
    if (rules->issuer[0] != '\0' && !span_is(issuer, rules->issuer))
        return "The token is another issuer's";
    if (rules->audience[0] == '\0' ? json_has(root, "aud")
                                   : !json_text_is_among(root, "aud", span_of(rules->audience)))
        return "The token is meant for others";
    if (json->failed)
        return "The token's claims are not understood here";
    claims->ends_s += rules->leeway_s;
    if (claims->begins_s > 0)
        claims->begins_s -= rules->leeway_s;
    claims->is_admin = rules->admin_role[0] != '\0' &&
                       json_word_is_among(root, rules->role_claim, span_of(rules->admin_role));
    claims->user_len = user.len;
    memcpy(claims->user, user.bytes, user.len);
    claims->user[user.len] = '\0';
    return NULL;
}

const char *token_read(const struct keyring *keyring, const struct token_rules *rules,
                       struct span token, struct token_claims *claims)
{
    struct span head, body;
    struct json json;
    const char *why;

    memset(claims, 0, sizeof *claims);
    if (!split(token, &head, &body))
        return "The token is not a signed JSON Web Token";
    why = check_signature(keyring, token, head);
    if (why != NULL)
        return why;
    why = read_part(body, &json) ? read_claims(&json, rules, claims)
                                 : "The token's claims cannot be read";
    json_free(&json);
    return why;
}

const char *token_check_time(const struct token_claims *claims, int64_t now_s)
{
    if (now_s >= claims->ends_s)
        return "The token has expired";
    if (now_s < claims->begins_s)
        return "The token is not valid yet";
    return NULL;
}
