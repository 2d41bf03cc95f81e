/*
 * What a run has seen. Each process counts into its own tally, in a mapping that all share; the
 * parent reads them while they run (for the progress line) and adds them up at the end.
 */
#ifndef USHER_BENCH_TALLY_H
#define USHER_BENCH_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#include "bench/generator/errand.h"
#include "bench/generator/histogram.h"
#include "bench/generator/listener.h"
#include "bench/generator/plan.h"

#define TIMELINE_CELLS 20000
#define SAMPLE_BYTES 1024
#define PATH_BYTES_MAX 512

struct tally {
    uint64_t verdict[STEPS_END][VERDICTS_END]; /* within the window */
    struct histogram latency[STEPS_END];       /* of those that were done or refused */
    uint64_t outside;    /* answers before or after the window: checked, not counted above */
    uint64_t wrong;      /* wrong answers whenever they came */
    uint64_t broken;     /* connections lost with a request under way */
    uint64_t reconnects; /* connections lost without one, or refused */
    uint64_t unanswered; /* still under way when the run ended */
    uint64_t behind;     /* open loop: operations that were due and never begun */
    uint64_t begun;      /* errands */
    uint64_t denied;     /* seats refused as taken that nobody has; known at the end of the run */
    int64_t last_us;     /* when the last counted answer came, from the start */
    uint32_t timeline_done[TIMELINE_CELLS]; /* bookings, holds and confirmations granted */
    uint32_t timeline_max_us[TIMELINE_CELLS];
    char sample[SAMPLE_BYTES]; /* the first wrong answer, or empty */

    /* --open */
    uint64_t open;              /* connections that stand now */
    uint64_t open_answers;      /* awaited answers or events that came */
    uint64_t open_busy;         /* 429 or 503 instead; asked again */
    uint64_t open_lost;         /* connections that ended before the time */
    int64_t open_first_wall_us; /* wall clock of the first and the last such answer */
    int64_t open_last_wall_us;
    struct histogram behind_us;   /* listen: how long, whenever something newer was told */
    uint64_t listening, told_end; /* at the end: listeners; those who heard that it is sold out */
    uint64_t version_min, version_max, available_max; /* … what they know */
};

/* Shared by all processes. */
struct board {
    _Atomic uint32_t ready;   /* processes whose clients are connected */
    _Atomic int64_t start_us; /* monotonic; 0 while not all are ready */
    _Atomic uint32_t stop;    /* 1: end now */
    int64_t start_wall_us;
    char path[PATH_BYTES_MAX];        /* what held connections ask for; set before start_us */
    struct listener_moments *moments; /* listen */
    struct tally tally[PROCESSES_MAX];
};

/* Zeroed memory that all processes share. Never NULL: exits if there is none. */
void *shared_new(size_t bytes);

void tally_answer(struct tally *t, enum step step, enum verdict verdict, int64_t latency_us,
                  bool inside);
void tally_timeline(struct tally *t, int64_t cell_ms, int64_t at_us, enum step step,
                    enum verdict verdict, int64_t latency_us);
void tally_sample(struct tally *t, enum step step, const struct response_seen *r);
void tally_merge(struct tally *into, const struct tally *from);

#endif
