/*
 * A design that works through SQL: the statements it knows, and what it does after each answer.
 * Adding one is adding a file with a `struct design` and a row in main.c. The designs do no I/O:
 * pool.c sends what they say.
 */
#ifndef USHER_BENCH_DESIGN_H
#define USHER_BENCH_DESIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/rivals/desk.h"

#define STATEMENTS_MAX 8
#define GROUP_MAX 4
#define RETRIES_MAX 1000

/* What a statement gives back: at most one row of two numbers. */
struct row {
    int found;
    int64_t column[2];
};

enum act { ACT_SEND, ACT_GRANT, ACT_REFUSE, ACT_UNKNOWN, ACT_FAIL };

/* The next thing to do for a wish. Statements of a group go out together, and only then answers
 * are read; `row` of the next call is that of the group's statement `row_of`. */
struct move {
    enum act act;
    int64_t id; /* ACT_GRANT: the booking's */
    int count;
    int statement[GROUP_MAX];
    int row_of;
};

struct statement {
    const char *sql;
    const char *parameters; /* one letter each: s show, u user, q quantity, v version, p seat */
};

struct design {
    const char *name;
    const char *summary;
    bool seats; /* holds numbered seats; else books by quantity */
    struct statement statement[STATEMENTS_MAX];
    /* wish->stage is 0 at first; the design moves it. */
    struct move (*move)(struct wish *wish, const struct row *row);
};

extern const struct design design_for_update;
extern const struct design design_for_update_fused;
extern const struct design design_atomic;
extern const struct design design_optimistic;
extern const struct design design_seat_lock;
extern const struct design design_seat_lock_fused;

#endif
