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
static bool find_seats(struct task *task, struct json *json, uint32_t *position, size_t count)
{
    const struct seatmap *map = task->show->seatmap;
    struct span id;

    for (size_t i = 0; i < count; i++) {
        if (!json_text_at(json, json_root(json), "seats", i, &id))
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

bool named_seats(struct task *task, struct json *json, char bytes[NAMED_BYTES_MAX],
                 struct span *seats)
{
    uint32_t position[BOOKING_SEATS_MAX];
    size_t count = 0;

    json_texts(json, json_root(json), "seats", BOOKING_SEATS_MAX, &count);
    if (!command_is_right(task, json) || !find_seats(task, json, position, count))
        return false;
    for (size_t i = 0; i < count; i++)
        position[i] = htonl(position[i]);
    memcpy(bytes, position, count * SEAT_POSITION_BYTES);
    *seats = (struct span){bytes, count * SEAT_POSITION_BYTES};
    return true;
}

static bool add_to_line(struct request *request, uint32_t tier)
{
    for (size_t i = 0; i < request->lines; i++)
        if (request->line[i].tier == tier) {
            request->line[i].quantity++;
            return true;
        }
    if (request->lines == LINES_MAX)
        return false;
    request->line[request->lines++] = (struct line){tier, 1};
    return true;
}

bool named_read(struct task *task, struct json *json, char bytes[NAMED_BYTES_MAX],
                struct request *request)
{
    if (!named_seats(task, json, bytes, &request->seats))
        return false;
    for (size_t i = 0; i < seats_count(request->seats); i++) {
        const struct seat *seat = seatmap_at(task->show->seatmap, seats_at(request->seats, i));
        if (!add_to_line(request, seat->tier)) {
            reply_invalid(task, 422, "The seats are of too many tiers for one booking");
            return false;
        }
    }
    return true;
}
