/*
 * How busy a gateway is, as it reports it (program_report.h): "workers=2 busy_permille=310 …". A
 * word that a reader does not know is passed over, one that is missing is 0. Pure.
 */
#ifndef USHER_BASE_GATEWAY_LOAD_H
#define USHER_BASE_GATEWAY_LOAD_H

#include <stdint.h>

#include "buf.h"

#define GATEWAY_LOADS(X)                                                                           \
    X(workers)                                                                                     \
    X(busy_permille)    /* of their time at work, in the mean, lately */                           \
    X(busiest_permille) /* … of the one that is busiest */                                       \
    X(connections)      /* open, of all workers */                                                 \
    X(connections_max)  /* … that they would take, within their descriptors */                   \
    X(awaiting)         /* requests that await a decision */                                       \
    X(awaiting_max)

struct gateway_load {
#define X(name) uint64_t name;
    GATEWAY_LOADS(X)
#undef X
};

void gateway_load_write(struct buf *out, const struct gateway_load *load);
void gateway_load_read(struct span text, struct gateway_load *load);

#endif
