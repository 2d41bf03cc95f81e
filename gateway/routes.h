/* The table of routes, and what is the same for all of them. */
#ifndef USHER_GATEWAY_ROUTES_H
#define USHER_GATEWAY_ROUTES_H

#include <stddef.h>

#include "http/exchange.h"

struct gateway;

/* The server's view of the application: all of http/exchange.h's callbacks, on this gateway. */
struct http_application routes_application(struct gateway *gateway);

#endif
