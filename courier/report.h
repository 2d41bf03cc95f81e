/*
 * What a courier counts, and its way into Redis (base/courier_report.h), about once a second, over
 * a connection of its own: in a cluster the payments' one wanders from node to node. That it cannot
 * be said is no reason to carry no money: it is tried again.
 */
#ifndef USHER_COURIER_REPORT_H
#define USHER_COURIER_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "courier/delivery.h"
#include "courier/job.h"
#include "courier/options.h"

struct report;

/* Never NULL. The options are borrowed. */
struct report *report_new(const struct options *options);
void report_free(struct report *r);

/* The provider has answered, after so long. */
void report_answer(struct report *r, enum job_kind call, enum verdict_kind verdict, int64_t us);
/* An attempt to deliver is over, after so long. */
void report_delivery(struct report *r, enum delivery_kind kind, const struct attempt *attempt,
                     int64_t us);

/* Send what there is, if it is time. */
void report_send(struct report *r, size_t payments, size_t deliveries);

#endif
