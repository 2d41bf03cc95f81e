/*
 * What an installation's figures say about its size: how many partitions and gateways would do, and
 * what an operator should know. The one place with this arithmetic: gateways tell it to autoscalers
 * (/metrics), usherctl advise to people. Pure.
 */
#ifndef USHER_BASE_ADVICE_H
#define USHER_BASE_ADVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway_load.h"

/* Shares of what a part can do: what is aimed at, and from where on something should be done. */
#define PARTITION_AIM 0.6
#define PARTITION_HIGH 0.75
#define GATEWAY_BUSY_AIM 0.6
#define GATEWAY_CONNECTIONS_AIM 0.7
#define GATEWAY_AWAITING_AIM 0.5
#define GATEWAY_BUSIEST_HIGH 0.9
#define REDIS_HIGH 0.75

#define HOT_SHARE 0.5       /* of its partition's requests: a hot show */
#define ALONE_SHARE 0.95    /* with so much of them it is as good as alone there */
#define WAIT_LONG_MS 1000.0 /* requests that wait longer are more than are decided */
#define WANTED_MAX 1000     /* gateways; of partitions, as many as there may be */
#define PARTITIONS_WANTED_MAX 256

/* A partition over some seconds. */
struct partition_figures {
    uint32_t partition;
    uint32_t database; /* a number of its database; shows move only between those of the same */
    bool is_serving;
    double decided;  /* requests a second */
    double capacity; /* that it could decide; 0: not known */
    double wait_ms;  /* of its requests before they are read, in the mean, or of the oldest now */
    double commit_share; /* of the time that its batches take: when only Postgres is waited for */
    uint32_t hot_show;   /* 0: there were hardly any requests */
    double hot_share;    /* of the requests: the hottest show's */
    bool hot_has_room;   /* its waiting room is on */
};

/* How much of what it can do it does, 0 to 1, and 1 where requests wait long. While its capacity is
 * not known its turns are small, so it is far from it: 0. */
double partition_use(const struct partition_figures *p);

/* So many would do, each at PARTITION_AIM and hot shows by themselves. At least 1, and 1 for each
 * database that has some. */
unsigned partitions_wanted(const struct partition_figures *p, size_t count);

enum gateway_bound { BOUND_BUSY, BOUND_CONNECTIONS, BOUND_AWAITING, GATEWAY_BOUNDS };

struct gateways_wanted {
    unsigned wanted;            /* 1 … WANTED_MAX */
    enum gateway_bound by;      /* what it is that needs so many */
    double use[GATEWAY_BOUNDS]; /* of all that the gateways have, 0 to 1 */
};
struct gateways_wanted gateways_wanted(const struct gateway_load *load, size_t count);

/*
 * So that an autoscaler does not flap: what is told rises to what was wanted all through the last
 * three looks, and falls to the most that was wanted in the last SMOOTHING_LOOKS; until there were
 * so many, it does not fall below what there was at the beginning.
 */
#define SMOOTHING_LOOKS 60
#define SMOOTHING_RISE 3
struct smoothing {
    unsigned look[SMOOTHING_LOOKS];
    size_t next;
    bool has_begun;
    unsigned told;
};
/* `now`: how many there are. Returns what is to be told. */
unsigned smoothing_step(struct smoothing *s, unsigned wanted, unsigned now);

/* What an operator should know, the most pressing first. */
enum finding_kind {
    FINDING_NOT_SERVED,      /* partition */
    FINDING_HOT_SHOW,        /* partition, show, to (0: one must be added): of its own */
    FINDING_WAITING_ROOM,    /* partition, show: alone, and more ask than can be decided */
    FINDING_PARTITION_HIGH,  /* partition: no show stands out; move some elsewhere */
    FINDING_POSTGRES_SLOW,   /* partition: it waits for commits */
    FINDING_LOCK_WAITS,      /* count */
    FINDING_REDIS_BUSY,      /* share */
    FINDING_GATEWAYS_FEW,    /* count: wanted */
    FINDING_WORKER_BUSY,     /* share: one worker has nearly all it can do, others have not */
    FINDING_PARTITIONS_MANY, /* count: wanted; partition, to: whose shows could move, and where.
                                From here on: could be done, need not */
    FINDING_GATEWAYS_MANY,   /* count: wanted */
    FINDING_KINDS
};
#define FINDING_NEEDS_NOT FINDING_PARTITIONS_MANY

struct finding {
    enum finding_kind kind;
    uint32_t partition, show, to;
    unsigned count;
    double share;
};

struct figures {
    size_t partitions;
    const struct partition_figures *partition;
    size_t gateways;
    const struct gateway_load *gateway;
    double redis_busy;   /* of the time of Redis' thread; < 0: not known */
    unsigned lock_waits; /* sessions of Postgres that wait for a lock */
};

#define FINDINGS_MAX 64
/* Writes at most FINDINGS_MAX; returns how many. */
size_t advise(const struct figures *f, struct finding finding[FINDINGS_MAX]);

#endif
