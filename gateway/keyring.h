/*
 * The keys that tokens may be signed with, read from files: several at once, so that one can follow
 * the other.
 *
 *   public keys   a PEM public key, or a JWK set (RFC 7517); "kid=" before a PEM's path names it
 *   secrets       for HS256: what is in the file, without the line's end
 *
 * The two stand in lists of their own: a file that is damaged or of the wrong kind is never taken
 * for a secret. Of a set, keys for other uses and of unknown kinds are passed over.
 */
#ifndef USHER_GATEWAY_KEYRING_H
#define USHER_GATEWAY_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/pubkey.h"

#define KEYS_MAX 64
#define KEY_FILE_BYTES_MAX (256 << 10)
#define KEYRING_WHY_BYTES 512

struct keyring {
    size_t count;
    struct pubkey key[KEYS_MAX];
};

/* All that two lists of paths (separated by commas) name. NULL: `why` says what is wrong where; at
 * least one key is needed, and no name twice. Owned by the caller. */
struct keyring *keyring_read(const char *public_keys, const char *secrets,
                             char why[KEYRING_WHY_BYTES]);
void keyring_free(struct keyring *keyring);

/* The key of that name; for a token that names none, the one that has none, or the only one. NULL:
 * there is none. */
const struct pubkey *keyring_find(const struct keyring *keyring, struct span kid);

/* Of keyring_read: what one file holds. Pure, for tests. */
bool keyring_add_set(struct keyring *keyring, struct span json, char why[KEYRING_WHY_BYTES]);

#endif
