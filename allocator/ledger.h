/*
 * Postgres as the allocator uses it: the claim of a partition, the commit of a batch, and what was
 * committed before, all of it in the database that the partition lies in. Two sessions: the
 * owner's, which holds the advisory lock and commits, and a reader for look-ups while a commit is
 * under way.
 */
#ifndef USHER_ALLOCATOR_LEDGER_H
#define USHER_ALLOCATOR_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "allocator/batch.h"
#include "allocator/decider.h"
#include "allocator/tally.h"
#include "base/bounds.h"
#include "base/buf.h"
#include "base/err.h"
#include "link/dsn.h"
#include "link/postgres.h"

/* A database that partitions lie in: home, or one that home's partitions point to. */
struct ledger_database {
    char dsn[DSN_BYTES_MAX + 1]; /* "": home */
    struct postgres *owner;      /* owned */
    struct postgres *reader;     /* owned */
    uint64_t prepared; /* a bit for each statement of a commit that the owner's session has */

    /* While standing by (standby.c). */
    struct buf partitions; /* those that home says are there, as an array's text; home: empty */
    bool is_asked;         /* which of them are free: the answer is on its way … */
    int64_t asked_us;      /* … since then */
    bool is_away;          /* and not tried again … */
    int64_t next_us;       /* … before that */
};

struct ledger {
    const char *conninfo, *name; /* borrowed from the options */
    int64_t timeout_ms;
    struct ledger_database database[DATABASES_MAX]; /* home first */
    size_t databases;
    struct ledger_database *at; /* where the sessions are that are meant by all that follows */
    struct postgres *owner;     /* its; borrowed from there */
    struct postgres *reader;
    uint32_t held; /* the partition whose lock the owner's session has; 0: none */
    bool committing;
    bool unwell; /* Postgres said lately that it cannot do now what it may do later */
};

/* `conninfo` names home; it and `name` live as long as the ledger. */
void ledger_init(struct ledger *l, const char *conninfo, const char *name, int64_t timeout_ms);
void ledger_free(struct ledger *l);

/* From here on this database is meant. Nothing is held. */
void ledger_go(struct ledger *l, struct ledger_database *database);

/* Both sessions up that are meant, statements prepared. Connected ones are left alone; a session
 * that had to be connected anew holds nothing (l->held is 0 then). */
enum err ledger_connect(struct ledger *l);
/* The owner's alone, no host waited for longer than wait_ms. */
enum err ledger_connect_owner(struct ledger *l, int64_t wait_ms);
void ledger_disconnect(struct ledger *l);
/* An error of one of the sessions, as what it means: fenced, not now, or refused. */
enum err ledger_judge(struct ledger *l, const struct postgres *session, enum err err);
const char *ledger_why(const struct ledger *l);
const char *ledger_why_reader(const struct ledger *l); /* of the reader's session alone */

/* Begin a tenure of the held partition: the epoch advances, older owners cannot commit any more. */
enum err ledger_claim(struct ledger *l, const char *name, uint64_t epoch_min, struct tenure *t);
enum err ledger_stamp(struct ledger *l, const struct tenure *t, int64_t now_ms);
enum err ledger_name_generation(struct ledger *l, const struct tenure *t);

/* Send the commit of a batch; then wait for its end. ERR_REFUSED: it is void, `ledger_why` says
 * why; ERR_FENCED: another owner; ERR_UNKNOWN: the connection broke. */
enum err ledger_begin(struct ledger *l, const struct tenure *t, struct batch *batch);
enum err ledger_settle(struct ledger *l);

/* One statement with the reader's session; a commit may be under way. ERR_FENCED: another owner. */
enum err ledger_ask(struct ledger *l, const char *sql, size_t count,
                    const struct postgres_parameter *parameters, struct postgres_result **result);

/*
 * Requests of the batch that were granted before: those wanted[i] that Postgres has get their
 * first answer as ORIGIN_REPEATED. Reads with the reader, so a commit may be under way.
 */
enum err ledger_find_repeated(struct ledger *l, struct batch *batch, const bool *wanted);

/* What Postgres has of bookings that the script does not know; unknown ones get state 0. */
enum err ledger_find_bookings(struct ledger *l, const struct need *need, struct known *known);

/* Batches of the journal that are brought back to a Redis that knows none. */
#define JOURNAL_REPLAY_BATCHES 4096
/* Journal rows behind `published`, newest `batches_max` of them, oldest first. */
enum err ledger_read_journal(struct ledger *l, const struct tenure *t, uint64_t published,
                             int64_t batches_max,
                             enum err (*row)(void *context, int64_t now_ms, struct span answers),
                             void *context);
enum err ledger_prune_journal(struct ledger *l, const struct tenure *t, int64_t batches_max);

/*
 * Figures for analytics: the first cells of the tally are added to those that are there; minutes
 * before that time become hours. ERR_REFUSED: Postgres would not, whatever the reason, and nothing
 * has happened.
 */
enum err ledger_add_figures(struct ledger *l, const struct tenure *t, const struct tally *tally,
                            size_t cells);
enum err ledger_roll_up_figures(struct ledger *l, int64_t before_ms);

#endif
