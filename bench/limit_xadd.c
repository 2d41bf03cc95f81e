/*
 * How fast Redis takes entries of 100 bytes: one connection, XADD behind XADD, answers read in
 * bulk. The stream is deleted at the end.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench/limit.h"
#include "link/redis.h"

#define ENTRY_BYTES 100
#define WINDOW 500 /* entries sent before answers are read */
#define TIMEOUT_MS 10000
#define STREAM "usher:bench:limit"

/* False when Redis refused one or went away. */
static bool add_window(struct redis *redis)
{
    static char payload[ENTRY_BYTES];
    const struct span argv[] = {
        SPAN("XADD"), SPAN(STREAM), SPAN("*"), SPAN("b"), {payload, sizeof(payload)}};
    bool right = true;

    memset(payload, 'x', sizeof(payload));
    for (int i = 0; i < WINDOW; i++)
        if (redis_send(redis, 5, argv) != ERR_NONE)
            return false;
    for (int i = 0; i < WINDOW; i++) {
        struct redis_reply *reply = NULL;
        if (redis_take(redis, &reply) != ERR_NONE)
            return false;
        right = right && redis_kind_of(reply) == REDIS_STRING;
        redis_reply_free(reply);
    }
    return right;
}

int main(int argc, char **argv)
{
    struct redis_url url;
    const char *why = "";

    const char *text = getenv("USHER_REDIS");

    if (argc != 2 || text == NULL || !redis_url_parse(text, &url, &why)) {
        fprintf(stderr, "usage: USHER_REDIS=URL limit_xadd SECONDS\n%s\n", why);
        return 2;
    }
    int64_t span_us = limit_number("limit_xadd", argv[1], 3600) * 1000000;
    signal(SIGPIPE, SIG_IGN);
    struct redis *redis = redis_new(&url, TIMEOUT_MS);
    bool right = redis_connect(redis) == ERR_NONE;
    uint64_t entries = 0;
    int64_t began_us = clock_mono_us();
    while (right && clock_mono_us() - began_us < span_us) {
        right = add_window(redis);
        entries += WINDOW;
    }
    double seconds = (double)(clock_mono_us() - began_us) / 1e6;
    struct redis_reply *reply = NULL;
    const struct span delete[] = {SPAN("DEL"), SPAN(STREAM)};
    if (right && redis_do(redis, 2, delete, &reply) == ERR_NONE)
        redis_reply_free(reply);
    if (right)
        printf("{\"entries\":%" PRIu64 ",\"entries_per_second\":%.1f}\n", entries,
               (double)entries / seconds);
    else
        fprintf(stderr, "limit_xadd: %s\n", redis_why(redis));
    redis_free(redis);
    return right ? 0 : 1;
}
