#include "gateway/seatmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/bounds.h"
#include "base/seats.h"
#include "base/text.h"

static size_t count_lines(struct span text)
{
    size_t count = text.len > 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.bytes[i] == '\n';
    return count;
}

/* A field of the line at *at, ended by a NUL instead of what was behind it. */
static char *cut(char **at, char end)
{
    char *field = *at, *stop = strchr(field, end);

    if (stop == NULL)
        return NULL;
    *stop = '\0';
    *at = stop + 1;
    return field;
}

static bool read_number(char **at, uint64_t max, uint64_t *n)
{
    const char *field = cut(at, '\t');

    return field != NULL && text_u64(span_of(field), max, n);
}

/* A line: its numbers, then its texts, which stay where they are. */
static bool read_seat(const struct seatmap *map, char **at, struct seat *seat)
{
    uint64_t position, tier, accessible;

    if (!read_number(at, POSITIONS_MAX, &position) || !read_number(at, TIERS_MAX, &tier) ||
        !read_number(at, 1, &accessible))
        return false;
    *seat = (struct seat){.position = (uint32_t)position,
                          .at = (uint32_t)(*at - map->text),
                          .tier = (uint8_t)tier,
                          .accessible = accessible == 1};
    for (int i = 0; i < SEAT_TEXTS; i++)
        if (cut(at, i + 1 < SEAT_TEXTS ? '\t' : '\n') == NULL)
            return false;
    return true;
}

static size_t slot_of(const struct seatmap *map, struct span id)
{
    uint64_t hash = 14695981039346656037U;

    for (size_t i = 0; i < id.len; i++)
        hash = (hash ^ (unsigned char)id.bytes[i]) * 1099511628211U;
    size_t slot = hash % map->slots;
    while (map->index[slot] != 0 &&
           !span_is(id, seatmap_text(map, &map->seat[map->index[slot] - 1], SEAT_TEXT_ID)))
        slot = (slot + 1) % map->slots;
    return slot;
}

static bool read_lines(struct seatmap *map, size_t count)
{
    char *at = map->text;

    for (; map->count < count; map->count++) {
        struct seat *seat = &map->seat[map->count];
        if (!read_seat(map, &at, seat) || (map->count > 0 && seat->position <= seat[-1].position))
            return false;
        map->index[slot_of(map, span_of(seatmap_text(map, seat, SEAT_TEXT_ID)))] =
            (uint32_t)map->count + 1;
    }
    return true;
}

/* Seats by their positions, which a few places between blocks are not. */
static bool number_positions(struct seatmap *map)
{
    map->last = map->count > 0 ? map->seat[map->count - 1].position : 0;
    map->at = calloc((size_t)map->last + 1, sizeof *map->at);
    if (map->at == NULL)
        return false;
    for (size_t i = 0; i < map->count; i++)
        map->at[map->seat[i].position] = (uint32_t)i + 1;
    return true;
}

struct seatmap *seatmap_new(struct span text)
{
    struct seatmap *map = calloc(1, sizeof *map);
    size_t count = count_lines(text);

    if (map == NULL || count > SEATS_MAX) {
        free(map);
        return NULL;
    }
    map->slots = 2 * count + 1;
    map->seat = calloc(count + 1, sizeof *map->seat);
    map->index = calloc(map->slots, sizeof *map->index);
    map->text = malloc(text.len + 2);
    if (map->seat == NULL || map->index == NULL || map->text == NULL) {
        seatmap_free(map);
        return NULL;
    }
    memcpy(map->text, text.len > 0 ? text.bytes : "", text.len);
    memcpy(map->text + text.len, "\n", 2); /* every line has an end */
    if (read_lines(map, count) && number_positions(map))
        return map;
    seatmap_free(map);
    return NULL;
}

void seatmap_free(struct seatmap *map)
{
    if (map == NULL)
        return;
    free(map->seat);
    free(map->text);
    free(map->index);
    free(map->at);
    free(map);
}

const struct seat *seatmap_named(const struct seatmap *map, struct span id)
{
    uint32_t found = map->index[slot_of(map, id)];

    return found > 0 ? &map->seat[found - 1] : NULL;
}

const struct seat *seatmap_at(const struct seatmap *map, uint32_t position)
{
    uint32_t found = position <= map->last ? map->at[position] : 0;

    return found > 0 ? &map->seat[found - 1] : NULL;
}

/* One block of neighbours, from seat `at` on: where n are free, and whether they would leave a
 * single one. Gives the seat behind the block. */
static size_t look_into_block(const struct seatmap *map, const unsigned char *status, size_t at,
                              uint32_t n, size_t *found, bool *orphans)
{
    uint32_t tier = map->seat[at].tier;
    size_t run = 0;

    *found = SIZE_MAX;
    for (size_t i = at;; i++) {
        bool is_here = i < map->count && map->seat[i].tier == tier &&
                       (i == at || map->seat[i].position == map->seat[i - 1].position + 1);
        if (is_here && status[i] == SEAT_AVAILABLE) {
            run++;
            continue;
        }
        if (run >= n && (*found == SIZE_MAX || (*orphans && run != n + 1))) {
            *found = i - run;
            *orphans = run == n + 1;
        }
        run = 0;
        if (!is_here)
            return i;
    }
}

size_t seatmap_blocks(const struct seatmap *map, const unsigned char *status, uint32_t tier,
                      uint32_t n, uint32_t *first, size_t max)
{
    size_t count = 0, others = 0, found;
    bool orphans = false;

    for (size_t at = 0; at < map->count && count < max;) {
        if (map->seat[at].tier != tier) {
            at++;
            continue;
        }
        at = look_into_block(map, status, at, n, &found, &orphans);
        if (found == SIZE_MAX)
            continue;
        if (!orphans) {
            /* Before the others, the last of which has to go where there is no room. */
            others -= count + others == max;
            memmove(first + count + 1, first + count, others * sizeof *first);
            first[count++] = (uint32_t)found;
        } else if (count + others < max) {
            first[count + others++] = (uint32_t)found;
        }
    }
    return count + others;
}

const char *seatmap_text(const struct seatmap *map, const struct seat *seat, enum seat_text text)
{
    const char *at = map->text + seat->at;

    for (int i = 0; i < (int)text; i++)
        at += strlen(at) + 1;
    return at;
}
