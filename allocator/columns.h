/*
 * The arrays of commit_batch (sql/0002_commit.sql), built row by row in Postgres' binary form.
 * Pure: no I/O.
 */
#ifndef USHER_ALLOCATOR_COLUMNS_H
#define USHER_ALLOCATOR_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* name, kind: in the order of commit_batch's parameters */
#define COLUMNS(X)                                                                                 \
    X(N_ID, UUID)                                                                                  \
    X(N_SHOW, INT4)                                                                                \
    X(N_USER, TEXT)                                                                                \
    X(N_EXPIRES, INT8)                                                                             \
    X(N_AMOUNT, INT8)                                                                              \
    X(N_FINGERPRINT, INT8)                                                                         \
    X(N_TIER, INT4)                                                                                \
    X(N_QUANTITY, INT4)                                                                            \
    X(N_PRICE, INT8)                                                                               \
    X(I_BOOKING, UUID)                                                                             \
    X(I_TIER, INT4)                                                                                \
    X(I_QUANTITY, INT4)                                                                            \
    X(I_PRICE, INT8)                                                                               \
    X(C_ROUND, INT4)                                                                               \
    X(C_REQUEST, UUID)                                                                             \
    X(C_BOOKING, UUID)                                                                             \
    X(C_OP, INT2)                                                                                  \
    X(C_STATUS, INT4)                                                                              \
    X(C_EXPIRES, INT8)                                                                             \
    X(C_AMOUNT, INT8)                                                                              \
    X(C_GIVE_TIER, INT4)                                                                           \
    X(C_GIVE, INT4)                                                                                \
    X(C_ORIGIN, BYTEA)                                                                             \
    X(C_ANSWER, BYTEA)                                                                             \
    X(X_BOOKING, UUID)                                                                             \
    X(T_SHOW, INT4)                                                                                \
    X(T_TIER, INT4)                                                                                \
    X(T_AVAILABLE, INT4)                                                                           \
    X(T_HELD, INT4)                                                                                \
    X(T_PENDING, INT4)                                                                             \
    X(T_CONFIRMED, INT4)

enum column_name {
#define X(name, kind) COLUMN_##name,
    COLUMNS(X)
#undef X
        COLUMN_COUNT
};

struct column {
    struct buf bytes;
    uint32_t rows;
    bool has_null;
};

struct columns {
    struct column column[COLUMN_COUNT];
};

void columns_init(struct columns *c);
void columns_free(struct columns *c);
void columns_reset(struct columns *c);

/* A number must be put into a column of numbers, and bytes into one of bytes (asserted). */
void columns_put_number(struct columns *c, enum column_name name, int64_t number);
void columns_put_bytes(struct columns *c, enum column_name name, const void *bytes, size_t n);
void columns_put_null(struct columns *c, enum column_name name);
uint32_t columns_rows(const struct columns *c, enum column_name name);

/* The finished arrays; false if memory or a bound ran out. Spans are good until the next change. */
bool columns_finish(struct columns *c, struct span arrays[COLUMN_COUNT]);

#endif
