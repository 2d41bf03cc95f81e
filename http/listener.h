/* The socket on which a server takes its clients. */
#ifndef USHER_HTTP_LISTENER_H
#define USHER_HTTP_LISTENER_H

#include "base/err.h"

#define LISTEN_BACKLOG 4096

/*
 * "host:port", "[v6]:port", ":port" (all addresses); port 0 asks for any. The port that it got is
 * returned too. ERR_INPUT, logged, for an address that is none or cannot be had.
 */
enum err listener_open(const char *address, int *fd, int *port);

#endif
