/*
 * What a place of a tier costs at a moment: the tier's price, or that of the last of its steps
 * that holds by then. lua/state.lua (price_of) decides by the same rule; here it is only told.
 * Pure.
 *
 * Steps stand in Redis and come from Postgres as one text, "s500=12000,t1770000000000=15000":
 * from 500 per mille of the capacity taken on 12000, from that wall time (ms) on 15000.
 */
#ifndef USHER_BASE_PRICE_H
#define USHER_BASE_PRICE_H

#include <stdbool.h>
#include <stdint.h>

#include "bounds.h"
#include "buf.h"

enum price_by {
    PRICE_BY_SHARE, /* of the capacity that is held, pending or confirmed, in per mille */
    PRICE_BY_TIME,  /* wall ms */
};

struct price_step {
    enum price_by by;
    int64_t from;
    int64_t price; /* minor units */
};

struct price_steps {
    size_t count;
    struct price_step step[PRICE_STEPS_MAX];
};

/* False if it is no such text; the empty one is. */
bool price_steps_read(struct span text, struct price_steps *steps);
int64_t price_at(int64_t base, const struct price_steps *steps, uint64_t capacity, uint64_t taken,
                 int64_t now_ms);

/* How many of an amount's digits are behind the point, by ISO 4217: JPY 0, USD 2, KWD 3. */
unsigned price_minor_digits(const char *currency);

/* The text of tier t's steps, for statements with `tiers t`. */
#define PRICE_STEPS_SQL                                                                            \
    "(SELECT coalesce(string_agg(concat('s' || ps.sold_permille, 't' || (extract(epoch FROM "      \
    "ps.from_at) * 1000)::bigint, '=', ps.price), ',' ORDER BY ps.step), '') "                     \
    "FROM price_steps ps WHERE ps.show = t.show AND ps.tier = t.tier)"

#endif
