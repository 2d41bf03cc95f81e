/* Seat maps from Postgres, once for each show that is in use: they live with its cached show. */
#ifndef USHER_GATEWAY_SEATMAPS_H
#define USHER_GATEWAY_SEATMAPS_H

#include "gateway/task.h"

struct cached_show;

/* The task waits until the show's map is there, or nobody could say (task->show_is_unavailable);
 * then its route's handler is called again. False: it was not taken. */
bool seatmaps_wait(struct task *task, struct cached_show *cached);
/* The show leaves the cache. */
void seatmaps_forget(struct cached_show *cached);

#endif
