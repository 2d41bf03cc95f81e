/* Checks on text from outside. Pure. */
#ifndef USHER_BASE_TEXT_H
#define USHER_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

bool text_is_utf8(struct span s);     /* well formed: no overlong forms, surrogates, > U+10FFFF */
bool text_has_control(struct span s); /* C0, DEL or C1 (as UTF-8) anywhere */
bool text_is_user(struct span s);     /* 1..USER_BYTES_MAX, UTF-8, no control characters */
bool text_is_slug(struct span s);     /* 1..SLUG_BYTES_MAX of a-z 0-9 -, first a letter */
bool text_u64(struct span s, uint64_t max, uint64_t *n); /* decimal digits only, no sign */

/* What stands before the first separator, or all of it; `rest` keeps what stands behind it. */
struct span text_cut(struct span *rest, char separator);

/* Lower-case hexadecimal digits to bytes; false unless s is that, and whole bytes. `into` has room
 * for s.len / 2. */
bool text_unhex(struct span s, void *into);

/*
 * For a JSON string: takes the next character off `rest` and writes it as it stands between the
 * quotes, itself or an escape; returns its bytes, 0 when `rest` is empty. Whatever the bytes were,
 * what comes out is UTF-8 on one line: controls and line separators are escaped, and a byte that
 * is no UTF-8 becomes U+FFFD.
 */
#define TEXT_JSON_BYTES_MAX 6
size_t text_put_json(struct span *rest, char into[TEXT_JSON_BYTES_MAX]);

/*
 * For showing a setting to people: the password of a URL (scheme://user:password@…) and what
 * follows password= become ***. Appends to b.
 */
void text_put_masked(struct buf *b, struct span s);

#endif
