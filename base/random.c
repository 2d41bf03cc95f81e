#include "random.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define POOL_BYTES 4096

static unsigned char pool[POOL_BYTES];
static size_t pool_left; /* unused bytes, at the end of the pool */

static void pool_fill(void);
static void pool_forget(void);

uint64_t random_u64(void)
{
    uint64_t n;

    if (pool_left < sizeof(n))
        pool_fill();
    memcpy(&n, pool + POOL_BYTES - pool_left, sizeof(n));
    pool_left -= sizeof(n);
    return n;
}

void random_hex(char *text, size_t digits)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < digits; i++) {
        if (i % 16 == 0)
            bits = random_u64();
        text[i] = "0123456789abcdef"[bits & 15];
        bits >>= 4;
    }
    text[digits] = '\0';
}

static void pool_fill(void)
{
    static bool watched;
    size_t have = 0;

    /* A forked worker must not hand out what its parent and its siblings hand out. */
    if (!watched && pthread_atfork(NULL, NULL, pool_forget) != 0)
        abort();
    watched = true;

    while (have < POOL_BYTES) {
        ssize_t n = getrandom(pool + have, POOL_BYTES - have, 0);

        if (n < 0 && errno != EINTR)
            abort();
        if (n > 0)
            have += (size_t)n;
    }
    pool_left = POOL_BYTES;
}

static void pool_forget(void)
{
    pool_left = 0;
}
