/*
 * A show's waiting room as its owner publishes it and gateways read it: the field "view" of
 * key_room, one msgpack array,
 *
 *   [flags uint, opens uint, opened uint, arrivals uint, serving uint, rate uint, left uint,
 *    returning uint, admission_ms uint, no_show_ms uint, commitment str32, key str (32 bytes, or
 *    empty until the opening), [[at uint, serving uint], …]]
 *
 * in the order of struct room; flags: 1 draws, 2 paused. Elements behind those are passed over.
 *
 * Everybody who joins gets the order of arrival, from 1. The opening fixes how many had come by
 * then (`arrivals`); theirs are shuffled by the draw, and whoever comes later has the order of
 * arrival for a number. Numbers up to `serving` have been called. A number that was called is
 * exchanged for an admission within no_show_ms, and an admission lasts admission_ms. Marks tell
 * when serving was how far, closely enough for that. Pure.
 */
#ifndef USHER_BASE_ROOM_H
#define USHER_BASE_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "buf.h"
#include "draw.h"
#include "err.h"

/* What is asked for is as old as this share of the time that a called number is good for. */
#define ROOM_MARKS 32
#define ROOM_MARKS_MAX (ROOM_MARKS + 4)

struct room_mark {
    int64_t at_ms;
    uint32_t serving; /* as far it had come by then */
};

struct room {
    bool draws, paused;
    int64_t opens_ms;  /* 0: with the owner's first look at it */
    int64_t opened_ms; /* 0: not yet */
    uint32_t arrivals; /* 0 until the opening, and where nothing is drawn */
    uint32_t serving;
    uint32_t rate;            /* people a minute */
    uint32_t left, returning; /* places available; held or being paid, which may come back */
    int64_t admission_ms, no_show_ms;
    unsigned char commitment[DIGEST_BYTES];
    bool has_key;
    unsigned char key[DRAW_KEY_BYTES];
    size_t marks;
    struct room_mark mark[ROOM_MARKS_MAX]; /* both ascending */
};

void room_pack(struct buf *b, const struct room *room);
enum err room_read(struct span bytes, struct room *room);

/* The number of who came as this one (1 …); 0 while it is not known: before a draw. */
uint32_t room_number(const struct room *room, uint32_t arrival);

/* When a number up to `serving` was called, at most a mark's share of time late. */
int64_t room_called_ms(const struct room *room, uint32_t number);
/* Numbers up to this one were called so long ago that whoever has not come need not come. */
uint32_t room_gone(const struct room *room, int64_t now_ms);
/* Numbers up to this one were called so long ago that no admission of theirs can be good. */
uint32_t room_over(const struct room *room, int64_t now_ms);
bool room_is_sold_out(const struct room *room);
/* "before" the opening, "open", "paused" or "sold_out". */
const char *room_state(const struct room *room);

/* The owner's: serving is now this far. */
void room_serve(struct room *room, int64_t now_ms, uint32_t serving);

/* Marks as Postgres keeps them: "at:serving at:serving …". */
void room_put_marks(struct buf *b, const struct room *room);
enum err room_read_marks(struct span text, struct room *room);

#endif
