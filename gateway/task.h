/*
 * A task is one request on its way through the gateway: from the exchange that brought it to the
 * answer that ends it. It is in one of these places:
 *
 *   in its handler            until the handler answers, parks or awaits
 *   waiting for a show        (shows.h) its handler is called again from the start
 *   waiting for availability  (counts.h)
 *   waiting for a room        (rooms.h)
 *   awaiting a decision       (waiters.h) `awaited` is called
 *   waiting for other dates   (alternatives.h) or seats (blocks.h)
 *   parked                    Redis or Postgres was asked on its behalf and will call back
 *
 * If its client goes away, a task is ended at once, except where it is parked: then it is ended by
 * task_resume when the callback comes.
 */
#ifndef USHER_GATEWAY_TASK_H
#define USHER_GATEWAY_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/answer.h"
#include "base/bounds.h"
#include "base/id.h"
#include "gateway/fields.h"
#include "gateway/identity.h"
#include "gateway/limits.h"
#include "gateway/list.h"
#include "gateway/router.h"
#include "http/exchange.h"

struct cached_show;
struct gateway;
struct paid;
struct show;
struct tracing;

/* What is to be done with a task that awaits a decision. Each ends the task, or parks it. */
struct awaited {
    void (*decided)(struct task *task, const struct answer *answer, bool repeated);
    void (*undecided)(struct task *task); /* its wait is over, or accepted is all it waited for */
};

/* How a granted answer is told, when it is open: the native routes and the seeds' differ. */
typedef void task_grant(struct task *task, const struct answer *answer);
/* How a refusal is told; NULL: as the code's own. */
typedef const char *task_words(enum code code);

/* What a refusal says, while its alternatives are looked for. */
struct refusal {
    enum code code;
    uint64_t detail;
    struct buf conflicts; /* owned; packed seats that somebody else has */
    struct buf more;      /* owned; the members of the problem that others do not have */
};

enum wait_phase {
    WAIT_NONE,      /* not in the table of waiters */
    WAIT_ACCEPTED,  /* for the stream to have it (respond-async) */
    WAIT_DECIDED,   /* for the decision */
    WAIT_LAST_LOOK, /* its time is over; its answer is being looked for once more */
};

/* What is known of a request where it was looked for (requests.c); of several places the greatest
 * counts. */
enum place_verdict {
    PLACE_UNKNOWN, /* nothing, so it never was there */
    PLACE_OVER,    /* it is too late for it */
    PLACE_OPEN,    /* it may still be decided */
};

struct task {
    struct gateway *gateway;
    struct exchange *exchange; /* NULL: the client is gone */
    const struct route *route;
    struct span parameter[ROUTE_PARAMETERS_MAX];
    struct caller caller;
    struct limited limited;
    struct list node; /* in whatever list it waits in */
    bool is_parked;
    bool show_is_absent;                 /* it waited for a show, and there is none */
    bool show_is_unavailable;            /* … and nobody could say */
    struct cached_show *cached;          /* pinned; or NULL */
    const struct show *show;             /* cached's */
    struct cached_show *also[PARTS_MAX]; /* pinned: other shows of a request for several */
    size_t alsos;
    void (*counted)(struct task *task);   /* counts.h */
    void (*with_room)(struct task *task); /* rooms.h */
    uint32_t arrival;                     /* what it joined a waiting room as (queue.c) */
    bool has_rejoined;
    unsigned joins; /* attempts that found no number reserved */

    /* Of commands and of whoever awaits one. */
    struct id id;
    struct id payment; /* the id, while that of its settlement is awaited */
    bool has_id;
    bool varies_by_prefer; /* the answer says what was preferred and done */
    bool is_replayed;      /* the answer is one that was given before */
    bool ends_connection;  /* nothing is wanted of this client any more */
    int64_t age_s;         /* what is told may be so old: it is a replica's */
    bool was_again;        /* its entry was appended twice: "repeated" says nothing */
    bool has_joined;       /* the same key was awaited already: the answer is that one's */
    bool has_looked_back;  /* where its show was before it moved (requests.c) */
    size_t catalogue;      /* the database whose list of shows is meant (requests.c) */
    enum place_verdict verdict;
    bool checks_fingerprint;
    struct preference preference;
    char trace[TRACE_BYTES_MAX + 1]; /* or empty */
    unsigned char fingerprint[FINGERPRINT_BYTES];
    int64_t deadline_ms; /* wall clock */
    int64_t arrived_ms;  /* wall clock */
    uint64_t committed;  /* the partition's version at which Postgres did not have it */
    const struct awaited *awaited;
    task_grant *grant;
    void (*paid)(struct task *task, const struct paid *paid); /* payments.h */
    task_words *words;
    size_t lines;                /* what it asks for, where it is a command that takes places */
    struct line line[LINES_MAX]; /* … and may be told what else there is (alternatives.h) */
    struct refusal refusal;
    void (*tell_hint)(struct task *task, struct span member);

    struct tracing *tracing; /* owned; or NULL: its trace is not recorded (tracing.h) */

    /* The table of waiters' own. */
    enum wait_phase phase;
    uint32_t partition;
    struct list due; /* in a slot of the wheel */
    int64_t wait_until_us;
    int64_t look_ms; /* pause before the next look for the answer */
};

struct task_pool {
    struct list spare;
    size_t spares, taken;
};

void task_pool_init(struct task_pool *pool);
void task_pool_free(struct task_pool *pool);

/* NULL: no memory. Belongs to the exchange from now on. */
struct task *task_take(struct gateway *gateway, struct exchange *exchange);
/* The end: the exchange was answered, or is gone. */
void task_give(struct task *task);
/* The client went away. */
void task_gone(struct task *task);

/* Around a question to Redis or Postgres whose callback has the task as its context. task_resume
 * says false if the client went away meanwhile; the task is given back then. */
void task_park(struct task *task);
bool task_resume(struct task *task);

void task_set_id(struct task *task, struct id id);

#endif
