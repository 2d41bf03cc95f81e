/*
 * A letter about an event: plain text, in UTF-8, with an invitation for the calendar (RFC 5545)
 * where a booking was confirmed, and its withdrawal where it was cancelled. Pure.
 */
#ifndef USHER_COURIER_MAIL_H
#define USHER_COURIER_MAIL_H

#include <stdbool.h>

#include "base/buf.h"
#include "courier/delivery.h"

#define MAIL_ADDRESS_BYTES_MAX 254 /* RFC 5321 */

struct mail {
    char to[MAIL_ADDRESS_BYTES_MAX + 1];
    struct buf message; /* RFC 5322, lines ending in CRLF */
    const char *why;    /* static: why there is none */
};

void mail_init(struct mail *mail);
void mail_free(struct mail *mail);

/* False: the event is of a kind that nobody is written to about, or its user's name is no address;
 * mail->why says so. */
bool mail_write(struct mail *mail, const struct delivery *d, const char *from);

/* One that a letter can be sent to: local@domain in ASCII, nothing quoted. */
bool mail_is_address(struct span text);

#endif
