/* SHA-256 and its HMAC, and the SHA-1 that WebSockets begin with, behind one module: the only file
 * that includes <openssl/…> is digest.c. */
#ifndef USHER_BASE_DIGEST_H
#define USHER_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

#define DIGEST_BYTES 32

/* Of the parts, one behind the other. Aborts without memory. */
void digest_sha256(const struct span *parts, size_t count, unsigned char digest[DIGEST_BYTES]);

/* SHA-1 of the parts in base64. For what a protocol asks for; it proves nothing. */
#define DIGEST_SHA1_TEXT_BYTES 29 /* with its NUL */
void digest_sha1_base64(const struct span *parts, size_t count, char text[DIGEST_SHA1_TEXT_BYTES]);

void digest_hmac_sha256(struct span key, struct span message, unsigned char digest[DIGEST_BYTES]);
/* In a time that does not tell where they differ. */
bool digest_equal(const unsigned char a[DIGEST_BYTES], const unsigned char b[DIGEST_BYTES]);

#endif
