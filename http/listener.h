/* The socket on which a server takes its clients. */
#ifndef USHER_HTTP_LISTENER_H
#define USHER_HTTP_LISTENER_H

#include <stdbool.h>

#include "base/err.h"

#define LISTEN_BACKLOG 4096

/*
 * "host:port", "[v6]:port", ":port" (all addresses); port 0 asks for any. The port that it got is
 * returned too. ERR_INPUT, logged, for an address that is none or cannot be had. Nobody can connect
 * before listener_begin.
 */
enum err listener_open(const char *address, int *fd, int *port);
bool listener_begin(int fd); /* false: errno says why */
/* Whether somebody listens there already; false, too, where that cannot be told. */
bool listener_is_shared(const char *address);
/* From now on nobody begins to connect; who has begun goes on. False: the kernel will not have it.
 */
bool listener_deafen(int fd);

#endif
