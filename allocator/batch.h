/*
 * A batch: the requests that one turn decides and commits together, and what became of them.
 * Its memory is taken once and used again; two batches are all that an allocator has.
 */
#ifndef USHER_ALLOCATOR_BATCH_H
#define USHER_ALLOCATOR_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "allocator/columns.h"
#include "base/answer.h"
#include "base/availability.h"
#include "base/bounds.h"
#include "base/request.h"
#include "link/redis.h"
#include "trace/context.h"

#define CURSOR_BYTES_MAX 48
#define BATCH_SHOWS_MAX (BATCH_REQUESTS_MAX + BATCH_EXPIRIES_MAX + BATCH_LISTS_MAX)

struct cursor {
    char text[CURSOR_BYTES_MAX]; /* a stream entry's id, "1700000000000-0" */
};

/* How a request of the batch comes by its answer. */
enum origin {
    ORIGIN_UNDECIDED, /* the script is to decide it */
    ORIGIN_DECIDED,   /* decided in this batch; its answer goes into the journal */
    ORIGIN_REPEATED,  /* decided before; the answer is the first one */
    ORIGIN_FOLLOWS,   /* repeats the request `leader` of this batch */
    ORIGIN_MOVED,     /* its show is in another partition now, and so will it be: no answer here */
};

struct slot {
    enum origin origin;
    uint32_t leader;    /* ORIGIN_FOLLOWS; ORIGIN_MOVED: the partition */
    uint32_t answer_at; /* into batch.answers */
    uint32_t answer_len;
    enum code code; /* ORIGIN_DECIDED */
};

/* What Postgres says of the batch's ADMIN (preview.h): there is one at most, and nothing else. */
struct preview {
    enum code code;    /* GRANTED, or why not */
    struct buf told;   /* what it would be like, as JSON; or a sentence. Empty: not asked */
    struct buf fields; /* packed array: the show's fields in Redis, name and value; or empty */
};
void preview_reset(struct preview *p);

/* A payment that this batch begins or settles, for how long that took (payment_clock.h). */
struct paid {
    struct id payment;
    enum result result; /* 0: it begins */
};

/* A request of the batch whose trace is recorded (spans.h). */
struct traced {
    uint16_t at;                            /* in batch.request */
    unsigned char parent[TRACE_SPAN_BYTES]; /* who asked */
    struct trace_context context;           /* the allocator's span */
    char text[TRACE_BYTES_MAX + 1];         /* the same, where request.trace points to */
};

/* Finds a request of the batch by its id: open addressing, at most half full. */
#define BATCH_INDEX_SLOTS (2 * BATCH_REQUESTS_MAX)

struct batch {
    struct redis_reply *entries; /* owned; the requests' spans borrow from it */
    struct cursor cursor;        /* of the last entry in it, or the cursor before it if none */
    uint64_t version;            /* that its commit makes */
    int64_t now_ms;
    int64_t oldest_ms; /* when its first entry was appended */
    size_t count;
    size_t weight; /* request_weight of them all, at most BATCH_REQUESTS_MAX */
    struct request request[BATCH_REQUESTS_MAX];
    struct slot slot[BATCH_REQUESTS_MAX];
    uint16_t index[BATCH_INDEX_SLOTS];      /* request + 1; 0: free */
    int64_t entered_ms[BATCH_REQUESTS_MAX]; /* when its entry was appended, by Redis' clock */
    struct buf answers;
    struct buf journal;
    struct columns columns;
    struct preview preview;
    size_t shows;
    struct availability show[BATCH_SHOWS_MAX]; /* what the batch left in the shows it touched */
    size_t payments;
    struct paid payment[BATCH_REQUESTS_MAX];
    size_t expired;
    uint64_t outcomes[CODES_END];
    uint64_t repeated;
    int64_t began_us; /* for the metrics: when its present stage began */
    int64_t read_us, settled_us;
    size_t traceds;
    struct traced traced[BATCH_REQUESTS_MAX];
};

struct batch *batch_new(void); /* never NULL: aborts without memory */
void batch_free(struct batch *b);
void batch_reset(struct batch *b); /* empty, for the next turn; frees the entries */

/* Its requests wait for a later turn; what is left of it are the holds it released. */
void batch_forget_requests(struct batch *b);

/* The position of the request with this id, or -1. */
long batch_find(const struct batch *b, struct id id);
/* Make request `at` findable. The first one with an id wins. */
void batch_index(struct batch *b, size_t at);

/* Store an answer's bytes for a request. */
void batch_answer(struct batch *b, size_t at, enum origin origin, struct span bytes);
struct span batch_answer_of(const struct batch *b, size_t at);

#endif
