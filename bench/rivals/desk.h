/*
 * The rivals' HTTP side: usher's route and usher's answers, so that the same generator checks all.
 * A design gets a wish and ends it with one of desk_grant, desk_refuse, desk_fail.
 *
 *   POST /v1/shows/<name>-<number>/bookings {"user","tier","quantity"}   (without -<number>: 1)
 *
 * or, where the design holds numbered seats, one of them, whose id is a number from 1:
 *
 *   POST /v1/shows/<name>/bookings {"user","seats":["17"],"hold":true}
 */
#ifndef USHER_BENCH_DESK_H
#define USHER_BENCH_DESK_H

#include <stdbool.h>
#include <stdint.h>

#include "http/exchange.h"

#define WISHES_MAX 32768 /* under way at once; beyond: 503 */
#define WISH_USER_BYTES 65
#define WISH_PRICE 10000

/* One booking that somebody waits for. */
struct wish {
    struct exchange *x; /* NULL: the client has gone; the wish is fulfilled all the same */
    uint32_t show;
    uint32_t quantity;
    uint32_t seat;              /* numbered: the one asked for */
    char user[WISH_USER_BYTES]; /* printable ASCII without quote or backslash */

    /* The design's own: */
    unsigned stage;
    unsigned tries;
    int64_t version;
    struct wish *next;
};

/* What a design does with a wish; it ends it now or later. */
struct desk {
    void *design;
    void (*begin)(void *design, struct wish *wish);
    bool seats;         /* wishes are for numbered seats */
    struct wish *spare; /* owned by desk.c */
};

void desk_open(struct desk *desk, void *design, void (*begin)(void *design, struct wish *wish),
               bool seats);
const struct http_application *desk_application(struct desk *desk);

void desk_grant(struct desk *desk, struct wish *wish, int64_t id);
void desk_refuse(struct desk *desk, struct wish *wish);  /* sold out; numbered: taken */
void desk_unknown(struct desk *desk, struct wish *wish); /* there is no such seat */
void desk_fail(struct desk *desk, struct wish *wish);    /* "Try again later" */

#endif
