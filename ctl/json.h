/* JSON in and out of usherctl: files and the status. With web_json.h the only one that has it. */
#ifndef USHER_CTL_JSON_H
#define USHER_CTL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "advise.h"
#include "base/draw.h"
#include "schedule.h"
#include "seat_map.h"
#include "show_spec.h"
#include "status.h"

#define SHOWS_IN_FILE_MAX 10000

struct show_list {
    struct show_spec *specs; /* owned; their texts are the tree's */
    size_t count;
    void *tree;                   /* owned */
    struct schedule_texts *texts; /* owned; of a series' shows */
};

/*
 * A file that holds one show or an array of them: keys as show_fields names them, `"draft": true`,
 * and `"tiers": [{"code", "price", "capacity"}, …]`, without "capacity" where the seats are
 * numbered. Anything else is an error: false, and one clause in why. Every show has been checked
 * (show_spec_check).
 */
bool json_read_shows(const char *path, struct show_list *list, char why[SHOW_WHY_BYTES]);

/*
 * A file that holds one schedule, expanded into its shows. Keys are those of a show, but for slug,
 * starts_at and ends_at, and: `"days": {"from", "to", "weekdays": ["fri", …]}`, `"slots":
 * [{"begins": "15:00", "ends": "17:30"}, …]`, `"rooms": [{"slug", "name", "tiers"}, …]`,
 * `"utc_offset": "+02:00"`, `"closes_minutes_before": n`. `number` is the first show's.
 */
bool json_read_series(const char *path, struct show_list *list, char why[SHOW_WHY_BYTES]);
void json_free_shows(struct show_list *list);

/* A seat map: an array of entries (seat_map.h), or an object with the one member "seats". */
bool json_read_seat_map(struct seat_map *map, const struct show_spec *show, const char *path,
                        char why[SHOW_WHY_BYTES]);

/* What a waiting room published of its draw. */
struct draw_record {
    uint32_t arrivals;
    unsigned char commitment[DIGEST_BYTES], key[DRAW_KEY_BYTES];
};
/* From what GET /v1/shows/{show}/queue answered; "-" is standard input. False, and one clause in
 * why, if it is not that or the room has not opened. */
bool json_read_draw(const char *path, struct draw_record *draw, char why[SHOW_WHY_BYTES]);

/* One JSON object and a newline. */
void json_write_status(FILE *out, const struct status *status);
void json_write_advice(FILE *out, const struct survey *survey, const struct advice *advice,
                       size_t count);

#endif
