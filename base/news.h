/*
 * What is published about a show on key_show_channel, after it was committed: a hint that comes at
 * most once. What is true stands elsewhere and is looked up now and then; a reader may miss any of
 * these and is late then, not wrong.
 *
 *   [kind uint, show uint, …]
 *     1 availability  [1, show, packed availability (availability.h) str]
 *     2 seats         [2, show, version uint]: numbered seats have changed, up to this version
 *     3 queue         [3, show, serving uint, rate uint, left uint, state str, joined uint]
 *     4 sale          [4, show, what uint]
 *
 * Programs of several versions talk to each other: elements behind those that a reader knows are
 * passed over, and so are kinds that it does not know. Numbers are never given anew.
 */
#ifndef USHER_BASE_NEWS_H
#define USHER_BASE_NEWS_H

#include <stdint.h>

#include "availability.h"
#include "buf.h"
#include "err.h"

enum news_kind {
    NEWS_OTHER = 0, /* of a later version: nothing else is set but the show */
    NEWS_AVAILABILITY = 1,
    NEWS_SEATS = 2,
    NEWS_QUEUE = 3,
    NEWS_SALE = 4,
};

/* The waiting room of a show as people are told of it. The same bytes are kept under
 * key_queue_news, for whoever comes between two publications. */
#define QUEUE_STATE_BYTES_MAX 31
struct news_queue {
    uint64_t serving;                      /* numbers up to this one are let in */
    uint32_t rate;                         /* people let in a minute */
    uint32_t left;                         /* places that can still be had */
    uint64_t joined;                       /* the last number that was given */
    char state[QUEUE_STATE_BYTES_MAX + 1]; /* a word of lower-case letters and '_', or empty */
};

/* What happened to a sale. Readers look at the show anew, whatever it was. */
enum news_sale {
    NEWS_SALE_CHANGED = 0, /* rules, prices, times; also whatever a later version says */
    NEWS_SALE_OPENED = 1,
    NEWS_SALE_CLOSED = 2,
    NEWS_SALE_PAUSED = 3,
    NEWS_SALE_SOLD_OUT = 4,
};

struct news {
    enum news_kind kind;
    uint32_t show;
    union {
        struct availability availability; /* of the same show */
        uint64_t seats_version;
        struct news_queue queue;
        enum news_sale sale;
    };
};

void news_pack(struct buf *b, const struct news *news);
/* ERR_INPUT if it is no such message; nothing is borrowed from the bytes. */
enum err news_read(struct span bytes, struct news *news);

#endif
