/*
 * Signed tickets of the waiting room, and the admissions that they are exchanged for. Pure.
 *
 * 56 bytes, big-endian, as 75 characters of base64url (RFC 4648, without padding):
 *
 *   kind 1, key 1, show 4, number 4, expires 6 (wall ms), user 8, mac 32
 *
 * `number` is the order of arrival in a ticket (the draw makes the number of it later), and the
 * number that was let in in an admission, so that both are bound to one place in line. A stream's
 * ticket opens streams for a minute; show and number are 0. `user` is
 * the beginning of SHA-256 of who it is for, or zeros. `mac` is HMAC-SHA-256 of the bytes before
 * it, under the secret that `key` names: several hold at a time while they are changed, and the
 * first one signs.
 */
#ifndef USHER_BASE_TICKET_H
#define USHER_BASE_TICKET_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

#define TICKET_TEXT_BYTES 76 /* with the NUL */
#define TICKET_USER_BYTES 8
#define TICKET_SECRET_BYTES 32
#define TICKET_KEYS_MAX 8

enum ticket_kind { TICKET_PLACE = 1, TICKET_ADMISSION = 2, TICKET_STREAM = 3 };

struct ticket {
    enum ticket_kind kind;
    uint32_t show;
    uint32_t number;
    int64_t expires_ms; /* 0 … 2^48 - 1 */
    unsigned char user[TICKET_USER_BYTES];
};

struct ticket_keys {
    size_t count; /* 0: nothing can be signed, and nothing is right */
    struct {
        unsigned char id;
        unsigned char secret[TICKET_SECRET_BYTES];
    } key[TICKET_KEYS_MAX];
};

/*
 * Lines of an id (1..255), a space and 64 hexadecimal digits; empty lines and those that begin with
 * # are passed over. False, and *why is a static clause, if it is not that or there are none.
 */
bool ticket_keys_read(struct span text, struct ticket_keys *keys, const char **why);

/* Zeros for an empty name. */
void ticket_set_user(struct ticket *ticket, struct span user);
/* Whether it is for this user; one without a user is for everybody. */
bool ticket_is_for(const struct ticket *ticket, struct span user);

/* Sign with the first key (there is one: asserted). */
void ticket_write(const struct ticket_keys *keys, const struct ticket *ticket,
                  char text[TICKET_TEXT_BYTES]);
/* ERR_INPUT unless one of the keys signed exactly this. Whether its time is over is the caller's
 * to ask. */
enum err ticket_read(const struct ticket_keys *keys, struct span text, struct ticket *ticket);

#endif
