/* Rows of several results, each in the same order, as one result in that order. */
#ifndef USHER_GATEWAY_MERGE_H
#define USHER_GATEWAY_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/postgres_link.h"

#define MERGE_KEYS_MAX 4

struct merge_key {
    size_t column;
    enum { MERGE_NUMBER, MERGE_TEXT } kind; /* texts by their bytes; NULL is behind all others */
    bool descends;
};

struct merge_order {
    size_t keys; /* 0: one result after the other */
    struct merge_key key[MERGE_KEYS_MAX];
};

/* A copy that outlives the callback; its result is NULL without memory. Ended by rows_free. */
struct postgres_rows rows_keep(const struct postgres_rows *rows);
void rows_free(struct postgres_rows *rows); /* also one without result */

/* What of `parts` has a result, merged; its result is NULL without memory or if there is nothing to
 * merge. Equal rows stay in the order of the parts. Ended by rows_free. */
struct postgres_rows rows_merge(const struct postgres_rows *parts, size_t count,
                                const struct merge_order *order);

#endif
