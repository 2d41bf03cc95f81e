/* base64 (RFC 4648, section 4) and base64url (section 5, without padding). Pure. */
#ifndef USHER_BASE_BASE64_H
#define USHER_BASE_BASE64_H

#include <stdbool.h>

#include "buf.h"

/* Appends what the text stands for. False for anything but the one right way to write it: foreign
 * characters, padding, a length that no bytes have, bits that are left over and not 0. */
bool base64url_read(struct span text, struct buf *bytes);
void base64url_write(struct buf *text, struct span bytes);

/* With the other two digits, and padding; reading takes it with its padding or without any. */
bool base64_read(struct span text, struct buf *bytes);
void base64_write(struct buf *text, struct span bytes);

#endif
