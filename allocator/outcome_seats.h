/* Numbered seats in what the decision script returned, made into columns of the commit. Pure:
 * no I/O. */
#ifndef USHER_ALLOCATOR_OUTCOME_SEATS_H
#define USHER_ALLOCATOR_OUTCOME_SEATS_H

#include <stdbool.h>

#include "allocator/columns.h"
#include "base/codec.h"

/* The script's `seats` (lua/seats.lua); false if it is not that. */
bool outcome_read_seats(struct columns *columns, struct value seats);

#endif
