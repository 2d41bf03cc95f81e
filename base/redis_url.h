/*
 * Where Redis is. Pure.
 *
 *   redis://[user[:password]@]host[:port][/database]
 *   redis://[login@]host[:port],host[:port],…[/database]   replicas: the one that is the master
 *   redis+cluster://[login@]host[:port],host[:port],…      any nodes of a cluster; database 0
 *   unix://[login@]/path/to/socket[?db=n]
 */
#ifndef USHER_BASE_REDIS_URL_H
#define USHER_BASE_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* What every program's --help says of its option. */
#define REDIS_URL_HELP                                                                             \
    "Redis: redis://[user:password@]host:port[/db], several with commas where they replicate; "    \
    "redis+cluster://host:port,…; or unix://[:password@]/path"

#define REDIS_URL_PART_MAX 256
#define REDIS_ADDRESSES_MAX 8

struct redis_address {
    char host[REDIS_URL_PART_MAX]; /* or the socket's path; IPv6 without brackets */
    int port;                      /* 6379 unless given */
};

struct redis_url {
    bool is_unix;
    bool is_cluster;
    size_t addresses; /* at least one */
    struct redis_address address[REDIS_ADDRESSES_MAX];
    char user[REDIS_URL_PART_MAX]; /* percent-decoded; empty if none */
    char password[REDIS_URL_PART_MAX];
    int database;
};

/* False and a static sentence in *why if the text is not such a URL. */
bool redis_url_parse(const char *text, struct redis_url *url, const char **why);

/* Only one of several that replicate each other takes writes: it has to be looked for. */
bool redis_url_has_replicas(const struct redis_url *url);

/*
 * What an error reply says about where to ask instead: a cluster's `MOVED 3999 127.0.0.1:6381`, or
 * `ASK` likewise while a slot is on its way. The host may be left out: then it is `asked`'s.
 */
enum redis_elsewhere { REDIS_HERE, REDIS_MOVED, REDIS_ASK };
enum redis_elsewhere redis_elsewhere(struct span error, const struct redis_address *asked,
                                     unsigned *slot, struct redis_address *address);
/* The keys are on another node of the cluster, or on their way there. */
bool redis_is_elsewhere(struct span error);
/* Those, and errors of a server that is not, or not yet, the one to ask: a replica, a cluster that
 * heals. */
bool redis_is_not_the_one(struct span error);
bool redis_address_equal(const struct redis_address *a, const struct redis_address *b);

#endif
