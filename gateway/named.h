/* Seats that a body names by their ids: found in the show's map. */
#ifndef USHER_GATEWAY_NAMED_H
#define USHER_GATEWAY_NAMED_H

#include "base/request.h"
#include "base/seats.h"
#include "gateway/json.h"
#include "gateway/task.h"

#define NAMED_BYTES_MAX (BOOKING_SEATS_MAX * SEAT_POSITION_BYTES)

/* "seats" of the body, packed into `bytes`. The task has its show. False: it was answered. */
bool named_seats(struct task *task, struct json *json, char bytes[NAMED_BYTES_MAX],
                 struct span *seats);

/* The same for a new booking: its lines, too, are what these seats make of them. */
bool named_read(struct task *task, struct json *json, char bytes[NAMED_BYTES_MAX],
                struct request *request);

#endif
