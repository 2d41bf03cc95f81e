/* One event on its way to one subscriber: a row of `deliveries` (sql/0014_notify.sql) that a
 * courier has taken, and how it is said. */
#ifndef USHER_COURIER_DELIVERY_H
#define USHER_COURIER_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "courier/carried.h"
#include "link/postgres.h"

#define DELIVERIES_MAX 256
#define DELIVERY_ATTEMPTS_MAX 10

enum delivery_kind { DELIVERY_WEBHOOK, DELIVERY_MAIL };

struct delivery {
    bool is_taken; /* the slot is in use */
    enum delivery_kind kind;
    int64_t row, attempts;
    int64_t at_ms, began_us;
    bool has_subject;
    struct id subject;
    struct buf text; /* what the spans below borrow from */
    struct carried carried;
    struct span url, secret, secret_before, event, type, data;
};

/* Take at most `max` that are due for the lease; `mail`: those too. Free each with delivery_free.
 */
enum err deliveries_claim(struct postgres *p, const char *courier, bool mail, size_t max,
                          int64_t lease_ms, struct delivery *delivery, size_t *count);
void delivery_free(struct delivery *d);

/* What became of an attempt. pause_ms < 0: there will be no other. */
struct attempt {
    int status;      /* HTTP's or SMTP's; 0: no answer */
    const char *why; /* in words, or "" */
    bool is_done, is_gone;
    int64_t pause_ms;
};
enum err deliveries_tell(struct postgres *p, const struct delivery *d,
                         const struct attempt *attempt);
/* Forgets what is over and older than that, ten thousand at a time; is_all: no more are left. */
enum err deliveries_prune(struct postgres *p, int64_t keep_ms, bool *is_all);

/* Until the next attempt, when this many were made: the schedule of Standard Webhooks, its first
 * pause given, the others in proportion, each up to a tenth longer. -1: that was the last. */
int64_t delivery_pause(int64_t attempts, int64_t first_ms, uint64_t random);

/* {"type", "timestamp", "data": {"id", …}}: the same text at every attempt. */
void delivery_body(struct buf *b, const struct delivery *d);
/* The fields of Standard Webhooks 1.0 for that body. False: a secret is none. */
bool delivery_sign(struct buf *field, const struct delivery *d, struct span body, int64_t now_s);

#endif
