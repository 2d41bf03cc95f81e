/* The outbox in Postgres (sql/0005_payments.sql): what there is to do, and that it is done. Every
 * call is one function of the database; after ERR_UNAVAILABLE the session must be made anew. */
#ifndef USHER_COURIER_OUTBOX_H
#define USHER_COURIER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "courier/job.h"
#include "link/postgres.h"

/* Take at most `max` rows for the lease; writes them to job[0 … *count - 1]. */
enum err outbox_claim(struct postgres *p, const char *courier, size_t max, int64_t lease_ms,
                      struct job *job, size_t *count);
/* Again after a pause, as this kind; `reference`: what the provider calls it, or "". */
enum err outbox_postpone(struct postgres *p, const struct job *job, enum job_kind kind,
                         const char *reference, int64_t pause_ms);
/* The same of a refund that the provider may be working on; `reference`: its name for that, or "".
 */
enum err outbox_postpone_refund(struct postgres *p, const struct job *job, const char *reference,
                                int64_t pause_ms);
/* Ask no more. */
enum err outbox_drop(struct postgres *p, const struct job *job);
enum err outbox_refunded(struct postgres *p, const struct job *job, bool succeeded,
                         const struct verdict *verdict);
/* The provider has news of a refund: it is due now, even if it was done. */
enum err outbox_hasten_refund(struct postgres *p, struct id refund);
/* Stuck payments are to be asked for; *count: how many came to it now. */
enum err outbox_recover(struct postgres *p, int64_t stuck_ms, int64_t *count);

#endif
