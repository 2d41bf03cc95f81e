/* What is known of a show: a row of `shows` with its tiers. The cache is in shows.h. */
#ifndef USHER_GATEWAY_SHOW_H
#define USHER_GATEWAY_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/availability.h"
#include "base/bounds.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/price.h"

#define SHOW_WORD_BYTES 33 /* a category or a state, with the NUL */

struct tier {
    uint32_t number; /* within the show, from 1 */
    char code[TIER_BYTES_MAX + 1];
    int64_t price; /* minor units, before its steps */
    struct price_steps steps;
    uint32_t capacity, available, held, booked, blocked;
    bool has_seats; /* numbered */
};

struct seatmap;

struct show {
    uint32_t number;
    uint32_t partition;
    char slug[SLUG_BYTES_MAX + 1];
    char *name; /* owned */
    char category[SHOW_WORD_BYTES];
    char state[SHOW_WORD_BYTES];
    char currency[4];
    char series[SLUG_BYTES_MAX + 1];                 /* of which it is one date; "": of none */
    int64_t starts_ms, ends_ms, opens_ms, closes_ms; /* 0: none */
    int64_t max_per_user;                            /* 0: no limit */
    int64_t max_per_booking, hold_ms, hold_ms_max;
    bool payment_required;
    bool admission_required; /* its waiting room is on: a booking needs an admission */
    uint64_t version;        /* of the partition, when the tiers were read */
    size_t tiers;
    struct tier *tier;             /* owned; by number */
    const struct seatmap *seatmap; /* borrowed; NULL: it has no numbered seats, or nobody looked */
};

void show_free(struct show *show);
bool show_has_seats(const struct show *show);                           /* any of its tiers */
const struct tier *show_tier(const struct show *show, uint32_t number); /* or NULL */
const struct tier *show_tier_named(const struct show *show, struct span code); /* or NULL */
/* What a place costs at this moment, by these counts. */
int64_t tier_price(const struct tier *tier, const struct tier_count *count, int64_t now_ms);
/* The same by the counts as they were last set. */
int64_t tier_price_now(const struct tier *tier, int64_t now_ms);
/* The counts as they were last set: by loading from Postgres, or by show_set_counts. */
void show_availability(const struct show *show, struct availability *a);
void show_set_counts(struct show *show, const struct availability *a);

/* Tiers as one text, as SHOW_COLUMNS makes it: lines of
 * number:price:capacity:available:held:booked:blocked:seats:steps:code, `seats` 1 or 0. ERR_INPUT
 * if it is not that. */
enum err show_set_tiers(struct show *show, struct span text);

#endif
