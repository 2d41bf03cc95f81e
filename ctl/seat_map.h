/*
 * The map of a show's numbered seats as an operator describes it: read from CSV or JSON, checked,
 * and laid out, before anything is written.
 *
 * A map is a list of entries; an entry is one seat, or `count` neighbours along a row:
 *
 *   tier        the code of one of the show's tiers
 *   section     or nothing
 *   row         or nothing
 *   number      of the (first) seat; needed and a whole number where there is a count
 *   count       how many seats, numbered upwards [1]
 *   id          unique in the show [what is there of section, row and number, joined by "-"]
 *   x, y        where it stands, for drawing; the seats of a count stand 1 apart in x
 *   accessible, blocked   true or false [false]
 *   gap         true: an aisle lies between this seat and the one before it
 *
 * The best seats come first. Seats that follow each other with the same tier, section and row and
 * no gap are neighbours.
 */
#ifndef USHER_CTL_SEAT_MAP_H
#define USHER_CTL_SEAT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/seats.h"
#include "show_spec.h"

enum seat_field {
    SEAT_TIER,
    SEAT_SECTION,
    SEAT_ROW,
    SEAT_NUMBER,
    SEAT_COUNT,
    SEAT_ID,
    SEAT_X,
    SEAT_Y,
    SEAT_ACCESSIBLE,
    SEAT_IS_BLOCKED,
    SEAT_GAP,
    SEAT_FIELDS
};
extern const char *const seat_field_names[SEAT_FIELDS];

/* One seat, as the columns of `seats` have it. */
struct seat_spec {
    uint32_t tier; /* number within the show */
    uint32_t position;
    uint32_t order; /* in the file */
    bool gap, accessible, blocked, has_place;
    double x, y;
    char id[SEAT_BYTES_MAX + 1], section[SEAT_BYTES_MAX + 1], row[SEAT_BYTES_MAX + 1],
        number[SEAT_BYTES_MAX + 1];
};

struct seat_map {
    size_t count, cap;
    struct seat_spec *seat; /* owned; by position once it is laid out */
};

void seat_map_free(struct seat_map *map);

/* One entry; a field that is not there is an empty span. False, and one clause in why. */
bool seat_map_add(struct seat_map *map, const struct show_spec *show,
                  const struct span field[SEAT_FIELDS], char why[SHOW_WHY_BYTES]);

/*
 * All entries are there: give every seat its position, tier by tier in the order of the file, and
 * the tiers that have seats their capacity. False if an id is there twice, or a tier without a
 * capacity has no seats, or one with a capacity has some.
 */
bool seat_map_finish(struct seat_map *map, struct show_spec *show, char why[SHOW_WHY_BYTES]);

/* A file in CSV: its first line names the columns, as the fields are called. */
bool seat_map_read_csv(struct seat_map *map, const struct show_spec *show, const char *path,
                       char why[SHOW_WHY_BYTES]);

#endif
