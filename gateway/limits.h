/*
 * How often who may ask, and signs of people who play with the sale. Counted in Redis
 * (lua/limits.lua), so that all gateways agree, with one call for each command; who is known to be
 * over a limit is refused without asking.
 *
 *   user, address, show    commands of a user, from an address (behind trusted proxies), for a show
 *                          (one for several shows counts for each)
 *   cancellations          of a user: takes and gives back
 *   users-of-address       different users that take places from one address
 *
 * Administrators are not counted. The first three refuse (429). The other two are signals: they are
 * counted and logged, and what else happens to who takes places is a setting: nothing (log), 429
 * (refuse), or 403 until a proof comes along that somebody has answered a challenge (challenge).
 */
#ifndef USHER_GATEWAY_LIMITS_H
#define USHER_GATEWAY_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/model.h"

struct gateway;
struct limits;
struct task;

/* Of a task whose limits are being looked at. */
struct limited {
    bool is_admitted;
    enum operation op;
    uint32_t show;
    uint64_t user, address; /* digests; user 0: it names none */
    unsigned asked;         /* bits 1 << enum policy, in the order of the question */
};

/* Logs what is wrong and returns NULL if the challenge's keys cannot be read. */
struct limits *limits_new(struct gateway *gateway);
void limits_free(struct limits *limits);
void limits_reload(struct limits *limits); /* the challenge's keys */

/*
 * Before a command is sent: may it be? False: the task was answered, or is parked, and its handler
 * is called again from the start once Redis has said yes. So nothing may have been done before that
 * may not be done twice. `user` may be empty.
 */
bool limits_admit(struct task *task, enum operation op, struct span user, uint32_t show);

#endif
