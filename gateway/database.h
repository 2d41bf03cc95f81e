/*
 * A Postgres as everybody asks it: a primary and, if there is one, a replica (postgres_link.h).
 *
 * A question goes to the primary, unless it may lag and the replica is known to lag no more than
 * lag_ms_max. That is known, and hangs on no other machine's clock: some times a second the primary
 * is asked where its log ends (a mark), and the replica how far it has replayed it. Whoever has
 * replayed it up to a mark has all that could be seen when that mark was asked for, and lags by no
 * more than the time since. A mark counts on the timeline that it was made on.
 *
 * It is known of one session only, since a URL may name several replicas: so each session of the
 * replica is a link of its own, and an answer counts only if it came on the connection of which it
 * was known. Whatever does not come within the time that the promise leaves is asked of the
 * primary.
 */
#ifndef USHER_GATEWAY_DATABASE_H
#define USHER_GATEWAY_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/postgres_link.h"

struct ev_loop;
struct database;

struct database_options {
    const char *primary; /* as postgres_link_open's conninfo; copied */
    const char *replica; /* likewise; "": there is none */
    size_t connections;  /* to each */
    int64_t lag_ms_max;
    int64_t patience_ms; /* as postgres_link_open's */
};

/* Of all sessions of the replica the best one's; in this order they get better. */
#define REPLICA_STATUSES(X)                                                                        \
    X(NONE, "none")                     /* there is to be none */                                  \
    X(DOWN, "down")                     /* no connection, or it has not said anything yet */       \
    X(PROMOTED, "promoted")             /* it is no standby (any more) */                          \
    X(OTHER_TIMELINE, "other_timeline") /* it follows somebody else, or does not follow yet */     \
    X(BEHIND, "behind")                 /* more than it may be, as far as is known */              \
    X(OK, "ok")                         /* it is asked */

enum replica_status {
#define X(name, word) REPLICA_##name,
    REPLICA_STATUSES(X)
#undef X
};

struct replica_report {
    enum replica_status status;
    int64_t lag_ms; /* at most so much; -1: nothing is known */
};

struct database_counts {
    uint64_t primary, replica; /* questions, by who took them or answered them */
    uint64_t primary_reconnects, replica_reconnects;
};

/* Never NULL. */
struct database *database_open(struct ev_loop *loop, const struct database_options *options);
void database_close(struct database *database); /* questions under way: ERR_UNAVAILABLE */

/* As postgres_link_query. Rows that the replica told say how old they may be (age_ms). */
bool database_query(struct database *database, const struct postgres_query *query);

bool database_is_ready(const struct database *database); /* the primary can be asked */
struct replica_report database_replica(const struct database *database);
const char *replica_status_word(enum replica_status status);
struct database_counts database_counts(const struct database *database);

#endif
