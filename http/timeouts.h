/*
 * Many timers for the price of one. Every kind of timeout has one duration, so the links of a kind
 * stand in the order in which they fall due: arming is moving to the end of a list, and a look now
 * and then at the heads of the lists finds all that is due. No heap, no system call per request.
 *
 * A timeout strikes up to TIMEOUT_TICK_MS_MAX (or an eighth of the shortest duration) late.
 */
#ifndef USHER_HTTP_TIMEOUTS_H
#define USHER_HTTP_TIMEOUTS_H

#include <stdbool.h>
#include <stdint.h>

#define TIMEOUT_TICK_MS_MAX 250
#define TIMEOUT_TICK_MS_MIN 5

enum timeout_kind {
    TIMEOUT_IDLE,
    TIMEOUT_HEAD,
    TIMEOUT_BODY,
    TIMEOUT_WRITE,
    TIMEOUT_LINGER,
    TIMEOUT_KINDS,
    TIMEOUT_NONE = TIMEOUT_KINDS,
};

/* Part of what can time out; all zero while not armed. */
struct timeout_link {
    struct timeout_link *next, *previous;
    int64_t due_us;
};

struct timeouts {
    struct timeout_link kind[TIMEOUT_KINDS]; /* each the head of a ring */
    int64_t duration_us[TIMEOUT_KINDS];
};

void timeouts_init(struct timeouts *t);
void timeouts_set_duration(struct timeouts *t, enum timeout_kind kind, int64_t ms);
int64_t timeouts_tick_ms(const struct timeouts *t); /* how often to look */
/* Arm, or arm anew; TIMEOUT_NONE disarms. The clock may not run backwards between calls. */
void timeouts_arm(struct timeouts *t, struct timeout_link *link, enum timeout_kind kind,
                  int64_t now_us);
void timeouts_disarm(struct timeout_link *link);
/* One link that is due, disarmed, or NULL. */
struct timeout_link *timeouts_take_due(struct timeouts *t, int64_t now_us);

#endif
