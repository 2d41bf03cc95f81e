#include "gateway/named.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/commands.h"
#include "gateway/reply.h"
#include "gateway/seatmap.h"
#include "gateway/show.h"

#define TOLD_BYTES_MAX 60 /* of an id that is not there */

static int by_position(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;

    return *a < *b ? -1 : *a > *b;
}

static void tell_unknown(struct task *task, struct span id)
{
    char why[TOLD_BYTES_MAX + 40];

    snprintf(why, sizeof why, "The show has no seat \"%.*s\"",
             (int)(id.len < TOLD_BYTES_MAX ? id.len : TOLD_BYTES_MAX), id.bytes);
    reply_not_found(task, why);
}

/* The positions of the seats that are named, ascending; false: the task was answered. */
static bool find_seats(struct task *task, struct json *json, struct json_object in,
                       const struct seatmap *map, uint32_t *position, size_t count)
{
    struct span id;

    for (size_t i = 0; i < count; i++) {
        if (!json_text_at(json, in, "seats", i, &id))
            return command_is_right(task, json);
        const struct seat *seat = map != NULL ? seatmap_named(map, id) : NULL;
        if (seat == NULL) {
            tell_unknown(task, id);
            return false;
        }
        position[i] = seat->position;
    }
    qsort(position, count, sizeof *position, by_position);
    for (size_t i = 1; i < count; i++)
        if (position[i] == position[i - 1])
            json_fail(json, "\"seats\" must name each seat once");
    return command_is_right(task, json);
}

bool named_seats(struct task *task, struct json *json, struct json_object in,
                 const struct show *show, struct named *named, struct span *seats)
{
    uint32_t position[BOOKING_SEATS_MAX] = {0};
    size_t count = 0;

    json_texts(json, in, "seats", BOOKING_SEATS_MAX, &count);
    if (count * SEAT_POSITION_BYTES > sizeof named->bytes - named->len)
        json_fail(json, "a request may name at most %d seats", BOOKING_SEATS_MAX);
    if (!command_is_right(task, json) ||
        !find_seats(task, json, in, show->seatmap, position, count))
        return false;
    for (size_t i = 0; i < count; i++)
        position[i] = htonl(position[i]);
    *seats = (struct span){named->bytes + named->len, count * SEAT_POSITION_BYTES};
    memcpy(named->bytes + named->len, position, seats->len);
    named->len += seats->len;
    return true;
}

static bool add_to_line(struct line line[LINES_MAX], size_t *lines, uint32_t tier)
{
    for (size_t i = 0; i < *lines; i++)
        if (line[i].tier == tier) {
            line[i].quantity++;
            return true;
        }
    if (*lines == LINES_MAX)
        return false;
    line[(*lines)++] = (struct line){tier, 1};
    return true;
}

bool named_lines(struct task *task, const struct show *show, struct span seats,
                 struct line line[LINES_MAX], size_t *lines)
{
    *lines = 0;
    for (size_t i = 0; i < seats_count(seats); i++) {
        const struct seat *seat = seatmap_at(show->seatmap, seats_at(seats, i));
        if (!add_to_line(line, lines, seat->tier)) {
            reply_invalid(task, 422, "The seats are of too many tiers for one booking");
            return false;
        }
    }
    return true;
}
