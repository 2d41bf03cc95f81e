/*
 * Answers: what Redis and the journal keep, what is published. One msgpack array:
 *
 *   [code uint, at uint (wall ms of the decision), op uint, fingerprint str8, show uint,
 *    booking, waiting or nil, available uint or nil, detail uint]; with conflicts str behind it
 *    for SEAT_TAKEN
 *
 *   booking    [id str16, user str, state uint, created uint, expires uint (0: none), amount uint,
 *               [[tier, quantity, price], …]]        present when granted (REFRESH has none);
 *               with seats str behind it if it has numbered seats
 *   waiting    [id str16, user str, tier uint, quantity uint, joined uint, place uint]
 *               who waits or waited: JOIN, and LEAVE unless it declines what was offered;
 *               place counts from 1 in its tier, 0: it waits no more
 *   available  what is left of the first line's tier after the decision (BOOK and HOLD)
 *   conflicts  the seats that were asked for and are not available; lists of seats as in seats.h
 *   detail     for refusals: ILLEGAL_STATE the booking's state, LIMIT_EXCEEDED the limit,
 *              NOT_ENOUGH what is left; else 0
 *
 * Behind an answer to SEVERAL stands one more element: if granted, a str of the packed array of the
 * bookings beside the first, [booking, …]; if refused for one show's sake, that show's number, and
 * behind it the conflicts for SEAT_TAKEN; else nothing.
 *
 * Behind an answer to ADMIN stands a str: if granted, a JSON object, what it is like now; if
 * refused, a sentence, unless there is none to say.
 *
 * Gateways of an earlier version read what allocators of a later one write, in Redis and in the
 * journal too: elements behind those that a reader knows are passed over, in answers, bookings,
 * lines and who waits. Whoever adds one behind an element that may be missing writes nil in its
 * place; and never an array as the seventh of who waits, for that tells a booking. A code that is
 * new is for what an earlier version cannot ask.
 *
 * Gateways listen on the channel of their name for messages
 *
 *   [partition uint, [[id str16, repeated uint, answer str], …]]
 *
 * `repeated` is 1 when the decision was made before, for an earlier request with this id.
 */
#ifndef USHER_BASE_ANSWER_H
#define USHER_BASE_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "bounds.h"
#include "buf.h"
#include "codec.h"
#include "err.h"
#include "id.h"
#include "model.h"
#include "request.h"

struct booking_line {
    uint32_t tier;
    uint32_t quantity;
    int64_t price; /* of one place, minor units, fixed when it was taken */
};

struct booking {
    struct id id;
    struct span user;
    enum state state;
    int64_t created_ms;
    int64_t expires_ms; /* 0: does not expire */
    int64_t amount;     /* of what is left of it, minor units */
    size_t lines;
    struct booking_line line[LINES_MAX];
    struct span seats;    /* packed (seats.h), or empty */
    struct span seat_ids; /* where a reader has them instead: one a line. Never packed. */
};

struct waiting {
    struct id id;
    struct span user;
    struct line line;
    int64_t joined_ms;
    uint32_t place; /* 0: waits no more */
};

struct answer {
    enum code code;
    int64_t at_ms;
    enum operation op;
    unsigned char fingerprint[FINGERPRINT_BYTES];
    uint32_t show;
    bool has_booking;
    struct booking booking;
    bool has_waiting; /* never both */
    struct waiting waiting;
    bool has_available;
    int64_t available;
    uint64_t detail;
    struct span conflicts; /* SEAT_TAKEN: packed seats */
    struct span others;    /* SEVERAL, granted: bookings_read */
    uint32_t refused_show; /* SEVERAL, refused; 0: it was for none's sake */
    struct span told;      /* ADMIN, or empty */
};

void booking_pack(struct buf *b, const struct booking *booking);
enum err booking_from(struct value v, struct booking *booking); /* spans borrow from the tree */
/* Its lines from Postgres' "tier:quantity:price,…"; lines without places are left out. False unless
 * the text is that, and has a line. */
bool booking_lines_read(struct span text, struct booking *booking);

/* Bookings packed one after the other behind an array's head. Spans borrow from `bytes`. */
enum err bookings_read(struct span bytes, struct booking *bookings, size_t max, size_t *count);
void answer_pack(struct buf *b, const struct answer *a);
/* Spans borrow from `bytes`, which outlive the answer. ERR_INPUT if it is not one. */
enum err answer_read(struct span bytes, struct answer *a);

uint32_t booking_quantity(const struct booking *booking); /* of all its lines */

#endif
