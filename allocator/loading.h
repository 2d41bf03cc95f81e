/*
 * How rows of Postgres go to Redis: in parts, each for one key, several on their way at once.
 */
#ifndef USHER_ALLOCATOR_LOADING_H
#define USHER_ALLOCATOR_LOADING_H

#include <stddef.h>
#include <stdint.h>

#include "allocator/decider.h"
#include "allocator/rebuild.h"
#include "base/buf.h"
#include "base/err.h"

#define PART_PAIRS 1024 /* spans in one part; at most LOAD_PAIRS_MAX */
#define WHAT_BYTES_MAX 40

/* Pairs for one key, sent when full. Spans are made late: the bytes move while they grow. */
struct part {
    char what[WHAT_BYTES_MAX];
    struct buf bytes;
    size_t pairs;
    struct {
        size_t at, len;
    } span[PART_PAIRS];
};

struct loading {
    struct rebuild *r;
    const struct tenure *t;
    struct part main; /* bookings, users, … */
    struct part holds;
    struct part waiters;
    uint32_t position; /* of the last seat */
    int64_t stamped_ms;
    uint64_t rows;
};

void loading_init(struct loading *loading, struct rebuild *rebuild, const struct tenure *tenure);
void loading_free(struct loading *loading);
/* Until Redis has taken all that was sent. */
enum err loading_wait(struct loading *loading);
/* A row of two columns that are text as Redis keeps it: a pair of the main part. */
enum err loading_take_pair(void *loading, struct span line);

/* Begin a part for the key "kind:show", or "kind" where show is 0. */
void part_start(struct part *part, const char *kind, uint32_t show);
/* The bytes put since `at` are one more span of the part. */
void part_end_span(struct part *part, size_t at);
/* One more span. */
void part_put(struct part *part, const void *bytes, size_t n);
void part_put_number(struct part *part, uint64_t n);
enum err part_send(struct loading *l, struct part *part);
enum err part_send_if_full(struct loading *l, struct part *part);

#endif
