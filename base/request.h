/*
 * Requests as they stand in the stream. An entry's field "b" holds a msgpack array of requests,
 * in order; each is an array:
 *
 *   [id str16, op uint, show uint, user str, deadline uint (wall ms), fingerprint str8,
 *    reply_to str, trace str, arguments]
 *
 *   BOOK, HOLD       arguments [[tier uint, quantity uint], …]  1..LINES_MAX lines, tiers distinct;
 *                    then, where numbered seats are named, [lines …, seats str]
 *   CONFIRM, EXTEND  arguments [booking str16]
 *   CANCEL           arguments [booking str16, tier uint, quantity uint]; tier 0: the only tier;
 *                    quantity 0: all of it; or [booking, 0, 0, seats str]: these seats
 *   PAY              arguments [booking str16, method str]; method: the provider's token, or empty
 *   SETTLE           arguments [booking str16, payment str16, result uint, reference str,
 *                    reason str]
 *   JOIN             arguments [tier uint, quantity uint]
 *   LEAVE            arguments [entry str16]: the id of the request that joined
 *   REFRESH          arguments []
 *   ADMIN            arguments [action str, settings str, booking str16 or empty]: what an operator
 *                    does, by the names that lua/admin.lua and sql/ know; settings are a JSON
 *                    object; a booking, if it is about one. Its user is who does it.
 *   SEVERAL          arguments [take uint (BOOK or HOLD), [row, …]]: at least two shows, at most
 *                    PARTS_MAX rows [show, tier, quantity], the request's own show first, the
 *                    others by number; tiers ascending within a show, at most LINES_MAX of them;
 *                    the first row of a show where seats are named is [show, tier, quantity, seats]
 *
 * seats are positions as seats.h packs them, 1..BOOKING_SEATS_MAX. Places of a tier of numbered
 * seats for which none are named are the best that are available. A request names at most
 * BOOKING_SEATS_MAX, in all its shows.
 *
 * user may be empty for CONFIRM, EXTEND, CANCEL, PAY and LEAVE (who has the id may act), and is for
 * SETTLE and REFRESH. An ADMIN stands alone in its entry and is decided alone: request_weight.
 * The fingerprint tells a repeated request from another one under the same id: the first 8 bytes
 * of SHA-256 over the packed [op, show, user, arguments].
 *
 * Behind the arguments of BOOK, HOLD and SEVERAL may stand the admission to the show's waiting
 * room, [number uint, until uint (wall ms)]. It is no part of what is asked, and so not of the
 * fingerprint: the same booking may be asked for again with another admission for the same number.
 *
 * Whatever stands in a request is part of what is asked, so none of it is passed over: an allocator
 * that does not know all of it refuses the entry. Hence allocators are replaced before gateways,
 * and read what all earlier versions wrote.
 *
 * An entry that a gateway appended again after an unknown outcome also has a field "again".
 */
#ifndef USHER_BASE_REQUEST_H
#define USHER_BASE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "bounds.h"
#include "buf.h"
#include "err.h"
#include "id.h"
#include "model.h"

#define FINGERPRINT_BYTES 8

struct line {
    uint32_t tier; /* number within the show, from 1 */
    uint32_t quantity;
};

/* One row of a request for several shows. */
struct show_line {
    uint32_t show;
    struct line line;
    struct span seats; /* of the show's first row: those named in that show; packed, or empty */
};

struct request {
    struct id id;
    enum operation op;
    uint32_t show;
    struct span user;
    int64_t deadline_ms; /* wall clock */
    unsigned char fingerprint[FINGERPRINT_BYTES];
    struct span reply_to; /* the gateway's name */
    struct span trace;    /* traceparent, or empty */
    size_t lines;
    struct line line[LINES_MAX];  /* BOOK, HOLD: what; JOIN: line[0]; CANCEL: it, both may be 0 */
    struct span seats;            /* BOOK, HOLD, CANCEL: which; packed (seats.h), or empty */
    struct id booking;            /* CONFIRM, EXTEND, CANCEL, PAY, SETTLE; LEAVE: the entry */
    bool has_booking;             /* ADMIN: booking is set */
    struct span action, settings; /* ADMIN */
    struct span method;           /* PAY */
    struct id payment;            /* SETTLE: the id of the PAY request */
    enum result result;
    struct span reference, reason;
    enum operation take; /* SEVERAL: BOOK or HOLD */
    size_t parts;
    struct show_line part[PARTS_MAX];
    uint32_t admission;  /* BOOK, HOLD, SEVERAL: the number that was let in; 0: none came along */
    int64_t admitted_ms; /* wall clock: until then */
};

bool op_takes(enum operation op);                    /* BOOK, HOLD: makes a booking */
bool op_changes(enum operation op);                  /* acts on the booking that it names */
bool request_names_booking(const struct request *r); /* that too, for one request */

/* Append one request to an entry under construction (write the array's head with pack_array). */
void request_pack(struct buf *b, const struct request *r);
void request_set_fingerprint(struct request *r);

/*
 * Ids of requests that are about no show, but about the list of them (an ADMIN that makes one),
 * have this number for a show; the first partition decides them.
 */
#define CATALOGUE_SHOW INT32_MAX

/*
 * Read an entry's bytes into at most `max` requests; their spans borrow from `bytes`. ERR_INPUT
 * unless every request is whole, well typed and within bounds.h; ERR_BOUND if there are more. One
 * for several shows counts as many (request_weight): what a batch may touch stays bounded.
 */
enum err entry_read(struct span bytes, struct request *requests, size_t max, size_t *count);

size_t request_weight(const struct request *r);
/* How many rows from `at` on are of the same show. */
size_t request_parts_of_show(const struct request *r, size_t at);

#endif
