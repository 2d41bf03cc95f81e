#include "bench/rivals/counter.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>
#include <hiredis/adapters/libev.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include "base/redis_url.h"

#define KEY_BYTES 32
#define SHA_BYTES 41

static const char take_script[] = "local left = redis.call('DECRBY', KEYS[1], ARGV[1]) "
                                  "if left >= 0 then return left end "
                                  "redis.call('INCRBY', KEYS[1], ARGV[1]) return -1";

struct counter {
    redisAsyncContext *redis;
    counter_answered *answered;
    void *context;
    char sha1[SHA_BYTES];
};

static const char *user_of(const struct redis_url *url)
{
    return url->user[0] != '\0' ? url->user : "default";
}

static bool log_in(redisContext *redis, const struct redis_url *url)
{
    if (url->password[0] == '\0')
        return true;
    redisReply *reply = redisCommand(redis, "AUTH %s %s", user_of(url), url->password);
    bool right = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    return right;
}

static redisContext *connect_waiting(const struct redis_url *url)
{
    redisContext *redis = url->is_unix ? redisConnectUnix(url->address[0].host)
                                       : redisConnect(url->address[0].host, url->address[0].port);

    if (redis != NULL && redis->err == 0 && log_in(redis, url))
        return redis;
    fprintf(stderr, "rival: redis: %s\n", redis != NULL ? redis->errstr : "no memory");
    if (redis != NULL)
        redisFree(redis);
    return NULL;
}

static bool set_counters(struct counter *counter, const struct redis_url *url, uint32_t shows,
                         uint32_t seats)
{
    redisContext *redis = connect_waiting(url);
    bool right = redis != NULL;

    for (uint32_t show = 1; right && show <= shows; show++) {
        redisReply *reply = redisCommand(redis, "SET rival:left:%u %u", show, seats);
        right = reply != NULL && reply->type == REDIS_REPLY_STATUS;
        freeReplyObject(reply);
    }
    redisReply *reply = right ? redisCommand(redis, "SCRIPT LOAD %s", take_script) : NULL;
    right = reply != NULL && reply->type == REDIS_REPLY_STRING && reply->len == SHA_BYTES - 1;
    if (right)
        memcpy(counter->sha1, reply->str, SHA_BYTES);
    freeReplyObject(reply);
    if (redis != NULL)
        redisFree(redis);
    return right;
}

static void on_disconnect(const redisAsyncContext *redis, int status)
{
    if (status == REDIS_OK)
        return;
    fprintf(stderr, "rival: redis: %s\n", redis->errstr);
    exit(1);
}

struct counter *counter_open(struct ev_loop *loop, const char *url_text, uint32_t shows,
                             uint32_t seats, counter_answered *answered, void *context)
{
    struct counter *counter = calloc(1, sizeof(*counter));
    struct redis_url url;
    const char *why;

    assert(counter != NULL);
    *counter = (struct counter){.answered = answered, .context = context};
    if (!redis_url_parse(url_text, &url, &why)) {
        fprintf(stderr, "rival: redis: %s\n", why);
        free(counter);
        return NULL;
    }
    if (set_counters(counter, &url, shows, seats)) {
        counter->redis = url.is_unix ? redisAsyncConnectUnix(url.address[0].host)
                                     : redisAsyncConnect(url.address[0].host, url.address[0].port);
        if (counter->redis != NULL && counter->redis->err == 0) {
            counter->redis->data = counter;
            redisLibevAttach(loop, counter->redis);
            redisAsyncSetDisconnectCallback(counter->redis, on_disconnect);
            if (url.password[0] != '\0')
                redisAsyncCommand(counter->redis, NULL, NULL, "AUTH %s %s", user_of(&url),
                                  url.password);
            return counter;
        }
    }
    free(counter);
    return NULL;
}

static void on_taken(redisAsyncContext *redis, void *data, void *context)
{
    struct counter *counter = redis->data;
    const redisReply *reply = data;

    if (reply == NULL) /* the connection is gone; on_disconnect says so */
        return;
    counter->answered(counter->context, context,
                      reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0);
}

void counter_take(struct counter *counter, struct wish *wish)
{
    int rc = redisAsyncCommand(counter->redis, on_taken, wish, "EVALSHA %s 1 rival:left:%u %u",
                               counter->sha1, wish->show, wish->quantity);
    assert(rc == REDIS_OK);
}

void counter_close(struct counter *counter)
{
    redisAsyncFree(counter->redis);
    free(counter);
}
