/*
 * The numbers under which the seeds' clients know seats, and which they give back as they got them:
 * one number says which show and which seat.
 *
 *   show number * 2^20 + the seat's place in its show's map, from 1
 *
 * That is below 2^53 for every show, so a number of JSON keeps it. A number below 2^20 is a place
 * in the map of the show that is configured (seats_show). Pure.
 */
#ifndef USHER_GATEWAY_SEED_SEAT_H
#define USHER_GATEWAY_SEED_SEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "gateway/seatmap.h"

struct seed_seat {
    uint32_t show;  /* its number; 0: the show that is configured */
    uint32_t place; /* from 1 */
};

/* False if it is no number of a seat. */
bool seed_seat_read(struct span text, struct seed_seat *seat);
/* The seat at that place of the map, or NULL. The map may be NULL. */
const struct seat *seed_seat_find(const struct seatmap *map, uint32_t place);
/* The number of a seat of this map. */
uint64_t seed_seat_number(uint32_t show, const struct seatmap *map, const struct seat *seat);

#endif
