/*
 * How far a waiting room lets people in: at the operator's rate, never more of them at a time than
 * can still be satisfied, and one more for each who did not come. Pure.
 */
#ifndef USHER_ALLOCATOR_PACE_H
#define USHER_ALLOCATOR_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* What serving moves on from: one look at the room. */
struct pace_look {
    int64_t now_ms;
    uint32_t serving, issued;
    uint32_t rate;             /* people a minute */
    uint32_t throttle;         /* of 1000: how much of the rate the partition bears now */
    uint32_t available;        /* places */
    uint32_t places_each;      /* that one person is expected to take */
    int64_t live, used;        /* were called and still may book; of those, have booked */
    uint32_t no_shows, unused; /* since the last look: never came; came, and did not book */
};

struct pace {
    int64_t at_ms; /* of the last look; 0: none yet */
    double credit; /* people who may be let in beyond whole ones */
};

/* Until the next one, nobody is let in, and no credit gathers. */
void pace_rest(struct pace *pace, int64_t now_ms);
/* Returns the new serving: from look->serving to look->issued. */
uint32_t pace_step(struct pace *pace, const struct pace_look *look);

#endif
