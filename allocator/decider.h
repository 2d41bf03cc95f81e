/*
 * The decision script and its companions (lua/): the only way in which an owner changes the
 * partition's state in Redis. Every script checks the epoch first.
 */
#ifndef USHER_ALLOCATOR_DECIDER_H
#define USHER_ALLOCATOR_DECIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "allocator/batch.h"
#include "base/err.h"
#include "base/id.h"
#include "base/model.h"
#include "base/seats.h"
#include "link/redis.h"

#define GENERATION_BYTES_MAX 24
#define LOAD_PAIRS_MAX 2048 /* spans in one decider_load_send */
#define REPORT_SPANS_MAX 32 /* … in one decider_report_send */

/* What an owner knows of its partition, as Postgres says it. */
struct tenure {
    uint32_t partition;
    uint64_t epoch;
    uint64_t version; /* committed */
    struct cursor cursor;
    int64_t now_ms;
    char generation[GENERATION_BYTES_MAX];
};

enum script {
    SCRIPT_DECIDE,
    SCRIPT_TAKE,
    SCRIPT_LOAD,
    SCRIPT_SWITCH,
    SCRIPT_MEND,
    SCRIPT_STAMP,
    SCRIPT_REPORT,
    SCRIPT_ROOM_LOOK,
    SCRIPT_ROOM_TELL,
    SCRIPT_ROOM_ARRIVE,
    SCRIPTS
};

/* What the script asked for, and what was found: a booking that is not live, or a show that this
 * partition does not have. */
struct known_booking {
    struct booking
        booking; /* state 0: Postgres has no such booking; its user and seats are below */
    char user[USER_BYTES_MAX];
    char seats[BOOKING_SEATS_MAX * SEAT_POSITION_BYTES];
    bool has_payment; /* one whose money was not taken, as far as is known */
    struct id payment;
};

struct known {
    size_t bookings;
    struct known_booking booking[BATCH_REQUESTS_MAX];
    size_t missing_shows;
    uint32_t missing_show[BATCH_REQUESTS_MAX];
};

struct need {
    size_t shows;
    uint32_t show[BATCH_REQUESTS_MAX];
    size_t bookings;
    struct id booking[BATCH_REQUESTS_MAX];
};

enum blob { BLOB_BATCH, BLOB_KNOWN, BLOB_PLACES, BLOBS };

struct decider {
    struct redis *redis; /* borrowed */
    char sha1[SCRIPTS][41];
    struct buf blob[BLOBS]; /* the script's arguments under construction */
    int64_t next_due_ms;    /* when the next hold expires, 1 if offers are to be made; 0: neither */
};

void decider_init(struct decider *d, struct redis *redis);
void decider_free(struct decider *d);
/* Load all scripts: first thing on every connection. */
enum err decider_load_scripts(struct decider *d);

/*
 * Run a script and take its reply; argv[0] and argv[1] are set here. One that Redis has forgotten
 * (SCRIPT FLUSH) did nothing and is loaded again. ERR_REFUSED: it failed.
 */
enum err decider_run(struct decider *d, enum script script, size_t argc, struct span *argv,
                     struct redis_reply **reply);

/*
 * Decide the batch's undecided requests and release what is due. batch->version and now_ms are
 * set. ERR_NONE with need->shows or need->bookings: nothing was done, find these and ask again.
 * ERR_FENCED, ERR_REBUILD, ERR_REFUSED (the script failed): nothing more may be decided.
 * A batch whose holds took the whole run comes back with `*later`: its requests were not decided.
 */
enum err decider_decide(struct decider *d, const struct tenure *t, struct batch *batch,
                        const struct known *known, struct need *need, bool *later);

/* What Redis has of the partition. */
struct taken {
    uint64_t epoch; /* before this one */
    char generation[GENERATION_BYTES_MAX];
    uint64_t version;
    bool clean;
    uint64_t published;
    uint64_t fenced_by; /* with ERR_FENCED: the higher epoch that Redis has seen */
};
enum err decider_take(struct decider *d, const struct tenure *t, struct taken *taken);

/* One bounded part of a show: pairs as load.lua says. Pipelined: load_send, then as many
 * load_taken. */
enum err decider_load_send(struct decider *d, const struct tenure *t, const char *what,
                           size_t count, const struct span *pairs);
enum err decider_load_taken(struct decider *d);
/* Learn when the next run is due without requests, once the tenure's generation stands. */
enum err decider_find_next_due(struct decider *d, const struct tenure *t);
enum err decider_switch(struct decider *d, const struct tenure *t);
/* *created: there was no stream; *appended: entries that were appended again. */
enum err decider_mend(struct decider *d, const struct tenure *t, bool *created, int64_t *appended);

/* The answers up to `version` are sent, the entries up to `cursor` decided, and this is what they
 * left in these shows. Pipelined; the reply says STAMPED or FENCED. */
enum err decider_stamp_send(struct decider *d, const struct tenure *t, uint64_t version,
                            const struct cursor *cursor, size_t shows,
                            const struct availability *show);
/* What the owner reports of itself, as field, value, …. Lists its namespace again, too, if somebody
 * has deleted the list. Pipelined; REPORTED or FENCED. */
enum err decider_report_send(struct decider *d, const struct tenure *t, size_t count,
                             const struct span *fields);

/* A booking as lua/state.lua keeps it. `payment`: an id's bytes, or empty. */
void decider_pack_booking(struct buf *b, const struct booking *booking, bool extended,
                          struct span payment);

/* An error reply that says "not now" (memory, loading, read only, …), not "this is wrong". */
bool redis_text_is_passing(struct span text);

#endif
