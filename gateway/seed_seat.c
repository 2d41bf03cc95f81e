#include "gateway/seed_seat.h"

#include <assert.h>

#include "base/bounds.h"
#include "base/text.h"

#define PLACE_BITS 20

_Static_assert(SEATS_MAX < 1 << PLACE_BITS, "a place fits");

bool seed_seat_read(struct span text, struct seed_seat *seat)
{
    uint64_t number;

    if (!text_u64(text, ((uint64_t)INT32_MAX << PLACE_BITS) + SEATS_MAX, &number))
        return false;
    seat->show = (uint32_t)(number >> PLACE_BITS);
    seat->place = (uint32_t)(number & ((1U << PLACE_BITS) - 1));
    return true;
}

const struct seat *seed_seat_find(const struct seatmap *map, uint32_t place)
{
    return map != NULL && place > 0 && place <= map->count ? &map->seat[place - 1] : NULL;
}

uint64_t seed_seat_number(uint32_t show, const struct seatmap *map, const struct seat *seat)
{
    assert(seat >= map->seat && seat < map->seat + map->count);
    return ((uint64_t)show << PLACE_BITS) + (uint64_t)(seat - map->seat) + 1;
}
