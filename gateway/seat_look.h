/*
 * A look at a show's numbered seats in Redis, as they are committed and published
 * (lua/seatmap.lua): the status of each, or what has changed since a version.
 */
#ifndef USHER_GATEWAY_SEAT_LOOK_H
#define USHER_GATEWAY_SEAT_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "gateway/redis_servers.h"
#include "gateway/seatmap.h"
#include "gateway/show.h"

/* `since` NULL: the status of every seat. False: not sent, `done` is not called. */
bool seat_look_send(struct redis_servers *redis, const struct show *show, const uint64_t *since,
                    void (*done)(void *context, const struct redis_value *reply), void *context);

/* The reply, which may be NULL, an error or nothing: false then. */
bool seat_look_has_come(const struct redis_value *reply);
struct span seat_look_generation(struct redis_value look);
struct span seat_look_version(struct redis_value look); /* digits: that of the last change */
/* Whether it has the status of every seat; else it has changes, as were asked for. */
bool seat_look_is_complete(struct redis_value look);
/* Statuses by the map's order. False: it is not of this map, or there is no memory. */
bool seat_look_read(struct redis_value look, const struct seatmap *map, unsigned char *status);
/* The seats that have changed are marked, 1 + status; the others are left alone. False as above. */
bool seat_look_mark(struct redis_value look, const struct seatmap *map, unsigned char *marked);

#endif
