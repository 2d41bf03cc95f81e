/* SHA-256, behind one module: the only file that includes <openssl/…> is digest.c. */
#ifndef USHER_BASE_DIGEST_H
#define USHER_BASE_DIGEST_H

#include <stddef.h>

#include "buf.h"

#define DIGEST_BYTES 32

/* Of the parts, one behind the other. Aborts without memory. */
void digest_sha256(const struct span *parts, size_t count, unsigned char digest[DIGEST_BYTES]);

#endif
