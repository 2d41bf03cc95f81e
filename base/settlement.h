/*
 * How the provider's word on a payment comes into the queue, and how whoever waits for it hears.
 * Couriers and the gateway's webhook make the same request of the same word, with the same id: said
 * twice, it is decided once. Pure.
 */
#ifndef USHER_BASE_SETTLEMENT_H
#define USHER_BASE_SETTLEMENT_H

#include "base/id.h"
#include "base/request.h"

/* Postgres' channel on which a gateway tells couriers the id of a refund that there is news of. */
#define REFUND_NEWS "usher_refund_news"

/*
 * Fill in a SETTLE whose booking, payment, result, reference, reason and reply_to are set. It has
 * no deadline to speak of: money that was taken is never too late to hear of. `round`: 0; a higher
 * one asks anew where the answer was lost to a fault and would only be repeated.
 */
void settlement_name(struct request *r, int64_t now_ms, uint32_t round);

/* The id under which the answer to a booking's SETTLE is told a second time. Of several, the last
 * one counts: a booking has one payment. */
struct id settlement_told_as(struct id booking);

#endif
