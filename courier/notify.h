/* Telling others: takes deliveries that are due, has them carried, and notes what became of each. A
 * failure touches nothing but its own row. */
#ifndef USHER_COURIER_NOTIFY_H
#define USHER_COURIER_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "courier/options.h"
#include "courier/report.h"
#include "link/postgres.h"

struct notify;

/* Never NULL. All three are borrowed. */
struct notify *notify_new(const struct options *options, struct postgres *postgres,
                          struct report *report);
void notify_free(struct notify *n); /* what is under way is anybody's when its lease is over */

enum err notify_look(struct notify *n); /* take what is due */
size_t notify_under_way(const struct notify *n);
/* Go on for so long at most; comes back early when something happened. */
void notify_wait(struct notify *n, int64_t ms);

#endif
