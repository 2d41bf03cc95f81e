#include "seats.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

size_t seats_count(struct span seats)
{
    return seats.len / SEAT_POSITION_BYTES;
}

uint32_t seats_at(struct span seats, size_t index)
{
    uint32_t wire;

    assert(index < seats_count(seats));
    memcpy(&wire, seats.bytes + index * SEAT_POSITION_BYTES, sizeof wire);
    return ntohl(wire);
}

void seats_put(struct buf *b, uint32_t position)
{
    uint32_t wire = htonl(position);

    buf_put(b, &wire, sizeof wire);
}

bool seats_are_right(struct span seats)
{
    uint32_t last = 0;

    if (seats.len % SEAT_POSITION_BYTES != 0 || seats_count(seats) > BOOKING_SEATS_MAX)
        return false;
    for (size_t i = 0; i < seats_count(seats); i++) {
        uint32_t position = seats_at(seats, i);
        if (position <= last || position > POSITIONS_MAX)
            return false;
        last = position;
    }
    return true;
}
