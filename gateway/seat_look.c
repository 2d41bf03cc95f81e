#include "gateway/seat_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/keys.h"
#include "base/seats.h"
#include "gateway/seat_status.h"

#define CHANGE_BYTES 6 /* position, byte before, byte after (lua/seatmap.lua) */

static const unsigned char seatmap_source[] = {
#include "lua/seatmap.lua.inc"
};

bool seat_look_send(struct redis_servers *redis, const struct show *show, const uint64_t *since,
                    void (*done)(void *context, const struct redis_value *reply), void *context)
{
    struct key state = key_state(show->partition);
    char number[16], version[24] = "";

    snprintf(number, sizeof number, "%u", show->number);
    if (since != NULL)
        snprintf(version, sizeof version, "%llu", (unsigned long long)*since);
    struct span argv[] = {SPAN("EVAL"),    {(const char *)seatmap_source, sizeof seatmap_source},
                          SPAN("1"),       {state.text, state.len},
                          span_of(number), span_of(version)};
    return redis_servers_command(redis, show->partition,
                                 &(struct redis_command){6, argv, done, context});
}

/* As the script returns it. */
enum { LOOK_GENERATION, LOOK_VERSION, LOOK_SEATS, LOOK_HIDDEN, LOOK_COMPLETE, LOOK_CHANGES, LOOKS };

bool seat_look_has_come(const struct redis_value *reply)
{
    return reply != NULL && redis_count(*reply) == LOOKS;
}

struct span seat_look_generation(struct redis_value look)
{
    return redis_text(redis_at(look, LOOK_GENERATION));
}

struct span seat_look_version(struct redis_value look)
{
    return redis_text(redis_at(look, LOOK_VERSION));
}

bool seat_look_is_complete(struct redis_value look)
{
    return !span_is(redis_text(redis_at(look, LOOK_COMPLETE)), "0");
}

static uint32_t change_position(const char *change)
{
    return seats_at((struct span){change, SEAT_POSITION_BYTES}, 0);
}

/* The bytes as readers see them: those of the newest version, taken back to the published one. */
static bool take_back(struct redis_value hidden, char *bytes, size_t count)
{
    for (size_t i = 0; i < redis_count(hidden); i++) {
        struct span changes = redis_text(redis_at(hidden, i));
        for (size_t at = 0; at + CHANGE_BYTES <= changes.len; at += CHANGE_BYTES) {
            uint32_t position = change_position(changes.bytes + at);
            if (position == 0 || position > count)
                return false;
            bytes[position - 1] = changes.bytes[at + SEAT_POSITION_BYTES];
        }
    }
    return true;
}

bool seat_look_read(struct redis_value look, const struct seatmap *map, unsigned char *status)
{
    struct span seats = redis_text(redis_at(look, LOOK_SEATS));
    char *bytes = calloc(seats.len + 1, 1);
    bool right = bytes != NULL;

    if (right && seats.len > 0)
        memcpy(bytes, seats.bytes, seats.len);
    right = right && take_back(redis_at(look, LOOK_HIDDEN), bytes, seats.len);
    for (size_t i = 0; right && i < map->count; i++) {
        right = map->seat[i].position >= 1 && map->seat[i].position <= seats.len;
        status[i] = right ? (unsigned char)bytes[map->seat[i].position - 1] % 8 : 0;
        right = right && seat_status_is_known(status[i]);
    }
    free(bytes);
    return right;
}

/* Of several changes of one seat, the last one counts. */
bool seat_look_mark(struct redis_value look, const struct seatmap *map, unsigned char *marked)
{
    struct redis_value changes = redis_at(look, LOOK_CHANGES);

    for (size_t i = 0; i < redis_count(changes); i++) {
        struct span text = redis_text(redis_at(changes, i));
        for (size_t at = 0; at + CHANGE_BYTES <= text.len; at += CHANGE_BYTES) {
            const struct seat *seat = seatmap_at(map, change_position(text.bytes + at));
            unsigned char now = (unsigned char)text.bytes[at + SEAT_POSITION_BYTES + 1] % 8;
            if (seat == NULL || !seat_status_is_known(now))
                return false;
            marked[seat - map->seat] = (unsigned char)(now + 1);
        }
    }
    return true;
}
