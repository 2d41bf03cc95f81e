/*
 * The courier's one loop: take what is due in the outbox, carry it to the provider, bring the word
 * back: the result of a payment as a request in the show's stream, that of a refund to Postgres.
 *
 *              ┌──────────── lease over: anybody's again ◀───────────┐
 *   outbox row ┴──claim──▶ provider ──verdict──▶ SETTLE in the stream ┴──▶ committed: it is gone
 *
 * A courier keeps nothing that is not in the outbox. Killed anywhere, another does the same again
 * after the lease, and it is the same: the provider knows the payment by its id, the queue knows
 * the settlement by an id made of the payment's and the result.
 */
#ifndef USHER_COURIER_COURIER_H
#define USHER_COURIER_COURIER_H

#include <signal.h>

#include "courier/options.h"

/* Until *stop is set: then what is under way is finished, for as long as the provider may take. */
void courier_run(const struct options *options, const volatile sig_atomic_t *stop);

#endif
