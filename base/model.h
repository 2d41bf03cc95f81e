/*
 * The words of the domain that all programs share: operations, booking states, outcome codes.
 * Their numbers are written to Redis and Postgres and into answers: never renumber, only add.
 * lua/model.lua and sql/ say the same; tests/unit/test_model.c compares them.
 */
#ifndef USHER_BASE_MODEL_H
#define USHER_BASE_MODEL_H

#include <stdbool.h>

/*        number, name */
#define OPERATIONS(X)                                                                              \
    X(1, BOOK)     /* take places at once */                                                       \
    X(2, HOLD)     /* take places until a time */                                                  \
    X(3, CONFIRM)  /* make a hold a booking */                                                     \
    X(4, CANCEL)   /* give places back, all or some */                                             \
    X(5, EXTEND)   /* more time for a hold, once */                                                \
    X(6, REFRESH)  /* the show's rules changed in Postgres: read them again, in order */           \
    X(7, PAY)      /* a hold is to be paid: it waits for the provider's word */                    \
    X(8, SETTLE)   /* the provider's word */                                                       \
    X(9, JOIN)     /* wait for places */                                                           \
    X(10, LEAVE)   /* wait no more, or decline what was offered */                                 \
    X(11, SEVERAL) /* take places in several shows, all or nothing */                              \
    X(12, ADMIN)   /* an operator's doing: of a show, a booking, or the list of shows */

enum operation {
#define X(number, name) OP_##name = number,
    OPERATIONS(X)
#undef X
};

#define STATES(X)                                                                                  \
    X(1, HELD)                                                                                     \
    X(2, PENDING)                                                                                  \
    X(3, CONFIRMED)                                                                                \
    X(4, CANCELLED)                                                                                \
    X(5, EXPIRED)                                                                                  \
    X(6, FAILED)

enum state {
#define X(number, name) STATE_##name = number,
    STATES(X)
#undef X
};

/* How a request can end. code, name, HTTP status, title (RFC 9457), error (one human sentence). */
#define CODES(X)                                                                                   \
    X(0, GRANTED, 200, "Granted", "Granted")                                                       \
    X(1, SOLD_OUT, 409, "Sold out", "Sold Out")                                                    \
    X(2, ALREADY_BOOKED, 409, "Already booked", "Already Booked")                                  \
    X(3, SEAT_TAKEN, 409, "Seat taken", "Seat not available")                                      \
    X(4, NOT_ENOUGH, 409, "Not enough tickets", "Not enough tickets available")                    \
    X(5, LIMIT_EXCEEDED, 409, "Limit exceeded", "More than one person may have")                   \
    X(6, SALE_NOT_OPEN, 409, "Sale not open", "The sale has not opened yet")                       \
    X(7, SALE_CLOSED, 409, "Sale closed", "The sale is closed")                                    \
    X(8, QUEUE_REQUIRED, 403, "Queue required", "Please join the waiting room first")              \
    X(9, HOLD_EXPIRED, 410, "Hold expired", "Invalid or expired hold")                             \
    X(10, ILLEGAL_STATE, 409, "Illegal state", "The booking's state does not allow this")          \
    X(11, NOT_FOUND, 404, "Not found", "Not found")                                                \
    X(12, PAYMENT_FAILED, 409, "Payment failed", "Payment failed")                                 \
    X(13, KEY_REUSED, 422, "Key reused", "This Idempotency-Key was used with another body")        \
    X(14, TIMED_OUT, 504, "Timed out", "The deadline passed before a decision; nothing was taken") \
    X(15, OVERLOADED, 503, "Overloaded", "Try again later")                                        \
    X(16, RATE_LIMITED, 429, "Rate limited", "Too many requests")                                  \
    X(17, INVALID, 422, "Invalid", "The request is not valid")                                     \
    X(18, INTERNAL, 500, "Internal error", "This request cannot be decided; nothing was taken")    \
    X(19, PAYMENT_REQUIRED, 409, "Payment required", "This booking must be paid first")            \
    X(20, DIFFERENT_PARTITIONS, 409, "Different partitions",                                       \
      "These shows cannot be booked in one request")                                               \
    X(21, ALREADY_WAITING, 409, "Already waiting", "You are on the waiting list already")          \
    X(22, STILL_AVAILABLE, 409, "Still available", "There are places left: book them")             \
    X(23, UNAUTHENTICATED, 401, "Unauthenticated", "Please log in")                                \
    X(24, FORBIDDEN, 403, "Forbidden", "This is not yours to do")                                  \
    X(25, INVENTORY_IN_USE, 409, "Inventory in use",                                               \
      "These places are sold, held or blocked; nothing was changed")                               \
    X(26, SALE_PAUSED, 409, "Sale paused", "The sale is paused")                                   \
    X(27, ALREADY_EXISTS, 409, "Already exists", "There is one of this name or number already")    \
    X(28, CHALLENGE_REQUIRED, 403, "Challenge required", "Please show that you are a person")

/* What the provider said of a payment; stands in SETTLE. */
#define RESULTS(X)                                                                                 \
    X(1, SUCCEEDED)                                                                                \
    X(2, FAILED)                                                                                   \
    X(3, GIVEN_UP) /* nobody could say in time: failed, and still being asked for */

enum result {
#define X(number, name) RESULT_##name = number,
    RESULTS(X)
#undef X
};

enum code {
#define X(number, name, status, title, error) CODE_##name = number,
    CODES(X) CODES_END
#undef X
};

const char *operation_name(enum operation op); /* "BOOK"; NULL for a number that is none */
const char *result_name(enum result result);   /* "FAILED"; NULL for a number that is none */
const char *state_name(enum state state);      /* "HELD"; NULL for a number that is none */
const char *code_name(enum code code);         /* "SOLD_OUT"; NULL for a number that is none */
int code_status(enum code code);               /* the HTTP status */
const char *code_title(enum code code);
const char *code_error(enum code code);

/* The table of legal moves; nothing outside it ever happens to a booking. */
bool state_may_become(enum state from, enum state to);
bool state_is_live(enum state state); /* HELD, PENDING and CONFIRMED have their places */

#endif
