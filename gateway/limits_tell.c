#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/keyring.h"
#include "gateway/limits_private.h"
#include "gateway/problem.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/token.h"

#define PROOF_FIELD "usher-challenge"
#define PROOF_AUDIENCE "usher-challenge"
#define PROOF_LEEWAY_S 10
#define CHALLENGE_BYTES_MAX 4096

static enum signal_action action_of(const struct gateway_options *o, enum policy policy)
{
    return policy == CANCELLATIONS ? o->on_cancellations : o->on_users_of_address;
}

/* ---- refusals ---- */

/* Is it one that answers 429? What is only watched for is nobody's business who is watched. */
static bool refuses(const struct limits *limits, enum policy policy)
{
    return limits->rate[policy].quota > 0 &&
           (!limits_is_signal(policy) ||
            action_of(limits->gateway->options, policy) == SIGNAL_REFUSE);
}

static void put_policies(struct buf *headers, const struct limits *limits, enum policy policy,
                         int64_t seconds)
{
    const char *comma = "";

    buf_puts(headers, "RateLimit-Policy: ");
    for (enum policy i = 0; i < POLICIES; i++)
        if (refuses(limits, i)) {
            buf_putf(headers, "%s\"%s\";q=%" PRIu32 ";w=%" PRIu32, comma, limits_policies[i].name,
                     limits->rate[i].quota, limits->rate[i].seconds);
            comma = ", ";
        }
    buf_putf(headers, "\r\nRateLimit: \"%s\";r=0;t=%" PRId64 "\r\nRetry-After: %" PRId64 "\r\n",
             limits_policies[policy].name, seconds, seconds);
}

static void refuse(struct task *task, enum policy policy, int64_t left_ms)
{
    const struct limits *limits = task->gateway->limits;
    int64_t seconds = left_ms > 1000 ? (left_ms + 999) / 1000 : 1;
    char detail[96], more[96];
    struct problem problem = {.status = 429,
                              .code = CODE_RATE_LIMITED,
                              .detail = detail,
                              .instance = exchange_path(task->exchange)};
    struct buf *body = reply_open(task);

    snprintf(detail, sizeof detail, "The limit \"%s\" is reached: %" PRIu32 " in %" PRIu32 " s",
             limits_policies[policy].name, limits->rate[policy].quota,
             limits->rate[policy].seconds);
    snprintf(more, sizeof more, ",\"violated-policies\":[\"%s\"]", limits_policies[policy].name);
    problem.more = span_of(more);
    put_policies(&task->gateway->headers, limits, policy, seconds);
    problem_render(body, &problem);
    reply_send(task, problem.status, PROBLEM_TYPE);
}

void limits_refuse(struct task *task, enum policy policy, int64_t left_ms)
{
    task->gateway->own[limits_policies[policy].gauge].count++;
    refuse(task, policy, left_ms);
}

void limits_refuse_unknown(struct task *task)
{
    task->gateway->own[G_REFUSED_REDIS].count++;
    reply_overloaded(task, "The limits cannot be looked at now", 1);
}

/* ---- signals ---- */

/* People's names do not stand in logs: the subject is the one that stands in the key. */
void limits_raise(const struct task *task, enum policy policy)
{
    char subject[20], address[ADDRESS_TEXT_BYTES];

    snprintf(subject, sizeof subject, "%016" PRIx64, limits_subject(&task->limited, policy));
    address_format(limits_address(task), address);
    task->gateway->own[limits_policies[policy].gauge].count++;
    log_event(LOG_WARN, "signal", "of", limits_policies[policy].name, "subject", subject, "address",
              address, NULL);
}

/* A token of whoever challenges people, for the very user. */
static bool has_proof(const struct task *task)
{
    static const struct token_rules rules = {.issuer = "",
                                             .audience = PROOF_AUDIENCE,
                                             .leeway_s = PROOF_LEEWAY_S,
                                             .role_claim = "",
                                             .admin_role = ""};
    struct span proof = exchange_header(task->exchange, PROOF_FIELD);
    struct token_claims claims;

    return proof.len > 0 &&
           token_read(task->gateway->limits->proofs, &rules, proof, &claims) == NULL &&
           token_check_time(&claims, clock_wall_ms() / 1000) == NULL &&
           limits_digest((struct span){claims.user, claims.user_len}) == task->limited.user;
}

static void challenge(struct task *task, enum policy policy)
{
    struct buf more;

    buf_init(&more, CHALLENGE_BYTES_MAX);
    buf_puts(&more, ",\"challenge\":");
    render_text(&more, span_of(task->gateway->options->challenge_url));
    reply_problem_more(task, 403, CODE_CHALLENGE_REQUIRED, NULL, limits_policies[policy].name, 0,
                       more.failed ? (struct span){"", 0} : buf_span(&more));
    buf_free(&more);
}

bool limits_heed(struct task *task, enum policy policy, int64_t left_ms)
{
    enum signal_action action = action_of(task->gateway->options, policy);

    if (!limits_take_places(task->limited.op) || action == SIGNAL_LOG ||
        (action == SIGNAL_CHALLENGE && has_proof(task)))
        return true;
    if (action == SIGNAL_REFUSE)
        refuse(task, policy, left_ms);
    else
        challenge(task, policy);
    return false;
}

bool limits_read_proofs(struct limits *limits)
{
    const struct gateway_options *o = limits->gateway->options;
    char why[KEYRING_WHY_BYTES];
    struct keyring *keyring;

    if (o->on_cancellations != SIGNAL_CHALLENGE && o->on_users_of_address != SIGNAL_CHALLENGE)
        return true;
    keyring = keyring_read(o->challenge_keys, o->challenge_secrets, why);
    if (keyring == NULL) {
        log_event(LOG_ERROR, "keys_not_read", "of", "challenge", "why", why, NULL);
        return false;
    }
    keyring_free(limits->proofs);
    limits->proofs = keyring;
    return true;
}
