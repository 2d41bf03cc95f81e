/* The table of routes, and what is the same for all of them. */
#ifndef USHER_GATEWAY_ROUTES_H
#define USHER_GATEWAY_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "http/exchange.h"

struct gateway;

/* A listener, and whether the administrators' routes are behind it too. */
struct door {
    struct gateway *gateway;
    bool has_admin;
};

/* The server's view of the application: all of http/exchange.h's callbacks. The door is borrowed.
 */
struct http_application routes_application(struct door *door);

#endif
