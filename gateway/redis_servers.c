#include "gateway/redis_servers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/keys.h"
#include "base/log.h"

#define SERVERS_MAX 64 /* nodes of a cluster that have a slot of ours, or had */

struct server {
    struct redis_servers *servers;
    struct redis_address address;
    struct redis_link *link;
};

struct redis_servers {
    struct ev_loop *loop;
    struct redis_url url;
    void (*ready)(void *context);
    void *context;
    size_t count, next; /* whom to ask next when the right one is away */
    struct server server[SERVERS_MAX];
    unsigned char by_slot[KEY_SLOTS]; /* index of the server that has it, as far as is known */
};

static void on_ready(void *context);
static void on_lost(void *context);
static void on_elsewhere(void *context, unsigned slot, const struct redis_address *address);

/* The server of this address, known already or from now on. NULL: there are too many. */
static struct server *server_at(struct redis_servers *s, const struct redis_address *address)
{
    struct redis_url url = s->url;

    for (size_t i = 0; i < s->count; i++)
        if (redis_address_equal(&s->server[i].address, address))
            return &s->server[i];
    if (s->count == SERVERS_MAX)
        return NULL;
    struct server *server = &s->server[s->count++];
    struct redis_link_events events = {
        .context = server, .ready = on_ready, .lost = on_lost, .elsewhere = on_elsewhere};
    server->servers = s;
    server->address = *address;
    if (url.is_cluster) {
        url.addresses = 1;
        url.address[0] = *address;
    }
    server->link = redis_link_open(s->loop, &url, NULL, &events);
    return server;
}

struct redis_servers *redis_servers_open(struct ev_loop *loop, const struct redis_url *url,
                                         void (*ready)(void *context), void *context)
{
    struct redis_servers *s = calloc(1, sizeof *s);

    assert(s != NULL);
    s->loop = loop;
    s->url = *url;
    s->ready = ready;
    s->context = context;
    for (size_t i = 0; i < (url->is_cluster ? url->addresses : 1); i++)
        server_at(s, &url->address[i]);
    return s;
}

void redis_servers_close(struct redis_servers *s)
{
    for (size_t i = 0; i < s->count; i++)
        redis_link_close(s->server[i].link);
    free(s);
}

bool redis_servers_are_ready(const struct redis_servers *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (redis_link_is_ready(s->server[i].link))
            return true;
    return false;
}

static size_t index_of(const struct redis_servers *s, uint32_t partition)
{
    return s->url.is_cluster ? s->by_slot[key_slot(partition)] : 0;
}

bool redis_servers_have(const struct redis_servers *s, uint32_t partition)
{
    return redis_link_is_ready(s->server[index_of(s, partition)].link);
}

uint64_t redis_servers_reconnects(const struct redis_servers *s)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < s->count; i++)
        sum += redis_link_reconnects(s->server[i].link);
    return sum;
}

bool redis_servers_command(struct redis_servers *s, uint32_t partition,
                           const struct redis_command *command)
{
    size_t at = index_of(s, partition);

    for (size_t i = 0; i < s->count && !redis_link_is_ready(s->server[at].link); i++)
        at = s->next++ % s->count;
    return redis_link_command(s->server[at].link, command);
}

static void on_ready(void *context)
{
    struct redis_servers *s = ((struct server *)context)->servers;

    s->ready(s->context);
}

static void on_lost(void *context)
{
    (void)context;
}

static void on_elsewhere(void *context, unsigned slot, const struct redis_address *address)
{
    struct redis_servers *s = ((struct server *)context)->servers;
    struct server *server = server_at(s, address);

    if (server == NULL) {
        log_event(LOG_ERROR, "too_many_redis_servers", "host", address->host, NULL);
        return;
    }
    size_t at = (size_t)(server - s->server);
    if (s->by_slot[slot] == at)
        return;
    s->by_slot[slot] = (unsigned char)at;
    log_event(LOG_INFO, "redis_slot_moved", "slot", log_u64(slot), "host", address->host, "port",
              log_i64(address->port), NULL);
}
