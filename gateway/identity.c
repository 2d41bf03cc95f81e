#include "gateway/identity.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "gateway/fields.h"
#include "gateway/gateway.h"
#include "gateway/keyring.h"
#include "gateway/problem.h"
#include "gateway/reply.h"
#include "gateway/stream_ticket.h"
#include "gateway/token.h"

#define REALM "Bearer realm=\"usher\""
#define COOKIE "usher_token="
#define KNOWN_COUNT 8192 /* a power of two */

/* Tokens that were found right: checking a signature takes longer than all else that a request
 * costs. Found by their digest; a new one takes the place of whichever was there. */
struct known {
    unsigned char digest[DIGEST_BYTES];
    struct token_claims claims;
};

struct identity {
    struct gateway *gateway;
    bool is_open;
    struct token_rules rules;
    struct keyring *keyring;
    struct known *known;
};

static struct keyring *read_keys(const struct identity *identity)
{
    const struct gateway_options *o = identity->gateway->options;
    char why[KEYRING_WHY_BYTES];
    struct keyring *keyring = keyring_read(o->jwt_keys, o->jwt_secrets, why);

    if (keyring == NULL)
        log_event(LOG_ERROR, "keys_not_read", "why", why, NULL);
    return keyring;
}

struct identity *identity_new(struct gateway *gateway)
{
    const struct gateway_options *o = gateway->options;
    struct identity *identity = calloc(1, sizeof *identity);

    assert(identity != NULL);
    identity->gateway = gateway;
    identity->is_open = !o->auth_is_jwt;
    identity->rules = (struct token_rules){.issuer = o->jwt_issuer,
                                           .audience = o->jwt_audience,
                                           .leeway_s = o->jwt_leeway_s,
                                           .role_claim = o->jwt_role_claim,
                                           .admin_role = o->jwt_admin_role};
    if (identity->is_open && !options_is_loopback(o->listen))
        log_event(LOG_WARN, "open_to_others", "listen", o->listen, "why",
                  "with auth = open anybody who reaches it may book and cancel as anybody", NULL);
    if (identity->is_open)
        return identity;
    identity->known = calloc(KNOWN_COUNT, sizeof *identity->known);
    assert(identity->known != NULL);
    identity->keyring = read_keys(identity);
    if (identity->keyring != NULL)
        return identity;
    identity_free(identity);
    return NULL;
}

void identity_free(struct identity *identity)
{
    keyring_free(identity->keyring);
    free(identity->known);
    free(identity);
}

void identity_reload(struct identity *identity)
{
    struct keyring *keyring;

    if (identity->is_open || (keyring = read_keys(identity)) == NULL)
        return;
    keyring_free(identity->keyring);
    identity->keyring = keyring;
    /* What an old key had signed is checked anew. */
    memset(identity->known, 0, KNOWN_COUNT * sizeof *identity->known);
    log_event(LOG_INFO, "keys_read", "keys", log_u64(keyring->count), NULL);
}

/* ---- the token that a request carries ---- */

static bool is_token_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* "Bearer <token>"; the scheme in any case (RFC 9110, 11.1). Empty if it is none. */
static struct span bearer_in(struct span field)
{
    static const struct span none = {"", 0};
    const size_t scheme = sizeof "Bearer" - 1;

    if (field.len <= scheme || field.bytes[scheme] != ' ' ||
        !span_is_nocase((struct span){field.bytes, scheme}, "Bearer"))
        return none;
    struct span token = {field.bytes + scheme, field.len - scheme};
    while (token.len > 0 && *token.bytes == ' ') {
        token.bytes++;
        token.len--;
    }
    for (size_t i = 0; i < token.len; i++)
        if (!is_token_byte(token.bytes[i]))
            return none;
    return token;
}

/* ---- answers ---- */

static bool challenge(struct task *task, int status, const char *error, const char *why)
{
    char field[256];
    struct problem problem = {.status = status,
                              .code = status == 401 ? CODE_UNAUTHENTICATED : CODE_INVALID,
                              .detail = why,
                              .instance = exchange_path(task->exchange)};
    struct buf *body = reply_open(task);

    if (error == NULL)
        snprintf(field, sizeof field, REALM);
    else
        snprintf(field, sizeof field, REALM ", error=\"%s\", error_description=\"%.160s\"", error,
                 why);
    /* A description must not have the quotes that sentences here have around names. */
    for (char *c = error == NULL ? NULL : strstr(field, "error_description=\"") + 19;
         c != NULL && c[1] != '\0'; c++)
        if (*c == '"')
            *c = '\'';
    reply_field(task, "WWW-Authenticate", field);
    problem_render(body, &problem);
    reply_send(task, status, PROBLEM_TYPE);
    return false;
}

void identity_refuse_other(struct task *task)
{
    reply_problem(task, 403, CODE_FORBIDDEN, NULL,
                  "The request names another user than the token does", 0);
}

/* ---- from the token to the caller ---- */

/* NULL: `claims` is what it says, now. */
static const char *check(struct identity *identity, struct span token,
                         const struct token_claims **claims)
{
    unsigned char digest[DIGEST_BYTES];
    struct token_claims read;
    struct known *known;
    const char *why;
    size_t at;

    digest_sha256(&token, 1, digest);
    memcpy(&at, digest, sizeof at);
    known = &identity->known[at % KNOWN_COUNT];
    if (known->claims.user_len == 0 || memcmp(known->digest, digest, sizeof digest) != 0) {
        why = token_read(identity->keyring, &identity->rules, token, &read);
        if (why != NULL)
            return why;
        memcpy(known->digest, digest, sizeof digest);
        known->claims = read;
    }
    *claims = &known->claims;
    return token_check_time(&known->claims, clock_wall_ms() / 1000);
}

static bool admit(struct task *task, struct span token)
{
    const struct token_claims *claims = NULL;
    const char *why = check(task->gateway->identity, token, &claims);

    if (why != NULL)
        return challenge(task, 401, "invalid_token", why);
    task->caller.len = claims->user_len;
    memcpy(task->caller.user, claims->user, claims->user_len);
    task->caller.is_admin = claims->is_admin;
    return true;
}

bool identity_is_open(const struct gateway *gateway)
{
    return gateway->identity->is_open;
}

/* The cookie's value; the first of that name. */
static bool find_cookie(const struct task *task, struct span *value)
{
    const size_t name_len = sizeof COOKIE - 1;
    struct span field;
    size_t at = 0;

    while (exchange_header_next(task->exchange, "cookie", &at, &field))
        while (field.len > 0) {
            const char *end = memchr(field.bytes, ';', field.len);
            size_t len = end != NULL ? (size_t)(end - field.bytes) : field.len;
            if (len > name_len && memcmp(field.bytes, COOKIE, name_len) == 0) {
                *value = (struct span){field.bytes + name_len, len - name_len};
                return true;
            }
            len += end != NULL;
            while (len < field.len && field.bytes[len] == ' ')
                len++;
            field.bytes += len;
            field.len -= len;
        }
    return false;
}

bool identity_watches(struct task *task)
{
    struct span token;

    if (task->gateway->identity->is_open || !task->gateway->options->jwt_streams)
        return true;
    if (exchange_header(task->exchange, "authorization").bytes != NULL)
        return identity_demands(task);
    if (stream_ticket_is_shown(task))
        return true;
    if (find_cookie(task, &token))
        return admit(task, token);
    return challenge(task, 401, NULL, "This needs a bearer token, its cookie or a ticket");
}

bool identity_admits(struct task *task)
{
    switch (task->route->who) {
    case WHO_USER:
        return identity_demands(task);
    case WHO_WATCHER:
        return identity_watches(task);
    case WHO_ANYONE:
    case WHO_ADMIN: /* its handler asks */
        return true;
    }
    abort();
}

bool identity_demands(struct task *task)
{
    struct span field, token;
    size_t at = 0;

    if (task->gateway->identity->is_open)
        return true;
    if (!exchange_header_next(task->exchange, "authorization", &at, &field))
        return challenge(task, 401, NULL, "This needs a bearer token");
    if (exchange_header_next(task->exchange, "authorization", &at, &(struct span){"", 0}))
        return challenge(task, 400, "invalid_request", "The request has two tokens");
    token = bearer_in(field);
    if (token.len == 0)
        return challenge(task, 401, "invalid_token", "The Authorization field has no bearer token");
    return admit(task, token);
}

bool identity_is_known(const struct task *task)
{
    return task->caller.len > 0;
}

struct span identity_user(const struct task *task)
{
    return (struct span){task->caller.user, task->caller.len};
}

/* ---- what belongs to whom ---- */

bool identity_speaks_as(struct task *task, struct span *user)
{
    if (!identity_is_known(task))
        return true;
    if (user->len > 0 && identity_hides(task, *user)) {
        identity_refuse_other(task);
        return false;
    }
    *user = identity_user(task);
    return true;
}

bool identity_hides(const struct task *task, struct span owner)
{
    return identity_is_known(task) && !span_equal(owner, identity_user(task));
}

bool identity_hides_id(const struct task *task, struct id id)
{
    return identity_is_known(task) && !id_is_owned(id, identity_user(task));
}

bool identity_hides_answer(const struct task *task, const struct answer *answer)
{
    if (answer->has_booking)
        return identity_hides(task, answer->booking.user);
    if (answer->has_waiting)
        return identity_hides(task, answer->waiting.user);
    return identity_hides_id(task, task->id);
}
