/*
 * Numbered seats. A seat's position is its place in its show's map, from 1: tier by tier, block by
 * block. A block is a run of physically adjacent seats of one tier; one position behind each block
 * is a separator and no seat, so that seats at neighbouring positions are neighbours.
 *
 * A list of positions is packed as 4 bytes each, big-endian, ascending and without repetitions: in
 * requests, in answers, in what Redis keeps of a booking and in what the decision script says.
 *
 * The state of all seats of a show is a string of one byte a position, (tier - 1) * 8 + status;
 * SEAT_SEPARATOR where there is no seat.
 */
#ifndef USHER_BASE_SEATS_H
#define USHER_BASE_SEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "buf.h"

#define SEAT_POSITION_BYTES 4
#define SEAT_SEPARATOR 255
#define POSITIONS_MAX (2 * SEATS_MAX) /* every seat may be a block of its own */

/* Their numbers stand in Redis and Postgres: never renumber. number, name */
#define SEAT_STATUSES(X)                                                                           \
    X(0, AVAILABLE)                                                                                \
    X(1, HELD)                                                                                     \
    X(2, PENDING)                                                                                  \
    X(3, BOOKED)                                                                                   \
    X(4, BLOCKED)

enum seat_status {
#define X(number, name) SEAT_##name = number,
    SEAT_STATUSES(X)
#undef X
};

size_t seats_count(struct span seats);
uint32_t seats_at(struct span seats, size_t index); /* index < seats_count, asserted */
void seats_put(struct buf *b, uint32_t position);
/* Whole, ascending, within POSITIONS_MAX, at most BOOKING_SEATS_MAX; an empty list is right. */
bool seats_are_right(struct span seats);

#endif
