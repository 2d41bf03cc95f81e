#include "gateway/redis_link.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <hiredis/sds.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "gateway/list.h"
#include "gateway/resolve.h"

#define OUTPUT_BYTES_MAX (16 << 20)
#define COMMANDS_MAX 16384
#define CONNECT_MS 2000
#define COMMAND_MS 2500   /* the oldest command in flight: then the connection is given up */
#define HEARTBEAT_MS 1000 /* pause without traffic before a sign of life is asked for */
#define TICK_MS 100
#define BACKOFF_MS_MIN 20
#define BACKOFF_MS_MAX 1000
#define ARGUMENTS_MAX 192 /* limits.c has 183 at most */

enum link_state {
    LINK_PAUSED,     /* no connection; the timer brings the next attempt */
    LINK_RESOLVING,  /* the host's name is being looked up */
    LINK_CONNECTING, /* the socket is connecting */
    LINK_GREETING,   /* AUTH, SELECT, PING or SUBSCRIBE are on their way */
    LINK_READY,
};

struct in_flight {
    struct list node; /* in link->in_flight, oldest first, or in link->spare */
    struct redis_link *link;
    int64_t sent_us;
    void (*done)(void *context, const struct redis_value *reply);
    void *context;
};

struct redis_link {
    struct ev_loop *loop;
    struct redis_url url;
    size_t at;     /* which of its addresses is tried, or was good */
    char *channel; /* NULL: for commands */
    struct redis_link_events events;
    enum link_state state;
    bool closing;
    redisAsyncContext *connection; /* freed by hiredis, never in its own callbacks */
    struct resolve *resolving;
    ev_io readable, writable;
    ev_prepare turn_end; /* fed, never started: writes what this turn of the loop has sent */
    bool is_writing;
    ev_timer attempt; /* the next attempt, or the end of this one */
    ev_timer tick;
    ev_timer dropping; /* 0 s: frees the connection outside of hiredis' callbacks */
    struct list in_flight, spare;
    size_t commands;
    int64_t heard_us, ready_since_us;
    int64_t backoff_ms;
    uint64_t readies;
    unsigned greetings; /* replies of the greeting still to come */
    bool ping_sent;
    char why[160];
};

enum redis_kind redis_kind(struct redis_value v)
{
    const redisReply *r = v.reply;

    switch (r->type) {
    case REDIS_REPLY_STRING:
        return REDIS_STRING;
    case REDIS_REPLY_ARRAY:
        return REDIS_ARRAY;
    case REDIS_REPLY_INTEGER:
        return REDIS_INTEGER;
    case REDIS_REPLY_STATUS:
        return REDIS_STATUS;
    case REDIS_REPLY_ERROR:
        return REDIS_ERROR;
    default:
        return REDIS_NIL;
    }
}

struct span redis_text(struct redis_value v)
{
    const redisReply *r = v.reply;
    enum redis_kind kind = redis_kind(v);

    if (kind != REDIS_STRING && kind != REDIS_STATUS && kind != REDIS_ERROR)
        return (struct span){NULL, 0};
    return (struct span){r->str, (size_t)r->len};
}

int64_t redis_integer(struct redis_value v)
{
    return redis_kind(v) == REDIS_INTEGER ? ((const redisReply *)v.reply)->integer : 0;
}

size_t redis_count(struct redis_value v)
{
    return redis_kind(v) == REDIS_ARRAY ? ((const redisReply *)v.reply)->elements : 0;
}

struct redis_value redis_at(struct redis_value v, size_t index)
{
    const redisReply *r = v.reply;

    assert(index < redis_count(v));
    return (struct redis_value){r->element[index]};
}

bool redis_link_is_ready(const struct redis_link *link)
{
    return link->state == LINK_READY;
}

const char *redis_link_why(const struct redis_link *link)
{
    return link->why;
}

uint64_t redis_link_reconnects(const struct redis_link *link)
{
    return link->readies > 0 ? link->readies - 1 : 0;
}

int64_t redis_link_ready_since_us(const struct redis_link *link)
{
    return link->ready_since_us;
}

static void link_attempt(struct redis_link *link);

/* The first reason of an outage is the one worth keeping; it is logged once. */
static void link_blame(struct redis_link *link, const char *why)
{
    if (link->why[0] != '\0')
        return;
    snprintf(link->why, sizeof link->why, "%s", why);
    if (!link->closing)
        log_event(LOG_WARN, "redis_lost", "link", link->channel ? link->channel : "commands", "why",
                  why, NULL);
}

/* The connection is gone, or about to be freed by hiredis: forget it and try again later. */
static void link_lose(struct redis_link *link, const char *why)
{
    enum link_state was = link->state;

    if (was == LINK_PAUSED)
        return;
    link_blame(link, why);
    link->connection = NULL;
    link->state = LINK_PAUSED;
    if (was != LINK_READY) /* it was not the right one; one that was good is tried again first */
        link->at = (link->at + 1) % link->url.addresses;
    link->ping_sent = false;
    ev_timer_stop(link->loop, &link->dropping);
    ev_timer_stop(link->loop, &link->attempt);
    if (link->closing)
        return;
    /* Spread, so that gateways do not come back all at once. */
    int64_t pause_ms =
        link->backoff_ms / 2 + (int64_t)(random_u64() % (uint64_t)link->backoff_ms) / 2 + 1;
    if (link->backoff_ms < BACKOFF_MS_MAX)
        link->backoff_ms *= 2;
    ev_timer_set(&link->attempt, (double)pause_ms / 1000, 0);
    ev_timer_start(link->loop, &link->attempt);
    if (was == LINK_READY)
        link->events.lost(link->events.context);
}

/* Give the connection up. Only outside of hiredis' callbacks. */
static void link_cut(struct redis_link *link, const char *why)
{
    redisAsyncContext *connection = link->connection;

    link_blame(link, why);
    if (link->resolving != NULL) {
        resolve_cancel(link->resolving);
        link->resolving = NULL;
    }
    /* Commands in flight are called with NULL now; until then the state refuses new ones. */
    if (connection != NULL)
        redisAsyncFree(connection);
    link_lose(link, why);
}

void redis_link_drop(struct redis_link *link, const char *why)
{
    if (link->connection == NULL || ev_is_active(&link->dropping))
        return;
    link_blame(link, why);
    ev_timer_set(&link->dropping, 0, 0);
    ev_timer_start(link->loop, &link->dropping);
}

static void on_dropping(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct redis_link *link = timer->data;

    (void)loop;
    (void)events;
    link_cut(link, "given up");
}

/* hiredis' side of the loop. It may ask for the same thing twice. */
static void want_read(void *data)
{
    struct redis_link *link = data;
    ev_io_start(link->loop, &link->readable);
}

static void stop_read(void *data)
{
    struct redis_link *link = data;
    ev_io_stop(link->loop, &link->readable);
}

/* While hiredis is writing, this means that the socket is full; else that there is something. */
static void want_write(void *data)
{
    struct redis_link *link = data;
    if (link->state >= LINK_GREETING && !link->is_writing)
        ev_feed_event(link->loop, &link->turn_end, EV_PREPARE);
    else
        ev_io_start(link->loop, &link->writable);
}

static void stop_write(void *data)
{
    struct redis_link *link = data;
    ev_io_stop(link->loop, &link->writable);
}

static void stop_both(void *data)
{
    stop_read(data);
    stop_write(data);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct redis_link *link = io->data;

    (void)loop;
    (void)events;
    link->heard_us = clock_mono_us();
    redisAsyncHandleRead(link->connection);
}

static void link_write(struct redis_link *link)
{
    link->is_writing = true;
    redisAsyncHandleWrite(link->connection);
    link->is_writing = false;
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    link_write(io->data);
}

static void on_turn_end(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct redis_link *link = prepare->data;

    (void)loop;
    (void)events;
    if (link->connection != NULL && link->state >= LINK_GREETING)
        link_write(link);
}

static void link_become_ready(struct redis_link *link)
{
    link->state = LINK_READY;
    link->readies++;
    link->backoff_ms = BACKOFF_MS_MIN;
    link->why[0] = '\0';
    link->ready_since_us = clock_mono_us();
    ev_timer_stop(link->loop, &link->attempt);
    log_event(LOG_INFO, "redis_ready", "link", link->channel ? link->channel : "commands", NULL);
    link->events.ready(link->events.context);
}

/* A reply to AUTH, SELECT or PING. All must be right before the link is used: a Redis that is
 * still loading its file says so here. */
static void on_greeting(redisAsyncContext *connection, void *reply, void *data)
{
    struct redis_link *link = data;
    const redisReply *r = reply;

    (void)connection;
    if (r == NULL || link->state != LINK_GREETING)
        return;
    if (r->type == REDIS_REPLY_ERROR) {
        redis_link_drop(link, r->str);
        return;
    }
    if (--link->greetings == 0 && link->channel == NULL && !ev_is_active(&link->dropping))
        link_become_ready(link);
}

static void on_heartbeat(redisAsyncContext *connection, void *reply, void *data)
{
    struct redis_link *link = data;
    const redisReply *r = reply;

    (void)connection;
    link->ping_sent = false;
    if (r != NULL && r->type == REDIS_REPLY_ERROR)
        redis_link_drop(link, r->str);
}

static struct span text_of(const redisReply *r)
{
    return (struct span){r->str, (size_t)r->len};
}

/* Everything that comes on a subscription, checked by kind. */
static const redisReply *channel_reply(struct redis_link *link, const redisReply *r)
{
    if (r == NULL)
        return NULL;
    if (r->type == REDIS_REPLY_ERROR) {
        redis_link_drop(link, r->str);
        return NULL;
    }
    bool fits = r->type == REDIS_REPLY_ARRAY && r->elements == 3 &&
                r->element[0]->type == REDIS_REPLY_STRING &&
                r->element[1]->type == REDIS_REPLY_STRING;
    return fits ? r : NULL;
}

static void hand_over(struct redis_link *link, const redisReply *r)
{
    if (strcmp(r->element[0]->str, "message") == 0 && r->element[2]->type == REDIS_REPLY_STRING)
        link->events.message(link->events.context, text_of(r->element[2]));
}

static void on_channel(redisAsyncContext *connection, void *reply, void *data)
{
    struct redis_link *link = data;
    const redisReply *r = channel_reply(link, reply);

    (void)connection;
    if (r == NULL || strcmp(r->element[1]->str, link->channel) != 0)
        return;
    if (strcmp(r->element[0]->str, "subscribe") != 0) {
        hand_over(link, r);
        return;
    }
    link->ping_sent = false;
    if (link->state == LINK_GREETING && !ev_is_active(&link->dropping))
        link_become_ready(link);
}

/* hiredis calls this for the channels that were joined, each by its own name. */
static void on_further_channel(redisAsyncContext *connection, void *reply, void *data)
{
    struct redis_link *link = data;
    const redisReply *r = channel_reply(link, reply);

    (void)connection;
    if (r == NULL)
        return;
    if (strcmp(r->element[0]->str, "subscribe") == 0)
        link->events.joined(link->events.context, text_of(r->element[1]));
    else if (strcmp(r->element[0]->str, "unsubscribe") == 0)
        link->events.left(link->events.context, text_of(r->element[1]));
    else
        hand_over(link, r);
}

/* Of servers that replicate each other only the master will do. */
static void on_role(redisAsyncContext *connection, void *reply, void *data)
{
    struct redis_link *link = data;
    const redisReply *r = reply;

    if (r != NULL && r->type == REDIS_REPLY_ARRAY &&
        (r->elements == 0 || r->element[0]->type != REDIS_REPLY_STRING ||
         strcmp(r->element[0]->str, "master") != 0))
        redis_link_drop(link, "it is a replica");
    else
        on_greeting(connection, reply, data);
}

static bool send_greeting(struct redis_link *link, redisCallbackFn *done, const char *format,
                          const char *first, const char *second)
{
    if (redisAsyncCommand(link->connection, done, link, format, first, second) != REDIS_OK)
        return false;
    link->greetings++;
    return true;
}

static bool link_greet(struct redis_link *link)
{
    const struct redis_url *url = &link->url;
    char database[16];

    link->greetings = 0;
    link->state = LINK_GREETING;
    snprintf(database, sizeof database, "%d", url->database);
    if (url->user[0] != '\0' &&
        !send_greeting(link, on_greeting, "AUTH %s %s", url->user, url->password))
        return false;
    if (url->user[0] == '\0' && url->password[0] != '\0' &&
        !send_greeting(link, on_greeting, "AUTH %s", url->password, NULL))
        return false;
    if (url->database != 0 && !send_greeting(link, on_greeting, "SELECT %s", database, NULL))
        return false;
    if (redis_url_has_replicas(url) && !send_greeting(link, on_role, "ROLE", NULL, NULL))
        return false;
    if (!send_greeting(link, on_greeting, "PING", NULL, NULL))
        return false;
    return link->channel == NULL || redisAsyncCommand(link->connection, on_channel, link,
                                                      "SUBSCRIBE %s", link->channel) == REDIS_OK;
}

static void on_connected(const redisAsyncContext *connection, int status)
{
    struct redis_link *link = connection->data;

    if (status != REDIS_OK) {
        /* hiredis frees this connection when we return. */
        link_lose(link, connection->errstr[0] != '\0' ? connection->errstr : "cannot connect");
        return;
    }
    link->heard_us = clock_mono_us();
    if (!link_greet(link))
        redis_link_drop(link, "cannot greet");
}

static void on_disconnected(const redisAsyncContext *connection, int status)
{
    struct redis_link *link = connection->data;

    (void)status;
    link_lose(link, connection->errstr != NULL && connection->errstr[0] != '\0' ? connection->errstr
                                                                                : "disconnected");
}

static void attach(struct redis_link *link, redisAsyncContext *connection)
{
    connection->data = link;
    connection->ev.data = link;
    connection->ev.addRead = want_read;
    connection->ev.delRead = stop_read;
    connection->ev.addWrite = want_write;
    connection->ev.delWrite = stop_write;
    connection->ev.cleanup = stop_both;
    ev_io_set(&link->readable, connection->c.fd, EV_READ);
    ev_io_set(&link->writable, connection->c.fd, EV_WRITE);
    redisAsyncSetConnectCallback(connection, on_connected);
    redisAsyncSetDisconnectCallback(connection, on_disconnected);
}

static void link_connect(struct redis_link *link, const char *address)
{
    redisAsyncContext *connection =
        link->url.is_unix ? redisAsyncConnectUnix(address)
                          : redisAsyncConnect(address, link->url.address[link->at].port);

    link->state = LINK_CONNECTING;
    if (connection == NULL || connection->err != 0) {
        char why[128];
        snprintf(why, sizeof why, "%s", connection != NULL ? connection->errstr : "no memory");
        if (connection != NULL)
            redisAsyncFree(connection);
        link_lose(link, why);
        return;
    }
    link->connection = connection;
    if (!link->url.is_unix)
        redisEnableKeepAlive(&connection->c);
    attach(link, connection);
}

static void on_resolved(void *context, const char *address, const char *why)
{
    struct redis_link *link = context;

    link->resolving = NULL;
    if (address == NULL)
        link_lose(link, why);
    else
        link_connect(link, address);
}

static void link_attempt(struct redis_link *link)
{
    link->state = LINK_RESOLVING;
    ev_timer_set(&link->attempt, CONNECT_MS / 1000.0, 0);
    ev_timer_start(link->loop, &link->attempt);
    if (link->url.is_unix)
        link_connect(link, link->url.address[0].host);
    else
        link->resolving =
            resolve_begin(link->loop, link->url.address[link->at].host, on_resolved, link);
}

static void on_attempt(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct redis_link *link = timer->data;

    (void)loop;
    (void)events;
    if (link->state == LINK_PAUSED)
        link_attempt(link);
    else
        link_cut(link, "connecting took too long");
}

static void link_beat(struct redis_link *link)
{
    link->ping_sent = true;
    int sent =
        link->channel != NULL
            ? redisAsyncCommand(link->connection, on_channel, link, "SUBSCRIBE %s", link->channel)
            : redisAsyncCommand(link->connection, on_heartbeat, link, "PING");
    if (sent != REDIS_OK)
        redis_link_drop(link, "cannot send");
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct redis_link *link = timer->data;
    int64_t now_us = clock_mono_us();

    (void)loop;
    (void)events;
    if (link->state != LINK_READY)
        return;
    if (!list_is_empty(&link->in_flight)) {
        const struct in_flight *oldest = LIST_OWNER(link->in_flight.next, struct in_flight, node);
        if (now_us - oldest->sent_us > COMMAND_MS * 1000) {
            link_cut(link, "a command took too long");
            return;
        }
    }
    /* A channel may be silent for ever without being broken: only an answer to the heartbeat tells.
     */
    int64_t silent_us = now_us - link->heard_us;
    if (link->ping_sent && silent_us > (HEARTBEAT_MS + COMMAND_MS) * 1000)
        link_cut(link, "no sign of life");
    else if (!link->ping_sent && silent_us > HEARTBEAT_MS * 1000)
        link_beat(link);
}

static void timer_init(struct redis_link *link, ev_timer *timer,
                       void (*callback)(struct ev_loop *, ev_timer *, int), double repeat_s)
{
    ev_timer_init(timer, callback, repeat_s, repeat_s);
    timer->data = link;
}

struct redis_link *redis_link_open(struct ev_loop *loop, const struct redis_url *url,
                                   const char *channel, const struct redis_link_events *events)
{
    struct redis_link *link = calloc(1, sizeof *link);

    assert(link != NULL);
    link->loop = loop;
    link->url = *url;
    link->events = *events;
    link->backoff_ms = BACKOFF_MS_MIN;
    if (channel != NULL) {
        link->channel = strdup(channel);
        assert(link->channel != NULL);
    }
    list_init(&link->in_flight);
    list_init(&link->spare);
    ev_io_init(&link->readable, on_readable, -1, EV_READ);
    ev_io_init(&link->writable, on_writable, -1, EV_WRITE);
    link->readable.data = link->writable.data = link->turn_end.data = link;
    ev_prepare_init(&link->turn_end, on_turn_end);
    ev_set_priority(&link->turn_end, EV_MINPRI);
    timer_init(link, &link->attempt, on_attempt, 0);
    timer_init(link, &link->dropping, on_dropping, 0);
    timer_init(link, &link->tick, on_tick, TICK_MS / 1000.0);
    ev_timer_start(loop, &link->tick);
    link_attempt(link);
    return link;
}

void redis_link_close(struct redis_link *link)
{
    struct list *node;

    link->closing = true;
    link_cut(link, "closed");
    ev_timer_stop(link->loop, &link->tick);
    ev_timer_stop(link->loop, &link->attempt);
    ev_timer_stop(link->loop, &link->dropping);
    ev_clear_pending(link->loop, &link->turn_end);
    while ((node = list_take_first(&link->spare)) != NULL)
        free(LIST_OWNER(node, struct in_flight, node));
    free(link->channel);
    free(link);
}

/* An error that says that this server is not the one to ask. */
static void link_heed(struct redis_link *link, struct span error)
{
    struct redis_address address;
    unsigned slot;

    if (!redis_is_not_the_one(error))
        return;
    if (!link->url.is_cluster)
        redis_link_drop(link, "it takes no writes now");
    else if (redis_elsewhere(error, &link->url.address[link->at], &slot, &address) == REDIS_MOVED)
        link->events.elsewhere(link->events.context, slot, &address);
}

static void on_reply(redisAsyncContext *connection, void *reply, void *data)
{
    struct in_flight *command = data;
    struct redis_link *link = command->link;
    struct redis_value value = {reply};
    void (*done)(void *, const struct redis_value *) = command->done;
    void *context = command->context;

    (void)connection;
    list_remove(&command->node);
    list_append(&link->spare, &command->node);
    link->commands--;
    if (reply != NULL && redis_kind(value) == REDIS_ERROR)
        link_heed(link, redis_text(value));
    done(context, reply != NULL ? &value : NULL);
}

static struct in_flight *command_take(struct redis_link *link)
{
    struct list *node = list_take_first(&link->spare);

    if (node != NULL)
        return LIST_OWNER(node, struct in_flight, node);
    struct in_flight *command = malloc(sizeof *command);
    if (command != NULL)
        list_init(&command->node);
    return command;
}

bool redis_link_command(struct redis_link *link, const struct redis_command *command)
{
    const char *argv[ARGUMENTS_MAX];
    size_t lengths[ARGUMENTS_MAX];
    struct in_flight *sent;

    assert(command->argc <= ARGUMENTS_MAX);
    if (link->state != LINK_READY || ev_is_active(&link->dropping) ||
        link->commands == COMMANDS_MAX || sdslen(link->connection->c.obuf) > OUTPUT_BYTES_MAX)
        return false;
    for (size_t i = 0; i < command->argc; i++) {
        argv[i] = command->argv[i].bytes;
        lengths[i] = command->argv[i].len;
    }
    sent = command_take(link);
    if (sent == NULL)
        return false;
    sent->link = link;
    sent->done = command->done;
    sent->context = command->context;
    sent->sent_us = clock_mono_us();
    if (redisAsyncCommandArgv(link->connection, on_reply, sent, (int)command->argc, argv,
                              lengths) != REDIS_OK) {
        list_append(&link->spare, &sent->node);
        return false;
    }
    list_append(&link->in_flight, &sent->node);
    link->commands++;
    return true;
}

static bool send_about(struct redis_link *link, const char *format, struct span channel)
{
    assert(link->channel != NULL);
    return link->state == LINK_READY && !ev_is_active(&link->dropping) &&
           redisAsyncCommand(link->connection, on_further_channel, link, format, channel.bytes,
                             channel.len) == REDIS_OK;
}

bool redis_link_join(struct redis_link *link, struct span channel)
{
    return send_about(link, "SUBSCRIBE %b", channel);
}

bool redis_link_leave(struct redis_link *link, struct span channel)
{
    return send_about(link, "UNSUBSCRIBE %b", channel);
}
