/*
 * The arrays of the functions that commit a batch (commit_batch in sql/0002_commit.sql and those
 * that go with it), built row by row in Postgres' binary form. Pure: no I/O.
 */
#ifndef USHER_ALLOCATOR_COLUMNS_H
#define USHER_ALLOCATOR_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* name, kind: in the order of the function's parameters, behind its scalars. Adding a function to
 * the commit is adding a list here and a row to COMMIT_PARTS. */
#define BATCH_COLUMNS(X)                                                                           \
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
    X(T_CONFIRMED, INT4)                                                                           \
    X(N_SEATS, TEXT)                                                                               \
    X(C_SEATS, TEXT)                                                                               \
    X(M_SHOW, INT4)                                                                                \
    X(M_POSITION, INT4)                                                                            \
    X(M_FROM, UUID)                                                                                \
    X(M_TO, UUID)                                                                                  \
    X(M_UNDONE, UUID)

/* commit_payments in sql/0005_payments.sql. */
#define PAYMENT_COLUMNS(X)                                                                         \
    X(P_ID, UUID)                                                                                  \
    X(P_BOOKING, UUID)                                                                             \
    X(P_AMOUNT, INT8)                                                                              \
    X(P_REPLY_TO, TEXT)                                                                            \
    X(P_METHOD, TEXT)                                                                              \
    X(S_REQUEST, UUID)                                                                             \
    X(S_PAYMENT, UUID)                                                                             \
    X(S_BOOKING, UUID)                                                                             \
    X(S_RESULT, INT4)                                                                              \
    X(S_REFERENCE, TEXT)                                                                           \
    X(S_REASON, TEXT)                                                                              \
    X(R_REQUEST, UUID)                                                                             \
    X(R_PAYMENT, UUID)

/* commit_several in sql/0008_several.sql. */
#define SEVERAL_COLUMNS(X)                                                                         \
    X(V_REQUEST, UUID)                                                                             \
    X(V_POSITION, INT4)                                                                            \
    X(V_BOOKING, UUID)                                                                             \
    X(V_ANSWER, BYTEA)

/* commit_waiting in sql/0006_waiting.sql. */
#define WAITING_COLUMNS(X)                                                                         \
    X(W_ID, UUID)                                                                                  \
    X(W_SHOW, INT4)                                                                                \
    X(W_TIER, INT4)                                                                                \
    X(W_QUANTITY, INT4)                                                                            \
    X(W_POSITION, INT8)                                                                            \
    X(W_USER, TEXT)                                                                                \
    X(W_ANSWER, BYTEA)                                                                             \
    X(O_ID, UUID)                                                                                  \
    X(L_REQUEST, UUID)                                                                             \
    X(L_ENTRY, UUID)                                                                               \
    X(L_ANSWER, BYTEA)

/* commit_admin in sql/0009_admin.sql. */
#define ADMIN_COLUMNS(X)                                                                           \
    X(A_REQUEST, UUID)                                                                             \
    X(A_SHOW, INT4)                                                                                \
    X(A_ACTOR, TEXT)                                                                               \
    X(A_ACTION, TEXT)                                                                              \
    X(A_SETTINGS, TEXT)                                                                            \
    X(A_BOOKING, UUID)                                                                             \
    X(A_BEFORE, TEXT)                                                                              \
    X(A_TOLD, TEXT)                                                                                \
    X(A_ANSWER, BYTEA)

/* commit_admissions in sql/0010_room.sql. */
#define ADMISSION_COLUMNS(X)                                                                       \
    X(Q_SHOW, INT4)                                                                                \
    X(Q_NUMBER, INT4)                                                                              \
    X(Q_BOOKING, UUID)

/* note_traces in sql/0019_trace.sql. */
#define TRACE_COLUMNS(X)                                                                           \
    X(Z_ID, UUID)                                                                                  \
    X(Z_TRACE, TEXT)

#define COLUMNS(X)                                                                                 \
    BATCH_COLUMNS(X)                                                                               \
    PAYMENT_COLUMNS(X)                                                                             \
    SEVERAL_COLUMNS(X)                                                                             \
    WAITING_COLUMNS(X)                                                                             \
    ADMIN_COLUMNS(X)                                                                               \
    ADMISSION_COLUMNS(X)                                                                           \
    TRACE_COLUMNS(X)

enum column_name {
#define X(name, kind) COLUMN_##name,
    COLUMNS(X)
#undef X
        COLUMN_COUNT
};

/* The functions: which columns are whose. The first one is called with every batch, the others only
 * if the batch has rows for any of them. */
struct commit_part {
    const char *joined_by; /* what stands before the call in the statement */
    const char *function;
    const char *scalars; /* its parameters before the columns */
    const enum column_name *column;
    size_t columns;
};
#define COMMIT_PARTS 7
extern const struct commit_part commit_parts[COMMIT_PARTS];

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
/* A list of positions (base/seats.h) as the text that Postgres takes for an array; not empty. */
void columns_put_seats(struct columns *c, enum column_name name, struct span seats);
void columns_put_null(struct columns *c, enum column_name name);
uint32_t columns_rows(const struct columns *c, enum column_name name);
/* Whether the part has any rows. */
bool columns_have(const struct columns *c, const struct commit_part *part);

/* The finished arrays; false if memory or a bound ran out. Spans are good until the next change. */
bool columns_finish(struct columns *c, struct span arrays[COLUMN_COUNT]);

#endif
