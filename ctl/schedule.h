/*
 * A schedule as an operator describes it (rooms × days × slots), and the shows that it makes: one
 * series, each of them one room on one day in one slot. Pure.
 */
#ifndef USHER_CTL_SCHEDULE_H
#define USHER_CTL_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>

#include "show_spec.h"

#define ROOMS_MAX 1000
#define SLOTS_MAX 96
#define DAYS_MAX 3660
#define SCHEDULE_SHOWS_MAX 10000
#define CLOSES_MINUTES_MAX (366 * 24 * 60)

/* Texts are borrowed. */
struct room {
    const char *slug;
    const char *name; /* NULL: the slug */
    bool has_tiers;   /* its own instead of the common ones */
    size_t tiers;
    struct tier_spec tier[TIERS_MAX];
};

struct slot {
    const char *begins; /* "15:00" */
    const char *ends;   /* "11:00": on the next day where that is not after the beginning */
};

struct schedule {
    struct show_spec common; /* its series, partition, tiers and rules are every show's; `number`
                                is the first one's, and the others follow */
    const char *from, *to;   /* "2035-05-03": the first day and the last */
    unsigned weekdays;       /* a bit for each, Sunday first; 0: every day */
    const char *utc_offset;  /* "Z", "+02:00": of the slots' times */
    int64_t closes_minutes_before; /* sales close so long before the beginning; -1: not so */
    struct room *room;             /* owned; none: one that is called as the series is */
    size_t rooms;
    struct slot slot[SLOTS_MAX];
    size_t slots;
};

struct schedule_texts; /* what the shows' own texts stand in */

/*
 * The shows, by room, day and slot, each checked (show_spec_check). Slugs are ROOM-YYYYMMDD, with
 * -HHMM where a day has several slots. False, and one clause in why, if there is none or too many
 * of them, or one is not right. The caller frees *specs and *texts.
 */
bool schedule_expand(const struct schedule *schedule, struct show_spec **specs, size_t *count,
                     struct schedule_texts **texts, char why[SHOW_WHY_BYTES]);

#endif
