/* What the files of limits.h share: limits.c asks, limits_tell.c refuses and raises signals. */
#ifndef USHER_GATEWAY_LIMITS_PRIVATE_H
#define USHER_GATEWAY_LIMITS_PRIVATE_H

#include "base/address.h"
#include "gateway/gauges.h"
#include "gateway/limits.h"
#include "gateway/rate.h"

struct keyring;

/* In this order in a question and in its answer. The last two are signals. */
enum policy { OF_USER, OF_ADDRESS, OF_SHOW, CANCELLATIONS, USERS_OF_ADDRESS, POLICIES };

struct policy_row {
    const char *name; /* as people are told it */
    char kind;        /* in keys */
    enum gauge gauge;
};
extern const struct policy_row limits_policies[POLICIES];

/* Somebody who is over a limit, until when. */
struct over {
    uint64_t subject;
    enum policy policy;
    int64_t until_us;
};

#define OVER_COUNT 4096
#define SCRIPT_SHA_BYTES 40

struct limits {
    struct gateway *gateway;
    bool is_on;
    struct rate rate[POLICIES];
    struct keyring *proofs;         /* NULL: nobody is challenged */
    char sha[SCRIPT_SHA_BYTES + 1]; /* the script's, once Redis has said it; else empty */
    struct over over[OVER_COUNT];
};

bool limits_is_signal(enum policy policy);
bool limits_take_places(enum operation op);
uint64_t limits_digest(struct span bytes); /* never 0 */
struct address limits_address(const struct task *task);
uint64_t limits_subject(const struct limited *limited, enum policy policy);

/* limits_tell.c */
bool limits_read_proofs(struct limits *limits); /* the old ones stay if it fails, which is logged */
void limits_refuse(struct task *task, enum policy policy, int64_t left_ms);
void limits_refuse_unknown(struct task *task); /* Redis does not answer */
/* Somebody has just gone over what is usual. */
void limits_raise(const struct task *task, enum policy policy);
/* Somebody is over: do what the settings say. Those who take places are dealt with; who gives back
 * is only counted. False: the task was answered. */
bool limits_heed(struct task *task, enum policy policy, int64_t left_ms);

#endif
