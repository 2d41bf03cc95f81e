/*
 * Is what Redis holds of a partition what Postgres says? Asked while the partition moves, so both
 * are read at one version: a snapshot of Postgres, and Redis between two looks at its state key.
 */
#ifndef USHER_CTL_VERIFY_REDIS_H
#define USHER_CTL_VERIFY_REDIS_H

#include <stdint.h>

#include "base/err.h"
#include "base/keys.h"
#include "differences.h"
#include "link/postgres.h"
#include "link/redis.h"

/* What is under way with one partition. Link errors end it: ERR_UNAVAILABLE, ERR_REFUSED. */
struct comparison {
    struct postgres *postgres; /* within a repeatable-read snapshot */
    struct redis *redis;
    struct differences *found;
    uint32_t partition;
    int64_t version;    /* of the snapshot */
    struct key prefix;  /* usher:{p}:<generation>: */
    int64_t held_total; /* HELD bookings of loaded shows, for the zset of holds */
};

enum verdict {
    VERDICT_COMPARED,  /* what differs is in `found` */
    VERDICT_NOT_QUIET, /* it moved on all the time */
};

enum err verify_partition(struct postgres *postgres, struct redis *redis, uint32_t partition,
                          int64_t patience_ms, struct differences *found, enum verdict *verdict);

/* One show that Redis has loaded (verify_show.c): rules, counters, availability. */
enum err verify_show(struct comparison *c, uint32_t show);
/* Its numbered seats (verify_seats.c). */
enum err verify_seats(struct comparison *c, uint32_t show);
/* Its bookings, users and holds (verify_bookings.c). */
enum err verify_bookings(struct comparison *c, uint32_t show);
/* Who waits for its places (verify_waiting.c). */
enum err verify_waiting(struct comparison *c, uint32_t show);
/* The admissions to its waiting room that were used (verify_room.c). */
enum err verify_room(struct comparison *c, uint32_t show);
/* Rooms of shows that have left give no numbers but those that were reserved (verify_room.c). */
enum err verify_left_rooms(struct comparison *c);
/* After all shows: is there a hold that is none? */
enum err verify_holds(struct comparison *c);

/* prefix + kind + number, e.g. "show:", 7; number 0 is left out. */
struct key comparison_key(const struct comparison *c, const char *kind, uint32_t number);
/* redis_do; a server's refusal (a key of the wrong type) is a difference, and *reply is NULL. */
enum err comparison_ask(struct comparison *c, size_t argc, const struct span *argv,
                        struct redis_reply **reply);

#endif
