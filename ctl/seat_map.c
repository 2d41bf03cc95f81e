#include "seat_map.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define PLACE_MAX 1000000.0
#define NUMBER_MAX 1000000

const char *const seat_field_names[SEAT_FIELDS] = {
    [SEAT_TIER] = "tier",
    [SEAT_SECTION] = "section",
    [SEAT_ROW] = "row",
    [SEAT_NUMBER] = "number",
    [SEAT_COUNT] = "count",
    [SEAT_ID] = "id",
    [SEAT_X] = "x",
    [SEAT_Y] = "y",
    [SEAT_ACCESSIBLE] = "accessible",
    [SEAT_IS_BLOCKED] = "blocked",
    [SEAT_GAP] = "gap",
};

static bool __attribute__((format(printf, 2, 3)))
fault(char why[SHOW_WHY_BYTES], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, SHOW_WHY_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

void seat_map_free(struct seat_map *map)
{
    free(map->seat);
    *map = (struct seat_map){0};
}

/* Texts are told to people and stand in lines of text: no control characters, not long. */
static bool read_text(const struct span field[SEAT_FIELDS], enum seat_field at,
                      char into[SEAT_BYTES_MAX + 1], char why[SHOW_WHY_BYTES])
{
    struct span text = field[at];

    if (text.len > SEAT_BYTES_MAX || !text_is_utf8(text) || text_has_control(text))
        return fault(why, "'%s' must be text of at most %d bytes", seat_field_names[at],
                     SEAT_BYTES_MAX);
    snprintf(into, SEAT_BYTES_MAX + 1, "%.*s", (int)text.len, text.len > 0 ? text.bytes : "");
    return true;
}

static bool read_flag(const struct span field[SEAT_FIELDS], enum seat_field at, bool *flag,
                      char why[SHOW_WHY_BYTES])
{
    *flag = span_is_nocase(field[at], "true") || span_is(field[at], "1");
    if (*flag || field[at].len == 0 || span_is_nocase(field[at], "false") ||
        span_is(field[at], "0"))
        return true;
    return fault(why, "'%s' must be true or false", seat_field_names[at]);
}

static bool read_place(const struct span field[SEAT_FIELDS], enum seat_field at, double *place,
                       char why[SHOW_WHY_BYTES])
{
    char text[32], *end;

    snprintf(text, sizeof(text), "%.*s", (int)field[at].len, field[at].bytes);
    *place = strtod(text, &end);
    if (field[at].len >= sizeof(text) || *end != '\0' || strpbrk(text, "xXnN") != NULL ||
        *place > PLACE_MAX || *place < -PLACE_MAX)
        return fault(why, "'%s' must be a number within ±%.0f", seat_field_names[at], PLACE_MAX);
    return true;
}

static bool read_places(const struct span field[SEAT_FIELDS], struct seat_spec *seat,
                        char why[SHOW_WHY_BYTES])
{
    seat->has_place = field[SEAT_X].len > 0;
    if (seat->has_place != (field[SEAT_Y].len > 0))
        return fault(why, "'x' and 'y' go together");
    return !seat->has_place ||
           (read_place(field, SEAT_X, &seat->x, why) && read_place(field, SEAT_Y, &seat->y, why));
}

static bool read_tier(const struct span field[SEAT_FIELDS], const struct show_spec *show,
                      struct seat_spec *seat, char why[SHOW_WHY_BYTES])
{
    for (size_t i = 0; i < show->tiers; i++)
        if (span_is(field[SEAT_TIER], show->tier[i].code))
            seat->tier = (uint32_t)i + 1;
    if (seat->tier > 0)
        return true;
    if (field[SEAT_TIER].len == 0)
        return fault(why, "'tier' is missing");
    return fault(why, "the show has no tier '%.*s'",
                 (int)(field[SEAT_TIER].len < 60 ? field[SEAT_TIER].len : 60),
                 field[SEAT_TIER].bytes);
}

static bool name_seat(struct seat_spec *seat, char why[SHOW_WHY_BYTES])
{
    const char *parts[] = {seat->section, seat->row, seat->number};
    size_t n = 0;

    for (size_t i = 0; i < 3 && n <= SEAT_BYTES_MAX; i++)
        if (parts[i][0] != '\0')
            n += (size_t)snprintf(seat->id + n, sizeof(seat->id) - n, "%s%s", n > 0 ? "-" : "",
                                  parts[i]);
    if (n == 0)
        return fault(why, "it has no id, and no section, row and number to make one of");
    if (n > SEAT_BYTES_MAX)
        return fault(why, "its section, row and number are too long together: give it an 'id'");
    return true;
}

static bool append(struct seat_map *map, const struct seat_spec *seat, char why[SHOW_WHY_BYTES])
{
    if (map->count == SEATS_MAX)
        return fault(why, "a show has at most %d seats", SEATS_MAX);
    if (map->count == map->cap) {
        map->cap = map->cap > 0 ? 2 * map->cap : 1024;
        map->seat = realloc(map->seat, map->cap * sizeof(*map->seat));
        if (map->seat == NULL)
            abort();
    }
    map->seat[map->count] = *seat;
    map->seat[map->count].order = (uint32_t)map->count;
    map->count++;
    return true;
}

static bool add_count(struct seat_map *map, const struct span field[SEAT_FIELDS],
                      struct seat_spec *seat, char why[SHOW_WHY_BYTES])
{
    uint64_t count, number;

    if (!text_u64(field[SEAT_COUNT], SEATS_MAX, &count) || count == 0)
        return fault(why, "'count' must be a whole number from 1 to %d", SEATS_MAX);
    if (!text_u64(field[SEAT_NUMBER], NUMBER_MAX, &number))
        return fault(why, "with a 'count', 'number' must be a whole number");
    if (field[SEAT_ID].len > 0 && count > 1)
        return fault(why, "an 'id' is one seat's: leave it out where there is a 'count'");
    for (uint64_t i = 0; i < count; i++) {
        snprintf(seat->number, sizeof(seat->number), "%" PRIu64, number + i);
        if ((field[SEAT_ID].len == 0 && !name_seat(seat, why)) || !append(map, seat, why))
            return false;
        seat->x += 1;
        seat->gap = false;
    }
    return true;
}

bool seat_map_add(struct seat_map *map, const struct show_spec *show,
                  const struct span field[SEAT_FIELDS], char why[SHOW_WHY_BYTES])
{
    struct seat_spec seat = {0};

    if (!read_tier(field, show, &seat, why) || !read_text(field, SEAT_SECTION, seat.section, why) ||
        !read_text(field, SEAT_ROW, seat.row, why) ||
        !read_text(field, SEAT_NUMBER, seat.number, why) ||
        !read_text(field, SEAT_ID, seat.id, why) || !read_places(field, &seat, why) ||
        !read_flag(field, SEAT_ACCESSIBLE, &seat.accessible, why) ||
        !read_flag(field, SEAT_IS_BLOCKED, &seat.blocked, why) ||
        !read_flag(field, SEAT_GAP, &seat.gap, why))
        return false;
    if (field[SEAT_COUNT].len > 0)
        return add_count(map, field, &seat, why);
    return (seat.id[0] != '\0' || name_seat(&seat, why)) && append(map, &seat, why);
}

static int by_tier(const void *left, const void *right)
{
    const struct seat_spec *a = left, *b = right;

    if (a->tier != b->tier)
        return a->tier < b->tier ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static bool is_neighbour(const struct seat_spec *seat, const struct seat_spec *before)
{
    return !seat->gap && seat->tier == before->tier && seat->order == before->order + 1 &&
           strcmp(seat->section, before->section) == 0 && strcmp(seat->row, before->row) == 0;
}

static int by_text(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;

    return strcmp(*a, *b);
}

static bool ids_are_unique(const struct seat_map *map, char why[SHOW_WHY_BYTES])
{
    const char **sorted = malloc((map->count + 1) * sizeof(*sorted));
    const char *twice = NULL;

    if (sorted == NULL)
        abort();
    for (size_t i = 0; i < map->count; i++)
        sorted[i] = map->seat[i].id;
    qsort(sorted, map->count, sizeof(*sorted), by_text);
    for (size_t i = 1; i < map->count && twice == NULL; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            twice = sorted[i];
    free(sorted);
    return twice == NULL || fault(why, "two seats have the id '%s'", twice);
}

static bool count_tiers(const struct seat_map *map, struct show_spec *show,
                        char why[SHOW_WHY_BYTES])
{
    int64_t count[TIERS_MAX] = {0}, blocked[TIERS_MAX] = {0};

    for (size_t i = 0; i < map->count; i++) {
        count[map->seat[i].tier - 1]++;
        blocked[map->seat[i].tier - 1] += map->seat[i].blocked;
    }
    for (size_t i = 0; i < show->tiers; i++) {
        struct tier_spec *tier = &show->tier[i];
        if (!tier->has_seats && count[i] > 0)
            return fault(why, "tier '%s' has seats in the map: leave its capacity out", tier->code);
        if (tier->has_seats && count[i] == 0)
            return fault(why, "tier '%s' has no capacity, and no seats in a map", tier->code);
        if (tier->has_seats) {
            tier->capacity = count[i];
            tier->blocked = blocked[i];
        }
    }
    return true;
}

bool seat_map_finish(struct seat_map *map, struct show_spec *show, char why[SHOW_WHY_BYTES])
{
    uint32_t position = 0;

    if (!count_tiers(map, show, why) || !ids_are_unique(map, why))
        return false;
    if (map->count > 0)
        qsort(map->seat, map->count, sizeof(*map->seat), by_tier);
    for (size_t i = 0; i < map->count; i++) {
        position += i > 0 && !is_neighbour(&map->seat[i], &map->seat[i - 1]) ? 2 : 1;
        map->seat[i].position = position;
    }
    return true;
}
