/*
 * The draw: who came before the opening gets a number by a keyed permutation of the order of
 * arrival. The key's SHA-256 is published before the opening and the key after it, so anybody can
 * do it again, a browser with WebCrypto too. Pure.
 *
 * Of `count` arrivals, arrival a (from 1) has the number that this gives:
 *
 *   half  is the smallest whole number from 1 on with 2^(2 * half) >= count; mask is 2^half - 1
 *   x     is a - 1
 *   repeat
 *     left is x >> half, right is x & mask
 *     for each round r from 0 to 7:
 *       h is the first 4 bytes, as a big-endian number, of HMAC-SHA-256(key, m), where m is 5
 *         bytes: r, then right as 4 bytes, big-endian
 *       left, right become right, left ^ (h & mask)
 *     x is left << half | right
 *   until x < count
 *   the number is x + 1
 *
 * It is a Feistel network, walked until it comes back into the range: a bijection of 1..count.
 */
#ifndef USHER_BASE_DRAW_H
#define USHER_BASE_DRAW_H

#include <stdint.h>

#include "digest.h"

#define DRAW_KEY_BYTES 32
#define DRAW_ROUNDS 8

/* 1 <= arrival <= count (asserted). */
uint32_t draw_number(const unsigned char key[DRAW_KEY_BYTES], uint32_t count, uint32_t arrival);

/* What is published before the opening. */
void draw_commitment(const unsigned char key[DRAW_KEY_BYTES],
                     unsigned char commitment[DIGEST_BYTES]);

#endif
