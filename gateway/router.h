/* From a method and a path to a row of a table of routes. Pure. */
#ifndef USHER_GATEWAY_ROUTER_H
#define USHER_GATEWAY_ROUTER_H

#include <stddef.h>

#include "base/buf.h"
#include "http/exchange.h"

struct task;

/* What a request body may be. */
enum route_body {
    BODY_NONE,     /* ignored */
    BODY_OPTIONAL, /* JSON, or nothing */
    BODY_REQUIRED, /* JSON */
};

/* Who may ask, where auth = jwt. */
enum route_who {
    WHO_USER = 0, /* a token says who asks */
    WHO_ANYONE,   /* what is the same for all, and what has its own proof */
    WHO_WATCHER,  /* streams: anyone, or, where jwt_streams says so, who shows a token, a cookie or
                     a ticket */
    WHO_ADMIN,    /* whoever administrates: the handler asks admin_access */
};

struct route {
    enum http_method method; /* GET answers HEAD too */
    const char *pattern;     /* "/v1/bookings/:id": a segment that starts with ':' is a parameter */
    void (*handle)(struct task *task);
    enum route_body body;
    enum route_who who;
};

#define ROUTE_PARAMETERS_MAX 2

enum route_found { ROUTE_FOUND, ROUTE_UNKNOWN, ROUTE_METHOD };

struct route_match {
    const struct route *route;                   /* ROUTE_FOUND */
    struct span parameter[ROUTE_PARAMETERS_MAX]; /* still percent-encoded, never empty */
    unsigned methods; /* ROUTE_METHOD: bits 1 << METHOD_… that the path has */
};

enum route_found route_match(const struct route *routes, size_t count, enum http_method method,
                             struct span path, struct route_match *match);

/* "GET, HEAD, OPTIONS" for the bits of `methods`; HEAD comes with GET, OPTIONS always. */
void route_put_allow(struct buf *b, unsigned methods);

#endif
