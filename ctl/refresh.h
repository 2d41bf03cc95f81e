/*
 * A show's rules were changed in Postgres: its allocator reads them anew in order with the other
 * requests, when a REFRESH (base/request.h) comes up in its stream.
 */
#ifndef USHER_CTL_REFRESH_H
#define USHER_CTL_REFRESH_H

#include <stdint.h>

#include "context.h"

/* Send it and await its answer for so long, which is its deadline too. Prints what happened;
 * returns an exit code. */
int refresh_show(struct context *context, uint32_t show, uint32_t partition, int64_t wait_seconds);

#endif
