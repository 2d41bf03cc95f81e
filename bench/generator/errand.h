/*
 * What a client does: an errand is one or more steps, each a request and a check of its answer.
 * Adding one is adding rows to STEPS and ERRAND_KINDS here and a row to step_rows in errand.c.
 * Pure: no I/O, no clock.
 */
#ifndef USHER_BENCH_ERRAND_H
#define USHER_BENCH_ERRAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "bench/generator/response.h"
#include "bench/generator/seats.h"

#define STEPS(X)                                                                                   \
    X(BOOK)    /* take a place at once */                                                          \
    X(HOLD)    /* take one until a time … */                                                     \
    X(CONFIRM) /* … and confirm it */                                                            \
    X(REFUSED) /* ask for a place where none is left */                                            \
    X(READ)    /* a show's availability */                                                         \
    X(FIRST)   /* book under an Idempotency-Key … */                                             \
    X(AGAIN)   /* … and ask the same once more */                                                \
    X(SEAT)    /* hold a seat that nobody else asks for */                                         \
    X(RACE)    /* hold one that others ask for too */

enum step {
#define X(name) STEP_##name,
    STEPS(X)
#undef X
        STEPS_END
};

/* name, as --mix calls it, its steps */
#define ERRAND_KINDS(X)                                                                            \
    X(BOOK, "book", STEP_BOOK, STEPS_END)                                                          \
    X(HOLD, "hold", STEP_HOLD, STEPS_END)                                                          \
    X(HOLD_CONFIRM, "hold+confirm", STEP_HOLD, STEP_CONFIRM)                                       \
    X(REFUSED, "refused", STEP_REFUSED, STEPS_END)                                                 \
    X(READ, "read", STEP_READ, STEPS_END)                                                          \
    X(DUPLICATE, "duplicate", STEP_FIRST, STEP_AGAIN)                                              \
    X(SEAT, "seat", STEP_SEAT, STEPS_END)                                                          \
    X(RACE, "seat-race", STEP_RACE, STEPS_END)

enum errand_kind {
#define X(name, text, first, second) ERRAND_##name,
    ERRAND_KINDS(X)
#undef X
        ERRANDS
};

/* How an answer is judged. */
#define VERDICTS(X)                                                                                \
    X(DONE, "done")           /* what was asked for, whole and true */                             \
    X(REFUSED, "refused")     /* 409: nothing is left, or the seat is taken */                     \
    X(BUSY, "busy")           /* 429 or 503 with Retry-After */                                    \
    X(QUEUED, "queued")       /* 202: not decided within the wait */                               \
    X(TIMED_OUT, "timed_out") /* 504: never will be */                                             \
    X(WRONG, "wrong")         /* anything else: a fault of the server */

enum verdict {
#define X(name, text) VERDICT_##name,
    VERDICTS(X)
#undef X
        VERDICTS_END
};

/* What all errands of a run share. Text is borrowed. */
struct errand_world {
    const char *show; /* slug; with shows > 1 the prefix of slug-1 … slug-shows */
    uint32_t shows;
    const char *sold_out; /* slug of a show where nothing is left */
    const char *tier;
    uint64_t seed; /* tells this run's users from another's */
    uint32_t processes;
    struct seat_pattern seats;
    uint32_t racers;        /* how many errands go for each seat of a race */
    struct seat_mark *mark; /* of each seat of each show, one show after the other; or NULL */
};

#define ERRAND_NAME_BYTES 64
#define ERRAND_FIRST_BYTES 2048

struct errand {
    enum errand_kind kind;
    bool second;                     /* at its second step */
    uint32_t show;                   /* 1 … shows */
    char user[ERRAND_NAME_BYTES];    /* "s<seed>-<process>-<serial>", also the key */
    char booking[ERRAND_NAME_BYTES]; /* as the first step's answer named it */
    size_t first_len;                /* the first step's body, to compare */
    char first[ERRAND_FIRST_BYTES];
    char seat[SEAT_NAME_BYTES];
    struct seat_mark *mark; /* the seat's; NULL: the errand asks for none */
};

const char *errand_kind_name(enum errand_kind kind);
const char *step_name(enum step step);
const char *verdict_name(enum verdict verdict);

/* Numbered seats are asked for in turns that all processes share: show 1's, then show 2's …;
 * `show` is for the other kinds. */
void errand_begin(struct errand *e, enum errand_kind kind, const struct errand_world *world,
                  uint32_t show, uint32_t process, uint64_t serial);
enum step errand_step(const struct errand *e);
/* The current step's request, appended; `host` for the Host field. */
void errand_write(const struct errand *e, const struct errand_world *world, const char *host,
                  struct buf *out);
/* Judges the current step's answer and keeps what the next one needs. */
enum verdict errand_check(struct errand *e, const struct response_seen *r);
/* No answer will come to the current step. */
void errand_abandon(struct errand *e);
/* On to the next step; false when the errand is over. Only after VERDICT_DONE. */
bool errand_advance(struct errand *e);

#endif
