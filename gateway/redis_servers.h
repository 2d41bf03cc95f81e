/*
 * The Redis servers that commands go to: one, or the nodes of a cluster, each by a link of its own
 * (redis_link.h). All keys of a partition lie in one slot, so a command goes to the partition's
 * server; which that is the servers say themselves (MOVED), and what they said last is remembered.
 * While that server is away, another one is asked: it knows who has taken its place.
 */
#ifndef USHER_GATEWAY_REDIS_SERVERS_H
#define USHER_GATEWAY_REDIS_SERVERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/redis_url.h"
#include "gateway/redis_link.h"

struct ev_loop;
struct redis_servers;

/* `ready` is called whenever one of them can be used (again), or a partition was found elsewhere:
 * what could not be sent can be tried again. Never NULL. */
struct redis_servers *redis_servers_open(struct ev_loop *loop, const struct redis_url *url,
                                         void (*ready)(void *context), void *context);
void redis_servers_close(struct redis_servers *servers);

/* Can anything be asked? For health; of a cluster, one node will do. */
bool redis_servers_are_ready(const struct redis_servers *servers);
/* Is the server there that, as far as is known, has this partition? */
bool redis_servers_have(const struct redis_servers *servers, uint32_t partition);
uint64_t redis_servers_reconnects(const struct redis_servers *servers);

/* As redis_link_command. An error reply may say that another server has the partition by now; that
 * is taken note of, and the next command goes there. */
bool redis_servers_command(struct redis_servers *servers, uint32_t partition,
                           const struct redis_command *command);

#endif
