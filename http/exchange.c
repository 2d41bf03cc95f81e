#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/connection.h"
#include "http/exchange_private.h"

static void split_target(struct exchange *x, struct span target);

static struct exchange *block_take(struct exchange_pool *pool, size_t bytes)
{
    bool is_usual = bytes <= EXCHANGE_BLOCK_BYTES;
    struct exchange *x = pool->spare;
    if (is_usual && x != NULL) {
        pool->spare = x->next;
        pool->count--;
    } else {
        x = malloc(is_usual ? EXCHANGE_BLOCK_BYTES : bytes);
        if (x == NULL)
            return NULL;
    }
    memset(x, 0, sizeof *x);
    x->is_usual_block = is_usual;
    return x;
}

struct exchange *exchange_take(struct exchange_pool *pool, struct connection *connection,
                               const struct head *head, struct span head_bytes,
                               const struct parser_result *parsed)
{
    size_t fields_bytes = parsed->count * sizeof parsed->field[0];
    size_t body_room = head->content_length <= BODY_INLINE_BYTES_MAX ? head->content_length : 0;
    struct exchange *x = block_take(pool, sizeof *x + fields_bytes + head_bytes.len + body_room);
    if (x == NULL)
        return NULL;
    char *copy = (char *)x + sizeof *x + fields_bytes;
    memcpy(copy, head_bytes.bytes, head_bytes.len);
    memcpy(x->field, parsed->field, fields_bytes);
    x->connection = connection;
    x->method = head->method;
    x->is_http_1_0 = head->minor == 0;
    x->keep_alive = parsed->keep_alive;
    x->fields = (uint16_t)parsed->count;
    x->head = copy;
    x->body = copy + head_bytes.len;
    x->body_room = body_room;
    split_target(x, (struct span){copy + parsed->target_at, parsed->target_len});
    return x;
}

struct exchange *exchange_take_bare(struct exchange_pool *pool, struct connection *connection,
                                    enum http_method method)
{
    struct exchange *x = block_take(pool, sizeof *x);
    if (x == NULL)
        return NULL;
    x->connection = connection;
    x->method = method;
    return x;
}

void exchange_give(struct exchange_pool *pool, struct exchange *x)
{
    assert(x->state == EXCHANGE_ANSWERED || x->state == EXCHANGE_ABANDONED);
    buf_free(&x->longer_body);
    buf_free(&x->answer);
    if (x->is_usual_block && pool->count < EXCHANGE_BLOCKS_SPARE) {
        x->next = pool->spare;
        pool->spare = x;
        pool->count++;
    } else {
        free(x);
    }
}

void exchange_pool_free(struct exchange_pool *pool)
{
    while (pool->spare != NULL) {
        struct exchange *x = pool->spare;
        pool->spare = x->next;
        free(x);
    }
    pool->count = 0;
}

/* Absolute form names a host that is ours whatever it is called: path and query remain. */
static void split_target(struct exchange *x, struct span target)
{
    const char *end = target.bytes + target.len;
    if (target.bytes[0] != '/' && !span_is(target, "*")) {
        target.bytes = strstr(target.bytes, "://") + 3; /* head.c saw to it that it is there */
        while (target.bytes < end && *target.bytes != '/' && *target.bytes != '?')
            target.bytes++;
        target.len = (size_t)(end - target.bytes);
    }
    const char *mark = target.len > 0 ? memchr(target.bytes, '?', target.len) : NULL;
    x->path = (struct span){target.bytes, mark ? (size_t)(mark - target.bytes) : target.len};
    if (mark != NULL)
        x->query = (struct span){mark + 1, (size_t)(end - mark - 1)};
    if (x->path.len == 0)
        x->path = x->method == METHOD_OPTIONS && mark == NULL ? SPAN("*") : SPAN("/");
}

/* Into the block while it has room, then into a buffer that grows as the bytes really come. */
enum err exchange_body_put(struct exchange *x, struct span bytes, size_t bytes_max)
{
    if (bytes.len > bytes_max - x->body_len)
        return ERR_BOUND;
    if (x->longer_body.max == 0 && bytes.len <= x->body_room - x->body_len) {
        memcpy(x->body + x->body_len, bytes.bytes, bytes.len);
    } else {
        if (x->longer_body.max == 0)
            buf_init(&x->longer_body, bytes_max);
        assert(x->longer_body.len == x->body_len);
        buf_put(&x->longer_body, bytes.bytes, bytes.len);
        if (x->longer_body.failed)
            return ERR_MEMORY;
        x->body = x->longer_body.bytes;
    }
    x->body_len += bytes.len;
    return ERR_NONE;
}

void exchange_set_state(struct exchange *x, enum exchange_state state)
{
    static const unsigned legal_moves[] = {
        [EXCHANGE_INCOMING] =
            1u << EXCHANGE_HANDED | 1u << EXCHANGE_ANSWERED | 1u << EXCHANGE_ABANDONED,
        [EXCHANGE_HANDED] =
            1u << EXCHANGE_STREAMING | 1u << EXCHANGE_ANSWERED | 1u << EXCHANGE_ABANDONED,
        [EXCHANGE_STREAMING] = 1u << EXCHANGE_ANSWERED | 1u << EXCHANGE_ABANDONED,
        [EXCHANGE_ANSWERED] = 0,
        [EXCHANGE_ABANDONED] = 0,
    };
    assert(legal_moves[x->state] & 1u << state);
    x->state = state;
}

enum http_method exchange_method(const struct exchange *x)
{
    return x->method;
}

struct span exchange_path(const struct exchange *x)
{
    return x->path;
}

struct span exchange_query(const struct exchange *x)
{
    return x->query;
}

struct span exchange_body(const struct exchange *x)
{
    return (struct span){x->body, x->body_len};
}

bool exchange_header_next(const struct exchange *x, const char *name, size_t *at,
                          struct span *value)
{
    size_t name_len = strlen(name);
    while (*at < x->fields) {
        const struct parser_field *field = &x->field[(*at)++];
        if (field->name_len == name_len &&
            strncasecmp(x->head + field->name_at, name, name_len) == 0) {
            *value = (struct span){x->head + field->value_at, field->value_len};
            return true;
        }
    }
    return false;
}

struct span exchange_header(const struct exchange *x, const char *name)
{
    struct span value = {NULL, 0};
    size_t at = 0;
    exchange_header_next(x, name, &at, &value);
    return value;
}

int64_t exchange_began_us(const struct exchange *x)
{
    return x->began_us;
}

const char *exchange_peer(const struct exchange *x)
{
    return x->connection->peer;
}

bool exchange_is_http_1_0(const struct exchange *x)
{
    return x->is_http_1_0;
}

void exchange_set_data(struct exchange *x, void *data)
{
    x->data = data;
}

void *exchange_data(const struct exchange *x)
{
    return x->data;
}

void exchange_answer(struct exchange *x, const struct response *response)
{
    exchange_set_state(x, EXCHANGE_ANSWERED);
    connection_answer(x->connection, x, response);
}
