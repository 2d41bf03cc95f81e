/*
 * One who listens to a show's stream of server-sent events: what it was told last. Pure.
 *
 * All listeners of a run share the moments at which each version was first told to any of them. One
 * who is told something newer was behind from the moment on at which the next version after the one
 * that it knew was told to somebody; how long that was is what is measured.
 */
#ifndef USHER_BENCH_LISTENER_H
#define USHER_BENCH_LISTENER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define LISTENER_VERSIONS_MAX (1u << 22) /* versions beyond are told, and not measured */

struct listener {
    bool has_head;
    bool is_over; /* it was told that the show is sold out */
    uint64_t version, available;
};

/* When a version was first told, monotonic; 0: it was not. Shared by processes. */
struct listener_moments {
    _Atomic int64_t first_us[LISTENER_VERSIONS_MAX];
};

/* Take the complete events out of `in`. Of each that is of a newer version, `told` is called with
 * how long the listener had been behind, or -1 for its first. False: it is no such stream. */
bool listener_read(struct listener *l, struct buf *in, struct listener_moments *moments,
                   int64_t now_us, void (*told)(void *context, int64_t behind_us), void *context);

#endif
