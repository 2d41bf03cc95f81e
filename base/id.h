/*
 * Request ids. A booking's id is the id of the request that made it, a hold's is its booking's.
 *
 * 16 bytes, big-endian, so that their order as bytes (and as Postgres' uuid) is:
 *
 *   bits 127..96  the show's number: an id alone leads to its show
 *   bit  95       1: named by an Idempotency-Key, 0: fresh
 *   fresh:  bits 94..54  milliseconds since 2024-01-01T00:00:00Z (69 years)
 *           bits 53..46  the request's deadline after that, in units of 4 s, rounded up
 *           bits 45..0   random
 *   keyed:  bits 94..0   of SHA-256(caller, route, key): the same key is the same request
 *
 * A fresh id grows with time, so it lands at the right edge of its show's part of the index; and it
 * tells any gateway until when its request can still be decided, with nothing to look up.
 *
 * As text: 26 characters of Crockford's base 32 in lower case, the first one at most '7'.
 */
#ifndef USHER_BASE_ID_H
#define USHER_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

#define ID_BYTES 16
#define ID_TEXT_BYTES 27 /* with the NUL */
#define ID_EPOCH_MS 1704067200000
#define ID_DEADLINE_UNIT_MS 4000

struct id {
    unsigned char bytes[ID_BYTES];
};

/* deadline_ms counts from now_ms, at most DEADLINE_MS_MAX; random supplies the lowest 46 bits. */
struct id id_fresh(uint32_t show, int64_t now_ms, int64_t deadline_ms, uint64_t random);
struct id id_keyed(uint32_t show, struct span caller, struct span route, struct span key);

/*
 * The id of the booking of another show that the request `of` makes beside its own: a fresh one
 * with the show in its first bytes, a keyed one hashed from both, since the same key for that show
 * alone has the other bytes.
 */
struct id id_part(struct id of, uint32_t show);

/*
 * The same id with its owner told in its last bits (20 of a fresh one, 32 of a keyed one, of
 * SHA-256(owner)), where only owners may ask for what became of a request: nothing else of a
 * request that is undecided, refused or lost says whose it was.
 */
struct id id_owned(struct id id, struct span owner);
bool id_is_owned(struct id id, struct span owner);

uint32_t id_show(struct id id);
bool id_is_keyed(struct id id);
/* Of fresh ids only, since 1970: when it was made, and its deadline by that clock, rounded up. */
int64_t id_made_ms(struct id id);
int64_t id_deadline_ms(struct id id);

bool id_equal(struct id a, struct id b);
uint64_t id_hash(struct id id); /* for hash tables; ids are not chosen freely enough to collide */

void id_format(struct id id, char text[ID_TEXT_BYTES]);
/* Takes upper case too. ERR_INPUT unless it is exactly an id. */
enum err id_parse(struct span text, struct id *id);

/* The same as Postgres writes its uuid, whose text with and without dashes is taken. */
#define UUID_BYTES 37 /* with the NUL */
void id_format_uuid(struct id id, char text[UUID_BYTES]);
enum err id_from_uuid(struct span text, struct id *id);

#endif
