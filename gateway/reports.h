/*
 * What gateways and couriers report of themselves in Redis (base/program_report.h): this gateway's
 * own load goes there, everybody's comes back. For the first worker alone (overview.h).
 */
#ifndef USHER_GATEWAY_REPORTS_H
#define USHER_GATEWAY_REPORTS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/gateway_load.h"

struct gateway;
struct reports;

struct reports *reports_new(struct gateway *gateway); /* never NULL */
void reports_free(struct reports *reports);           /* the links are closed */

/* Tell Redis this load, and ask for those of all, unless that is under way. */
void reports_turn(struct reports *reports, const struct gateway_load *own);

/* As told last; NULL while Redis does not say. This gateway is among them, once it has reported. */
const struct gateway_load *reports_gateways(const struct reports *reports, size_t *count);
/* Prometheus text of the couriers. */
void reports_put_couriers(const struct reports *reports, struct buf *out);

#endif
