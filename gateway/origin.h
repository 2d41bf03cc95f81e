/*
 * Where a request comes from: the peer, or who the peer says it speaks for, if it is a proxy that
 * is trusted. Pure.
 *
 * Each proxy writes at the right end from whom it had the request. So the list is read from there:
 * as long as the one that wrote an element is trusted, the element is believed; the first that is
 * not trusted is the client. What stands left of it, the client may have written itself.
 */
#ifndef USHER_GATEWAY_ORIGIN_H
#define USHER_GATEWAY_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

#define PROXIES_MAX 32

enum forwarded_by {
    FORWARDED_X, /* X-Forwarded-For: addresses */
    FORWARDED,   /* Forwarded (RFC 7239): for=… */
};

struct proxies {
    enum forwarded_by by; /* the one field that they write; the other is the client's own */
    size_t count;
    struct network network[PROXIES_MAX];
};

/* A list of networks with commas. False: one is none, or there are too many. */
bool proxies_read(struct proxies *proxies, const char *list);

/* `fields`: the values of all fields of that name, in order. */
struct address origin_of(const struct proxies *proxies, struct address peer,
                         const struct span *fields, size_t count);

#endif
