/*
 * From Postgres into Redis: a whole partition into a new generation, or one show into the present
 * one. Rows stream through in bounded parts; nothing grows with the number of bookings.
 */
#ifndef USHER_ALLOCATOR_REBUILD_H
#define USHER_ALLOCATOR_REBUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "allocator/decider.h"
#include "allocator/ledger.h"
#include "base/err.h"

struct rebuild {
    struct ledger *ledger;   /* borrowed */
    struct decider *decider; /* borrowed */
    struct redis *redis;     /* borrowed */
    int64_t heartbeat_ms;    /* the tenure is stamped this often while it goes on */
};

/*
 * Write the partition's state, at t->version, into the generation named by t->epoch; name it in
 * Postgres, then switch Redis to it; then drop the others. t->generation is set. Loads the shows
 * that are on sale or have places held; the others are loaded when first asked for.
 */
enum err rebuild_partition(struct rebuild *r, struct tenure *t);

/* Tell readers what is left of these shows, and nothing else. */
enum err rebuild_availability(struct rebuild *r, const struct tenure *t);

/* Load one show into the present generation. *partition: where it is; if that is another one, to
 * which it moved from here, or 0 (it never was here): nothing was loaded. No batch may be in
 * flight. */
enum err rebuild_show(struct rebuild *r, const struct tenure *t, uint32_t show,
                      uint32_t *partition);

/* The show's rules (not its counters) anew, if it is loaded. */
enum err rebuild_rules(struct rebuild *r, const struct tenure *t, uint32_t show);

#endif
