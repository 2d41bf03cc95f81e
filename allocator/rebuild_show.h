/* One show, from Postgres into a namespace of Redis. Called within the snapshot. */
#ifndef USHER_ALLOCATOR_REBUILD_SHOW_H
#define USHER_ALLOCATOR_REBUILD_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "allocator/loading.h"
#include "base/err.h"

/* All that decisions need of it, and what readers are told. */
enum err rebuild_show_all(struct loading *l, uint32_t show);

/* The fields of its hash that are its rules, as pairs of the main part, not sent yet. */
enum err rebuild_show_rules(struct loading *l, uint32_t show);
/* Likewise the counters of its last tier. */
enum err rebuild_show_last_tier(struct loading *l, uint32_t show);

/* The show's hash: its rules and, unless only those are wanted, its counters. */
enum err rebuild_show_fields(struct loading *l, uint32_t show, bool counters);

/* Readers see what is committed, whatever the owner does. */
enum err rebuild_show_availability(struct loading *l, uint32_t show);

#endif
