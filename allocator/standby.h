/*
 * Standing by: looking for a partition that nobody owns, in every database that home knows of. Who
 * has one database stays connected to it and asks it each time; with several, none of them is
 * waited for longer than for a moment, so that one that is away does not keep the others'
 * partitions from being taken over.
 */
#ifndef USHER_ALLOCATOR_STANDBY_H
#define USHER_ALLOCATOR_STANDBY_H

#include "allocator/ledger.h"

/* Prepared on an owner's session: which partitions are free. */
#define STANDBY_LOOK "look"
extern const char standby_look_sql[];

/*
 * Look once, everywhere, for `wanted`, or any if 0. l->held says what was locked: then both
 * sessions of its database are up and meant, and those with others are closed. An owner that has
 * not stamped for heartbeat_ms_max is ended, so that a later look finds its partition free. An
 * error is home's; l->held may be set all the same.
 */
enum err standby_look(struct ledger *l, uint32_t wanted, int64_t heartbeat_ms_max);

#endif
