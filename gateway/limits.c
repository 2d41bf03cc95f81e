#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/keys.h"
#include "base/request.h"
#include "gateway/gateway.h"
#include "gateway/keyring.h"
#include "gateway/limits_private.h"
#include "gateway/origin.h"
#include "gateway/redis_servers.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

#define FIELDS_MAX_OF_PROXIES 16
#define ARGUMENTS_OF_KEY 4
#define KEYS_MAX_OF_QUESTION (POLICIES + PARTS_MAX)
/* Whose server has the counts (key_limit). */
#define LIMITS_PARTITION 1

static const unsigned char script[] = {
#include "lua/limits.lua.inc"
};

const struct policy_row limits_policies[POLICIES] = {
    [OF_USER] = {"user", 'u', G_LIMITED_USER},
    [OF_ADDRESS] = {"address", 'a', G_LIMITED_ADDRESS},
    [OF_SHOW] = {"show", 's', G_LIMITED_SHOW},
    [CANCELLATIONS] = {"cancellations", 'c', G_SIGNAL_CANCELLATIONS},
    [USERS_OF_ADDRESS] = {"users-of-address", 'm', G_SIGNAL_USERS_OF_ADDRESS},
};

/* ---- begin and end ---- */

struct limits *limits_new(struct gateway *gateway)
{
    const struct gateway_options *o = gateway->options;
    struct limits *limits = calloc(1, sizeof *limits);

    assert(limits != NULL);
    limits->gateway = gateway;
    limits->rate[OF_USER] = o->limit_user;
    limits->rate[OF_ADDRESS] = o->limit_address;
    limits->rate[OF_SHOW] = o->limit_show;
    limits->rate[CANCELLATIONS] = o->limit_cancellations;
    limits->rate[USERS_OF_ADDRESS] = o->limit_users_of_address;
    for (int i = 0; i < POLICIES; i++)
        limits->is_on = limits->is_on || limits->rate[i].quota > 0;
    if (limits_read_proofs(limits))
        return limits;
    limits_free(limits);
    return NULL;
}

void limits_free(struct limits *limits)
{
    keyring_free(limits->proofs);
    free(limits);
}

void limits_reload(struct limits *limits)
{
    limits_read_proofs(limits);
}

/* ---- whom ---- */

uint64_t limits_digest(struct span bytes)
{
    unsigned char digest[DIGEST_BYTES];
    uint64_t n;

    digest_sha256(&bytes, 1, digest);
    memcpy(&n, digest, sizeof n);
    return n == 0 ? 1 : n;
}

struct address limits_address(const struct task *task)
{
    const struct proxies *proxies = &task->gateway->options->proxies;
    const char *name = proxies->by == FORWARDED ? "forwarded" : "x-forwarded-for";
    struct span fields[FIELDS_MAX_OF_PROXIES];
    struct address peer = {{0}};
    size_t count = 0, at = 0;

    address_read(span_of(exchange_peer(task->exchange)), &peer);
    if (proxies->count == 0)
        return address_of_client(peer);
    /* Of more than there is room for, the last ones count. */
    while (exchange_header_next(task->exchange, name, &at, &fields[count]))
        if (++count == FIELDS_MAX_OF_PROXIES) {
            memmove(fields, fields + 1, (count - 1) * sizeof *fields);
            count--;
        }
    return address_of_client(origin_of(proxies, peer, fields, count));
}

uint64_t limits_subject(const struct limited *limited, enum policy policy)
{
    switch (policy) {
    case OF_USER:
    case CANCELLATIONS:
        return limited->user;
    case OF_ADDRESS:
    case USERS_OF_ADDRESS:
        return limited->address;
    case OF_SHOW:
        return limited->show;
    case POLICIES:
        break;
    }
    abort();
}

/* ---- those who are known to be over ---- */

static struct over *place_of(struct limits *limits, enum policy policy, uint64_t subject)
{
    return &limits->over[(subject * POLICIES + policy) % OVER_COUNT];
}

/* 0: not that we know. */
static int64_t known_ms(struct limits *limits, enum policy policy, uint64_t subject)
{
    const struct over *over = place_of(limits, policy, subject);
    int64_t left_us = over->until_us - clock_mono_us();

    if (over->subject != subject || over->policy != policy || left_us <= 0)
        return 0;
    return left_us / 1000 + 1;
}

/* ---- the question ---- */

bool limits_is_signal(enum policy policy)
{
    return policy == CANCELLATIONS || policy == USERS_OF_ADDRESS;
}

bool limits_take_places(enum operation op)
{
    return op_takes(op) || op == OP_JOIN || op == OP_SEVERAL;
}

static bool gives_back(enum operation op)
{
    return op == OP_CANCEL || op == OP_LEAVE;
}

static bool applies(const struct task *task, enum policy policy)
{
    enum operation op = task->limited.op;
    bool has_user = task->limited.user != 0;

    if (task->gateway->limits->rate[policy].quota == 0)
        return false;
    switch (policy) {
    case OF_USER:
        return has_user;
    case CANCELLATIONS:
        return has_user && (limits_take_places(op) || gives_back(op));
    case USERS_OF_ADDRESS:
        return has_user && limits_take_places(op);
    case OF_ADDRESS:
    case OF_SHOW:
        return true;
    case POLICIES:
        break;
    }
    abort();
}

static const char *way_of(enum policy policy, enum operation op)
{
    if (policy == USERS_OF_ADDRESS)
        return "crowd";
    if (policy == CANCELLATIONS)
        return gives_back(op) ? "count" : "look";
    return "take";
}

/* What a call to the script consists of: the policies' keys, then those of the other shows that the
 * command is for, each of which has its limit. */
struct question {
    size_t argc, keys;
    struct span argv[3 + KEYS_MAX_OF_QUESTION * (1 + ARGUMENTS_OF_KEY)];
    struct key key[KEYS_MAX_OF_QUESTION];
    char digits[POLICIES][2][16];
    char count[4], member[20];
};

static void add(struct question *q, struct span word)
{
    assert(q->argc < sizeof q->argv / sizeof q->argv[0]);
    q->argv[q->argc++] = word;
}

static void add_key(struct question *q, enum policy policy, uint64_t subject)
{
    struct key *key = &q->key[q->keys++];

    *key = key_limit(limits_policies[policy].kind, subject);
    add(q, (struct span){key->text, key->len});
}

static void add_rule(struct question *q, enum policy policy, enum operation op)
{
    add(q, span_of(way_of(policy, op)));
    add(q, span_of(q->digits[policy][0]));
    add(q, span_of(q->digits[policy][1]));
    add(q, span_of(q->member));
}

/* Of the other shows that the command is for. */
static size_t others_of(const struct task *task)
{
    return (task->limited.asked & 1U << OF_SHOW) != 0 ? task->alsos : 0;
}

static void put_question(struct question *q, struct task *task)
{
    const struct limits *limits = task->gateway->limits;
    struct limited *limited = &task->limited;
    bool is_loaded = limits->sha[0] != '\0';

    q->argc = q->keys = 0;
    add(q, is_loaded ? SPAN("EVALSHA") : SPAN("EVAL"));
    add(q, is_loaded ? span_of(limits->sha) : (struct span){(const char *)script, sizeof script});
    add(q, span_of(q->count));
    limited->asked = 0;
    for (enum policy p = 0; p < POLICIES; p++) {
        if (!applies(task, p))
            continue;
        add_key(q, p, limits_subject(limited, p));
        limited->asked |= 1U << p;
    }
    for (size_t i = 0; i < others_of(task); i++)
        add_key(q, OF_SHOW, task->also[i]->show.number);
    snprintf(q->member, sizeof q->member, "%016" PRIx64, limited->user);
    for (enum policy p = 0; p < POLICIES; p++) {
        if ((limited->asked & 1U << p) == 0)
            continue;
        snprintf(q->digits[p][0], sizeof q->digits[p][0], "%" PRIu32, limits->rate[p].quota);
        snprintf(q->digits[p][1], sizeof q->digits[p][1], "%" PRIu64,
                 (uint64_t)limits->rate[p].seconds * 1000);
        add_rule(q, p, limited->op);
    }
    for (size_t i = 0; i < others_of(task); i++)
        add_rule(q, OF_SHOW, limited->op);
    snprintf(q->count, sizeof q->count, "%zu", q->keys);
    q->argv[2] = span_of(q->count);
}

/* ---- the answer ---- */

enum { STATE, LEFT_MS, LEFT };

/* Redis tells once that somebody has gone over: so it is passed on even if another limit refuses
 * this very command. */
static void raise_signals(const struct task *task, struct redis_value reply)
{
    size_t at = 0;

    for (enum policy p = 0; p < POLICIES; p++)
        if ((task->limited.asked & 1U << p) != 0 &&
            redis_integer(redis_at(redis_at(reply, at++), STATE)) == 2)
            limits_raise(task, p);
}

/* What Redis said of one policy. False: the task was answered. */
static bool take_in(struct task *task, enum policy policy, struct redis_value told)
{
    struct limits *limits = task->gateway->limits;
    uint64_t subject = limits_subject(&task->limited, policy);
    int64_t state = redis_integer(redis_at(told, STATE));
    int64_t left_ms = redis_integer(redis_at(told, LEFT_MS));

    if (state == 0)
        return true;
    if (limits_is_signal(policy))
        return limits_heed(task, policy, left_ms);
    if (policy != OF_SHOW)
        *place_of(limits, policy, subject) =
            (struct over){subject, policy, clock_mono_us() + left_ms * 1000};
    limits_refuse(task, policy, left_ms);
    return false;
}

static bool is_whole(const struct task *task, const struct redis_value *reply)
{
    size_t count = (size_t)__builtin_popcount(task->limited.asked) + others_of(task);

    if (reply == NULL || redis_kind(*reply) != REDIS_ARRAY || redis_count(*reply) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (redis_count(redis_at(*reply, i)) != LEFT + 1)
            return false;
    return true;
}

/* Redis was started anew since it said the script's name. */
static bool has_forgotten(const struct task *task, const struct redis_value *reply)
{
    struct span why = reply == NULL ? (struct span){"", 0} : redis_text(*reply);

    return task->gateway->limits->sha[0] != '\0' && reply != NULL &&
           redis_kind(*reply) == REDIS_ERROR && why.len >= 8 &&
           memcmp(why.bytes, "NOSCRIPT", 8) == 0;
}

static void on_answer(void *context, const struct redis_value *reply);

static void ask(struct task *task)
{
    struct question q;

    put_question(&q, task);
    task_park(task);
    if (redis_servers_command(task->gateway->redis, LIMITS_PARTITION,
                              &(struct redis_command){q.argc, q.argv, on_answer, task}))
        return;
    if (task_resume(task))
        limits_refuse_unknown(task);
}

static void on_answer(void *context, const struct redis_value *reply)
{
    struct task *task = context;
    size_t at = 0;
    bool again = has_forgotten(task, reply);

    if (!task_resume(task))
        return;
    if (again) {
        task->gateway->limits->sha[0] = '\0';
        ask(task);
        return;
    }
    if (!is_whole(task, reply)) {
        limits_refuse_unknown(task);
        return;
    }
    raise_signals(task, *reply);
    for (enum policy p = 0; p < POLICIES; p++)
        if ((task->limited.asked & 1U << p) != 0 && !take_in(task, p, redis_at(*reply, at++)))
            return;
    for (size_t i = 0; i < others_of(task); i++)
        if (!take_in(task, OF_SHOW, redis_at(*reply, at++)))
            return;
    task->limited.is_admitted = true;
    task->route->handle(task);
}

static void on_loaded(void *context, const struct redis_value *reply)
{
    struct limits *limits = context;

    if (reply != NULL && redis_kind(*reply) == REDIS_STRING &&
        redis_text(*reply).len == SCRIPT_SHA_BYTES) {
        memcpy(limits->sha, redis_text(*reply).bytes, SCRIPT_SHA_BYTES);
        limits->sha[SCRIPT_SHA_BYTES] = '\0';
    }
}

/* From then on 40 bytes will do for the script. */
static void load(struct limits *limits)
{
    struct span argv[] = {SPAN("SCRIPT"), SPAN("LOAD"), {(const char *)script, sizeof script}};

    redis_servers_command(limits->gateway->redis, LIMITS_PARTITION,
                          &(struct redis_command){3, argv, on_loaded, limits});
}

static bool refuse_known(struct task *task)
{
    struct limits *limits = task->gateway->limits;

    for (enum policy p = OF_USER; p <= OF_ADDRESS; p++) {
        int64_t left_ms = known_ms(limits, p, limits_subject(&task->limited, p));
        if (left_ms > 0) {
            task->gateway->own[G_LIMITED_LOCALLY].count++;
            limits_refuse(task, p, left_ms);
            return true;
        }
    }
    return false;
}

static bool is_any_asked(const struct task *task)
{
    for (enum policy p = 0; p < POLICIES; p++)
        if (applies(task, p))
            return true;
    return false;
}

bool limits_admit(struct task *task, enum operation op, struct span user, uint32_t show)
{
    struct limits *limits = task->gateway->limits;
    struct address address;

    if (!limits->is_on || task->limited.is_admitted || task->route->who == WHO_ADMIN)
        return true;
    address = limits_address(task);
    task->limited.op = op;
    task->limited.show = show;
    task->limited.user = user.len > 0 ? limits_digest(user) : 0;
    task->limited.address =
        limits_digest((struct span){(const char *)address.bytes, ADDRESS_BYTES});
    if (!is_any_asked(task))
        return true;
    if (refuse_known(task))
        return false;
    ask(task);
    if (limits->sha[0] == '\0')
        load(limits);
    return false;
}
