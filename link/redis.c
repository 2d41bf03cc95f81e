/*
 * hiredis connects and parses; the bytes in between are moved here, because every wait must be
 * bounded and because neither side may ever wait for the other to read: while a long pipeline is
 * written, replies that come back are taken off the socket and kept (bounded) until asked for.
 */
#include "redis.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/keys.h"

#define OUTPUT_BYTES_MAX (64u << 20)    /* a pipeline not yet written out: more is ERR_BOUND */
#define OUTPUT_BYTES_EAGER (256u << 10) /* from here on redis_send writes what the socket takes */
#define OUTPUT_BYTES_KEPT (4u << 20)    /* memory kept for the next pipeline */
#define INPUT_BYTES_MAX (256u << 20)    /* replies not yet taken; more breaks the connection */
#define READER_BYTES_KEPT (1u << 20)    /* the parser's memory between replies */
#define CHUNK_BYTES 65536 /* fed to the parser at once: it moves its rest each reply */
#define WHY_BYTES 320
#define RUN_ID_BYTES 48
#define WORDS_MAX 16
#define HOPS_MAX 4 /* nodes of a cluster that pass one on to the next */

struct redis {
    struct redis_url url;
    struct redis_address server; /* the one that was last right, or the first to be asked */
    uint32_t partition;          /* in a cluster: whose node is wanted; 0: any */
    int64_t timeout_ms;
    redisContext *context; /* NULL while not connected */
    struct buf out;        /* commands; the first `written` bytes are gone already */
    size_t written;
    struct buf in; /* replies read while writing; the first `parsed` bytes are with the parser */
    size_t parsed;
    size_t pending;
    bool moved; /* the last error said where to ask instead */
    struct redis_address moved_to;
    char run_id[RUN_ID_BYTES];
    char why[WHY_BYTES];
    char chunk[CHUNK_BYTES];
};

static enum err greet(struct redis *r);
static enum err has_partition(struct redis *r);
static enum err is_master(struct redis *r);
static enum err wrong_server(struct redis *r, struct redis_reply **reply);
static enum err write_out(struct redis *r, int64_t deadline_us);
static enum err write_some(struct redis *r);
static enum err keep_replies(struct redis *r);
static enum err parse_more(struct redis *r, int64_t deadline_us);
static enum err wait_for(struct redis *r, short events, int64_t deadline_us, short *seen);
static enum err broken(struct redis *r, const char *what, const char *detail);
static int64_t deadline_in(int64_t timeout_ms);
static size_t command_bytes(size_t argc, const struct span *argv);

struct redis *redis_new(const struct redis_url *url, int64_t timeout_ms)
{
    assert(timeout_ms > 0 && timeout_ms <= INT32_MAX / 1000);
    struct redis *r = calloc(1, sizeof(*r));
    if (r == NULL)
        abort();
    r->url = *url;
    r->server = url->address[0];
    r->timeout_ms = timeout_ms;
    buf_init(&r->out, OUTPUT_BYTES_MAX);
    buf_init(&r->in, INPUT_BYTES_MAX);
    return r;
}

void redis_free(struct redis *r)
{
    if (r == NULL)
        return;
    redis_disconnect(r);
    buf_free(&r->out);
    buf_free(&r->in);
    free(r);
}

static enum err connect_to(struct redis *r, const struct redis_address *address)
{
    redis_disconnect(r);
    struct timeval limit = {.tv_sec = r->timeout_ms / 1000,
                            .tv_usec = (r->timeout_ms % 1000) * 1000};
    r->context = r->url.is_unix ? redisConnectUnixWithTimeout(address->host, limit)
                                : redisConnectWithTimeout(address->host, address->port, limit);
    if (r->context == NULL)
        return broken(r, "cannot connect", "out of memory");
    if (r->context->err)
        return broken(r, "cannot connect", r->context->errstr);
    r->context->reader->maxbuf = READER_BYTES_KEPT;
    if (!r->url.is_unix)
        (void)redisEnableKeepAlive(r->context); /* helps only an idle connection; may fail */
    r->server = *address;
    r->moved = false;
    enum err err = greet(r);
    if (!err && r->url.is_cluster && r->partition > 0)
        err = has_partition(r);
    if (!err && redis_url_has_replicas(&r->url))
        err = is_master(r);
    if (err)
        redis_disconnect(r);
    return err;
}

/* Where it was, or where it is said to have moved to; each may have moved on meanwhile. */
static enum err connect_following(struct redis *r, struct redis_address address)
{
    enum err err = connect_to(r, &address);

    for (unsigned hops = 0; err && r->moved && hops < HOPS_MAX; hops++) {
        address = r->moved_to;
        err = connect_to(r, &address);
    }
    return err;
}

enum err redis_connect(struct redis *r)
{
    enum err err = connect_following(r, r->server);

    for (size_t i = 0; err && r->url.addresses > 1 && i < r->url.addresses; i++)
        err = connect_following(r, r->url.address[i]);
    return err;
}

enum err redis_go_to(struct redis *r, uint32_t partition)
{
    if (!r->url.is_cluster || (r->partition == partition && r->context != NULL))
        return r->context != NULL ? ERR_NONE : redis_connect(r);
    assert(r->pending == 0);
    r->partition = partition;
    r->moved = false;
    if (r->context != NULL && !has_partition(r))
        return ERR_NONE;
    return r->moved ? connect_following(r, r->moved_to) : redis_connect(r);
}

void redis_disconnect(struct redis *r)
{
    if (r->context != NULL)
        redisFree(r->context);
    r->context = NULL;
    r->written = r->parsed = r->pending = 0;
    buf_free(&r->out);
    buf_free(&r->in);
}

bool redis_is_connected(const struct redis *r)
{
    return r->context != NULL;
}

const char *redis_run_id(const struct redis *r)
{
    return r->run_id;
}

const char *redis_why(const struct redis *r)
{
    return r->why;
}

/* Replies: struct redis_reply is hiredis' own, seen through these functions only. */

static const redisReply *inside(const struct redis_reply *reply)
{
    return (const redisReply *)(const void *)reply;
}

enum redis_kind redis_kind_of(const struct redis_reply *reply)
{
    switch (inside(reply)->type) {
    case REDIS_REPLY_INTEGER:
        return REDIS_INTEGER;
    case REDIS_REPLY_STRING:
        return REDIS_STRING;
    case REDIS_REPLY_STATUS:
        return REDIS_STATUS;
    case REDIS_REPLY_ARRAY:
        return REDIS_ARRAY;
    case REDIS_REPLY_ERROR:
        return REDIS_ERROR;
    case REDIS_REPLY_NIL:
        return REDIS_NIL;
    }
    abort(); /* hiredis 0.14 speaks RESP2 only */
}

long long redis_integer(const struct redis_reply *reply)
{
    return redis_kind_of(reply) == REDIS_INTEGER ? inside(reply)->integer : 0;
}

struct span redis_text(const struct redis_reply *reply)
{
    const redisReply *own = inside(reply);
    if (own->type != REDIS_REPLY_STRING && own->type != REDIS_REPLY_STATUS &&
        own->type != REDIS_REPLY_ERROR)
        return (struct span){NULL, 0};
    return (struct span){own->str, own->len};
}

size_t redis_count(const struct redis_reply *reply)
{
    return redis_kind_of(reply) == REDIS_ARRAY ? inside(reply)->elements : 0;
}

const struct redis_reply *redis_at(const struct redis_reply *reply, size_t index)
{
    assert(index < redis_count(reply));
    return (const struct redis_reply *)(const void *)inside(reply)->element[index];
}

void redis_reply_free(struct redis_reply *reply)
{
    if (reply != NULL)
        freeReplyObject(reply);
}

/* Sending and taking. */

enum err redis_send(struct redis *r, size_t argc, const struct span *argv)
{
    assert(argc > 0);
    if (r->context == NULL)
        return ERR_UNAVAILABLE;
    if (command_bytes(argc, argv) > OUTPUT_BYTES_MAX - r->out.len) {
        snprintf(r->why, sizeof(r->why), "the pipeline is longer than %u bytes", OUTPUT_BYTES_MAX);
        return ERR_BOUND;
    }
    buf_putc(&r->out, '*');
    buf_put_u64(&r->out, argc);
    for (size_t i = 0; i < argc; i++) {
        buf_put(&r->out, "\r\n$", 3);
        buf_put_u64(&r->out, argv[i].len);
        buf_put(&r->out, "\r\n", 2);
        buf_put(&r->out, argv[i].bytes, argv[i].len);
    }
    buf_put(&r->out, "\r\n", 2);
    if (r->out.failed)
        return broken(r, "cannot send", "out of memory"); /* half a command may stand there */
    r->pending++;
    if (r->out.len - r->written >= OUTPUT_BYTES_EAGER)
        return write_some(r);
    return ERR_NONE;
}

enum err redis_flush(struct redis *r)
{
    if (r->context == NULL)
        return ERR_UNAVAILABLE;
    return write_out(r, deadline_in(r->timeout_ms));
}

enum err redis_take(struct redis *r, struct redis_reply **reply)
{
    return redis_take_within(r, r->timeout_ms, reply);
}

enum err redis_take_within(struct redis *r, int64_t timeout_ms, struct redis_reply **reply)
{
    *reply = NULL;
    if (r->context == NULL)
        return ERR_UNAVAILABLE;
    assert(r->pending > 0);
    int64_t deadline_us = deadline_in(timeout_ms);
    TRY(write_out(r, deadline_us));
    for (;;) {
        void *got = NULL;
        if (redisReaderGetReply(r->context->reader, &got) != REDIS_OK)
            return broken(r, "cannot read", r->context->reader->errstr);
        if (got != NULL) {
            r->pending--;
            *reply = got;
            if (redis_kind_of(*reply) == REDIS_ERROR && redis_is_not_the_one(redis_text(*reply)))
                return wrong_server(r, reply);
            return ERR_NONE;
        }
        TRY(parse_more(r, deadline_us));
    }
}

size_t redis_pending(const struct redis *r)
{
    return r->pending;
}

enum err redis_do(struct redis *r, size_t argc, const struct span *argv, struct redis_reply **reply)
{
    assert(r->pending == 0); /* else the reply would be another's */
    *reply = NULL;
    TRY(redis_send(r, argc, argv));
    TRY(redis_take(r, reply));
    if (redis_kind_of(*reply) != REDIS_ERROR)
        return ERR_NONE;
    struct span text = redis_text(*reply);
    snprintf(r->why, sizeof(r->why), "%.*s", (int)(text.len < WHY_BYTES ? text.len : WHY_BYTES),
             text.bytes);
    redis_reply_free(*reply);
    *reply = NULL;
    return ERR_REFUSED;
}

enum err redis_do_words(struct redis *r, struct redis_reply **reply, ...)
{
    struct span argv[WORDS_MAX];
    size_t argc = 0;
    va_list words;
    va_start(words, reply);
    for (const char *word; (word = va_arg(words, const char *)) != NULL;) {
        assert(argc < WORDS_MAX);
        argv[argc++] = span_of(word);
    }
    va_end(words);
    return redis_do(r, argc, argv, reply);
}

enum err redis_load_script(struct redis *r, struct span source, char sha1[41])
{
    struct span argv[] = {SPAN("SCRIPT"), SPAN("LOAD"), source};
    struct redis_reply *reply;
    TRY(redis_do(r, 3, argv, &reply));
    struct span text = redis_text(reply);
    bool right = text.len == 40;
    if (right) {
        memcpy(sha1, text.bytes, 40);
        sha1[40] = '\0';
    }
    redis_reply_free(reply);
    return right ? ERR_NONE : broken(r, "SCRIPT LOAD", "the answer is no SHA-1");
}

/* Helpers. */

static enum err expect(struct redis *r, size_t argc, const struct span *argv,
                       struct redis_reply **reply)
{
    enum err err = redis_do(r, argc, argv, reply);
    /* A server that runs somebody's script will be there later. */
    if (err == ERR_REFUSED && strncmp(r->why, "BUSY", 4) == 0)
        return ERR_UNAVAILABLE;
    return err;
}

static enum err expect_ok(struct redis *r, size_t argc, const struct span *argv)
{
    struct redis_reply *reply;
    TRY(expect(r, argc, argv, &reply));
    redis_reply_free(reply);
    return ERR_NONE;
}

static enum err learn_run_id(struct redis *r)
{
    static const char field[] = "run_id:";
    struct span info[] = {SPAN("INFO"), SPAN("server")};
    struct redis_reply *reply;
    TRY(expect(r, 2, info, &reply));
    struct span text = redis_text(reply);
    const char *at = text.len > 0 ? memmem(text.bytes, text.len, field, strlen(field)) : NULL;
    size_t n = 0;
    if (at != NULL) {
        at += strlen(field);
        const char *end = text.bytes + text.len;
        while (at + n < end && at[n] != '\r' && at[n] != '\n' && n < RUN_ID_BYTES - 1)
            n++;
        memcpy(r->run_id, at, n);
        r->run_id[n] = '\0';
    }
    redis_reply_free(reply);
    return n > 0 ? ERR_NONE : broken(r, "INFO server", "there is no run_id");
}

static enum err greet(struct redis *r)
{
    const struct redis_url *url = &r->url;
    if (url->password[0] != '\0' && url->user[0] != '\0') {
        struct span auth[] = {SPAN("AUTH"), span_of(url->user), span_of(url->password)};
        TRY(expect_ok(r, 3, auth));
    } else if (url->password[0] != '\0') {
        struct span auth[] = {SPAN("AUTH"), span_of(url->password)};
        TRY(expect_ok(r, 2, auth));
    }
    if (url->database != 0) {
        char database[16];
        snprintf(database, sizeof(database), "%d", url->database);
        struct span select[] = {SPAN("SELECT"), span_of(database)};
        TRY(expect_ok(r, 2, select));
    }
    struct span ping[] = {SPAN("PING")}; /* says LOADING where INFO would not */
    TRY(expect_ok(r, 1, ping));
    return learn_run_id(r);
}

/* Any command about a key of the partition tells: only the node that has it answers. The stream is
 * the one key that every program may name (ops/redis.acl). */
static enum err has_partition(struct redis *r)
{
    struct key key = key_requests(r->partition);
    struct span exists[] = {SPAN("EXISTS"), {key.text, key.len}};
    return expect_ok(r, 2, exists);
}

static enum err is_master(struct redis *r)
{
    struct span role[] = {SPAN("ROLE")};
    struct redis_reply *reply;
    TRY(expect(r, 1, role, &reply));
    bool right = redis_count(reply) > 0 && span_is(redis_text(redis_at(reply, 0)), "master");
    redis_reply_free(reply);
    return right ? ERR_NONE : broken(r, "wrong server", "it is a replica");
}

/* Whatever was asked of it, it is not the one to ask: begin anew, there if it says where. */
static enum err wrong_server(struct redis *r, struct redis_reply **reply)
{
    struct span error = redis_text(*reply);
    unsigned slot;
    char text[WHY_BYTES / 2];
    snprintf(text, sizeof(text), "%.*s",
             (int)(error.len < sizeof(text) ? error.len : sizeof(text) - 1), error.bytes);
    r->moved = redis_elsewhere(error, &r->server, &slot, &r->moved_to) == REDIS_MOVED;
    if (r->moved)
        r->server = r->moved_to;
    redis_reply_free(*reply);
    *reply = NULL;
    return broken(r, "wrong server", text);
}

/* Everything, within the deadline; what comes back meanwhile is kept for redis_take. */
static enum err write_out(struct redis *r, int64_t deadline_us)
{
    for (;;) {
        TRY(write_some(r));
        if (r->out.len == 0)
            return ERR_NONE;
        short seen;
        TRY(wait_for(r, POLLIN | POLLOUT, deadline_us, &seen));
        if (seen & (POLLIN | POLLHUP | POLLERR))
            TRY(keep_replies(r));
    }
}

/* As much as the socket takes now. */
static enum err write_some(struct redis *r)
{
    while (r->written < r->out.len) {
        ssize_t n = send(r->context->fd, r->out.bytes + r->written, r->out.len - r->written,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0)
            return broken(r, "cannot write", strerror(errno));
        r->written += (size_t)n;
    }
    if (r->written == r->out.len && r->out.cap > OUTPUT_BYTES_KEPT) {
        buf_free(&r->out);
        r->written = 0;
    } else if (r->written >= r->out.len / 2) {
        buf_drop(&r->out, r->written); /* moves no byte more than once on average */
        r->written = 0;
    }
    return ERR_NONE;
}

/* *n > 0: bytes; -1: nothing there yet. An end of file is an error. */
static enum err receive(struct redis *r, char *into, size_t bytes_max, ssize_t *n)
{
    do {
        *n = recv(r->context->fd, into, bytes_max, MSG_DONTWAIT);
    } while (*n < 0 && errno == EINTR);
    if (*n > 0 || (*n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)))
        return ERR_NONE;
    return broken(r, "cannot read", *n == 0 ? "Redis closed the connection" : strerror(errno));
}

static enum err keep_replies(struct redis *r)
{
    ssize_t n;
    TRY(receive(r, r->chunk, sizeof(r->chunk), &n));
    if (n > 0)
        buf_put(&r->in, r->chunk, (size_t)n);
    if (r->in.failed)
        return broken(r, "cannot read", "too many replies pile up in a pipeline");
    return ERR_NONE;
}

static enum err feed(struct redis *r, const char *bytes, size_t n)
{
    redisReader *reader = r->context->reader;
    if (reader->len - reader->pos > INPUT_BYTES_MAX)
        return broken(r, "cannot read", "a reply is too long");
    if (redisReaderFeed(reader, bytes, n) != REDIS_OK)
        return broken(r, "cannot read", reader->errstr);
    return ERR_NONE;
}

/* What was kept goes first; then what the socket gives, waiting for it. */
static enum err parse_more(struct redis *r, int64_t deadline_us)
{
    if (r->parsed < r->in.len) {
        size_t rest = r->in.len - r->parsed;
        size_t n = rest < CHUNK_BYTES ? rest : CHUNK_BYTES;
        TRY(feed(r, r->in.bytes + r->parsed, n));
        r->parsed += n;
        if (r->parsed == r->in.len) {
            buf_free(&r->in); /* a pile-up is rare; do not keep its memory */
            r->parsed = 0;
        }
        return ERR_NONE;
    }
    ssize_t n;
    TRY(receive(r, r->chunk, sizeof(r->chunk), &n));
    if (n > 0)
        return feed(r, r->chunk, (size_t)n);
    short seen;
    return wait_for(r, POLLIN, deadline_us, &seen);
}

static enum err wait_for(struct redis *r, short events, int64_t deadline_us, short *seen)
{
    /* Whoever waits has just tried without waiting, so a deadline that has passed is final. */
    struct pollfd fd = {.fd = r->context->fd, .events = events};
    for (;;) {
        int64_t left_us = deadline_us - clock_mono_us();
        if (left_us <= 0)
            return broken(r, "Redis does not answer", "timed out");
        int n = poll(&fd, 1, (int)((left_us + 999) / 1000));
        if (n > 0) {
            *seen = fd.revents;
            return ERR_NONE;
        }
        if (n < 0 && errno != EINTR)
            return broken(r, "cannot wait", strerror(errno));
    }
}

/* The one way out of a connection: replies would no longer be in step with commands. */
static enum err broken(struct redis *r, const char *what, const char *detail)
{
    snprintf(r->why, sizeof(r->why), "%s: %s", what, detail); /* detail may live in the context */
    redis_disconnect(r);
    return ERR_UNAVAILABLE;
}

static int64_t deadline_in(int64_t timeout_ms)
{
    assert(timeout_ms >= 0 && timeout_ms <= INT32_MAX / 1000);
    return clock_mono_us() + timeout_ms * 1000;
}

/* At most: every length has at most 20 digits. */
static size_t command_bytes(size_t argc, const struct span *argv)
{
    size_t n = 32;
    for (size_t i = 0; i < argc; i++) {
        if (argv[i].len > OUTPUT_BYTES_MAX || n > OUTPUT_BYTES_MAX)
            return SIZE_MAX;
        n += argv[i].len + 26;
    }
    return n;
}
