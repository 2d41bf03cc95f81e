/* A show as an operator describes it, by flags or in a file, checked before anything is written. */
#ifndef USHER_CTL_SHOW_SPEC_H
#define USHER_CTL_SHOW_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arguments.h"
#include "base/bounds.h"

/* From a share of the capacity or from a time on, the price is another. */
struct price_step_spec {
    int64_t sold_percent; /* 0: by time */
    char from[36];        /* RFC 3339; "" by share */
    int64_t price;        /* minor units */
};

struct tier_spec {
    char code[TIER_BYTES_MAX + 1];
    int64_t price;  /* minor units */
    bool has_seats; /* numbered: the map says how many, and how many of them are blocked */
    int64_t capacity;
    int64_t blocked;
    size_t steps;
    struct price_step_spec step[PRICE_STEPS_MAX];
};

struct seat_map;

/* Texts are borrowed from argv or from the file's tree; NULL where not given. */
struct show_spec {
    int64_t number; /* 0: the next free one */
    const char *slug;
    const char *name; /* NULL: the slug */
    const char *category;
    int64_t partition;
    int64_t max_per_user; /* live places; 0: no limit */
    int64_t max_per_booking;
    int64_t hold_seconds;
    int64_t hold_seconds_max; /* with an extension; 0: twice hold_seconds */
    int64_t offer_seconds;    /* of an offer to who waits; 0: hold_seconds */
    const char *starts_at;
    const char *ends_at;
    const char *opens_at;
    const char *closes_at;
    const char *currency;
    const char *series;         /* of which it is one date; NULL: of none */
    const char *payment;        /* "optional" or "required" */
    const char *map_path;       /* of its numbered seats */
    const struct seat_map *map; /* borrowed; NULL: it has none */
    bool draft;
    size_t tiers;
    struct tier_spec tier[TIERS_MAX];
};

/* The fields besides the tiers: flags of the command line, and keys of a file (show_field_key). */
#define SHOW_FIELDS 19
extern const struct flag show_fields[SHOW_FIELDS];
#define SHOW_FIELD_BYTES 32
void show_field_key(const struct flag *field, char key[SHOW_FIELD_BYTES]); /* "max_per_user" */

void show_spec_init(struct show_spec *spec); /* the defaults */

#define SHOW_WHY_BYTES 200
/* Append the tier "CODE:PRICE:CAPACITY", or "CODE:PRICE" for one of numbered seats. False, and one
 * clause in why, if it is not one. */
bool show_spec_add_tier(struct show_spec *spec, const char *text, char why[SHOW_WHY_BYTES]);
/* Append "CODE:N%:PRICE" or "CODE:TIME:PRICE" to the steps of a tier that is there already. */
bool show_spec_add_step(struct show_spec *spec, const char *text, char why[SHOW_WHY_BYTES]);
/* Is everything there and within bounds? Fills in what is NULL by default. */
bool show_spec_check(struct show_spec *spec, char why[SHOW_WHY_BYTES]);

#endif
