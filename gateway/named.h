/* Seats that a body names by their ids: found in their show's map. */
#ifndef USHER_GATEWAY_NAMED_H
#define USHER_GATEWAY_NAMED_H

#include "base/request.h"
#include "base/seats.h"
#include "gateway/json.h"
#include "gateway/show.h"
#include "gateway/task.h"

/* Room for the packed seats of one request, of all its shows. */
struct named {
    size_t len;
    char bytes[BOOKING_SEATS_MAX * SEAT_POSITION_BYTES];
};

/* "seats" of an object of the body, packed into `named`, from which `seats` borrows. False: the
 * task was answered. */
bool named_seats(struct task *task, struct json *json, struct json_object in,
                 const struct show *show, struct named *named, struct span *seats);

/* The lines that these seats of the show make; false: there are too many, and the task was
 * answered. */
bool named_lines(struct task *task, const struct show *show, struct span seats,
                 struct line line[LINES_MAX], size_t *lines);

#endif
