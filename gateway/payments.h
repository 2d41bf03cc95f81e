/* Payments as Postgres has them, and how a client hears of one. */
#ifndef USHER_GATEWAY_PAYMENTS_H
#define USHER_GATEWAY_PAYMENTS_H

#include "base/answer.h"
#include "base/buf.h"
#include "gateway/postgres_link.h"
#include "gateway/task.h"

/* For statements that read payments: the columns that payments_render expects, of the table p. */
#define PAYMENT_COLUMNS                                                                            \
    "p.id, p.status, p.amount, p.currency, p.reason, p.created_ms, p.settled_ms, "                 \
    "(SELECT string_agg(concat_ws(':', r.status, r.amount, r.reason), ',' "                        \
    "ORDER BY r.created_ms, r.id) FROM refunds r WHERE r.payment = p.id)"
#define PAYMENT_COLUMN_COUNT 8
/* The members of a payment without the braces. ERR_INPUT if the row is not one. */
enum err payments_render(struct buf *b, const struct postgres_rows *rows, size_t row,
                         size_t first_column);

/* How a payment stands: borrowed from its row. */
struct paid {
    struct id booking;
    struct span booking_status;
    struct span status;
    struct span reason;               /* why it failed, or empty */
    const struct postgres_rows *rows; /* for this file's own use */
};

/* Once PAY is decided: `tell` is called with the payment as soon as it is settled, or as it is when
 * the client's wait is over. */
void payments_await(struct task *task, const struct answer *answer,
                    void (*tell)(struct task *task, const struct paid *paid));
/* A task_grant: the same, told as the native route does. */
void payments_grant(struct task *task, const struct answer *answer);

#endif
