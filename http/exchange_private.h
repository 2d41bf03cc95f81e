/*
 * What an exchange is made of, for the server alone. An exchange is one block of memory: the
 * struct, the places of its fields, the head's bytes and, if its length was said and is small, the
 * body's. Blocks of the usual size are kept for the next request.
 */
#ifndef USHER_HTTP_EXCHANGE_PRIVATE_H
#define USHER_HTTP_EXCHANGE_PRIVATE_H

#include "base/err.h"
#include "http/exchange.h"
#include "http/head.h"
#include "http/parser.h"

struct connection;

enum exchange_state {
    EXCHANGE_INCOMING,  /* its head was taken, its body is being read; nobody else knows it */
    EXCHANGE_HANDED,    /* the application owes an answer */
    EXCHANGE_STREAMING, /* its answer has begun and goes on; the last of its connection */
    EXCHANGE_ANSWERED,  /* its answer is kept until its turn comes, or is in the output */
    EXCHANGE_ABANDONED, /* its client went away, or broke off the request */
};

#define EXCHANGE_BLOCK_BYTES 1024  /* the usual block, and all that is kept of it */
#define EXCHANGE_BLOCKS_SPARE 1024 /* how many are kept */
#define BODY_INLINE_BYTES_MAX 2048

struct exchange {
    struct exchange *next;
    struct connection *connection; /* outlives the exchange */
    enum exchange_state state;
    enum http_method method;
    bool is_http_1_0;
    bool keep_alive; /* what the client wants */
    bool is_usual_block;
    bool ends_connection; /* nothing is sent after its answer */
    bool owes_writable;   /* a stream that wanted to write and could not */
    uint16_t fields;
    void *data;
    const struct http_stream *stream; /* of a stream; `data` is its context */
    int64_t began_us;
    struct span path;
    struct span query;
    const char *head; /* what the fields' places count from */
    char *body;       /* inside the block, or in `longer_body` once there is one */
    size_t body_len;
    size_t body_room; /* of the block */
    struct buf longer_body;
    struct buf answer; /* kept until its turn comes */
    struct parser_field field[];
};

struct exchange_pool {
    struct exchange *spare;
    size_t count;
};

/* A new exchange with a copy of the head (without its leading empty line), or NULL: no memory. */
struct exchange *exchange_take(struct exchange_pool *pool, struct connection *connection,
                               const struct head *head, struct span head_bytes,
                               const struct parser_result *parsed);
/* One for a refusal of what never became a request; the method is the head's, if it got so far. */
struct exchange *exchange_take_bare(struct exchange_pool *pool, struct connection *connection,
                                    enum http_method method);
void exchange_give(struct exchange_pool *pool, struct exchange *x);
void exchange_pool_free(struct exchange_pool *pool);

/* ERR_BOUND: the body would be longer than bytes_max. ERR_MEMORY. */
enum err exchange_body_put(struct exchange *x, struct span bytes, size_t bytes_max);

void exchange_set_state(struct exchange *x, enum exchange_state state);

#endif
