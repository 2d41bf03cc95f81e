#include "draw.h"

#include <assert.h>

/* What a round mixes in: a number that only the key tells. */
static uint32_t of_round(const unsigned char key[DRAW_KEY_BYTES], unsigned round, uint32_t right)
{
    unsigned char digest[DIGEST_BYTES];
    const char message[] = {(char)round, (char)(right >> 24), (char)(right >> 16),
                            (char)(right >> 8), (char)right};

    digest_hmac_sha256((struct span){(const char *)key, DRAW_KEY_BYTES},
                       (struct span){message, sizeof message}, digest);
    return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
           digest[3];
}

static uint32_t permute(const unsigned char key[DRAW_KEY_BYTES], unsigned half, uint32_t x)
{
    uint32_t mask = (UINT32_C(1) << half) - 1, left = x >> half, right = x & mask;

    for (unsigned round = 0; round < DRAW_ROUNDS; round++) {
        uint32_t next = left ^ (of_round(key, round, right) & mask);
        left = right;
        right = next;
    }
    return left << half | right;
}

/* A walk along a cycle of the permutation of the larger range, which must come back to where it
 * began and so passes through the smaller one. */
uint32_t draw_number(const unsigned char key[DRAW_KEY_BYTES], uint32_t count, uint32_t arrival)
{
    unsigned half = 1;
    uint32_t x = arrival - 1;

    assert(arrival >= 1 && arrival <= count);
    while ((UINT64_C(1) << (2 * half)) < count)
        half++;
    do
        x = permute(key, half, x);
    while (x >= count);
    return x + 1;
}

void draw_commitment(const unsigned char key[DRAW_KEY_BYTES],
                     unsigned char commitment[DIGEST_BYTES])
{
    struct span part = {(const char *)key, DRAW_KEY_BYTES};

    digest_sha256(&part, 1, commitment);
}
