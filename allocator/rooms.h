/*
 * The waiting rooms of a partition's shows. Their owner looks at each a few times a second, also
 * when nothing is asked: reserves numbers, opens, lets people in. What was decided goes into
 * Postgres first, then to Redis, where gateways read it, and to the show's channel; both are fenced
 * by the epoch, so that an old owner changes nothing.
 */
#ifndef USHER_ALLOCATOR_ROOMS_H
#define USHER_ALLOCATOR_ROOMS_H

#include <stdbool.h>
#include <stdint.h>

#include "allocator/arrival.h"
#include "allocator/decider.h"
#include "allocator/ledger.h"
#include "allocator/pace.h"
#include "base/err.h"
#include "base/room.h"

#define ROOMS_TICK_MS 200

struct room_owned {
    uint32_t show;
    uint32_t counted_in; /* the partition that still has its numbers; 0: this one */
    int64_t move;        /* of all moves of the show, the number of the last one; 0: none */
    struct room room;
    bool is_auto;    /* on by rule: while the partition's requests wait for long */
    bool is_active;  /* bookings need an admission */
    int64_t calm_ms; /* since then nobody waits, neither in the room nor behind it */
    uint32_t places_each, issued_upto;
    uint32_t next; /* the last number given, when it was looked at last; 0: not yet */
    struct pace pace;
    bool changed;  /* Postgres does not have it all yet */
    bool has_left; /* the show is another partition's, as this look found */
};

struct rooms {
    struct arrival_means means; /* borrowed */
    struct ledger *ledger;      /* … two of them under shorter names */
    struct decider *decider;
    bool is_read; /* in this tenure: `room` is what it has */
    int64_t read_ms, ticked_ms;
    size_t count;
    struct room_owned room[WAITING_ROOMS_MAX];
    uint32_t unloaded; /* a show that has to be loaded into Redis before its room can be served */
    uint32_t leaving;  /* a show that this partition gives away, by the batch that is in flight */
    struct arrival arrival; /* of one room at a time */
    struct buf view, news;
};

void rooms_init(struct rooms *rooms, const struct arrival_means *means);
void rooms_free(struct rooms *rooms);

/* It was decided that a show goes to another partition: its room is left alone from here on. Once
 * that is committed, it is no more among those that are read; or it is not, and the tenure ends. */
void rooms_leave(struct rooms *rooms, uint32_t show);
void rooms_left(struct rooms *rooms);

/* The tenure is over. The next one may be another partition's, under the same epoch. */
void rooms_end(struct rooms *rooms);
/* After an error: all of them are read again, a while later. */
void rooms_forget(struct rooms *rooms, int64_t now_ms);
bool rooms_are_due(const struct rooms *rooms, int64_t now_ms);
/* Is there more to be fetched of a room, now? */
bool rooms_are_arriving(const struct rooms *rooms, int64_t now_ms);
/* With no reply of Redis under way. `waited_ms`: how long requests of the partition stood in line
 * at most, since the last tick. */
enum err rooms_tick(struct rooms *rooms, const struct tenure *t, int64_t now_ms, int64_t waited_ms);

#endif
