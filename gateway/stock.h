/*
 * What Postgres is asked for /metrics, every few seconds and by the first worker alone
 * (overview.h): the places of the shows on sale, and who waits for a lock.
 */
#ifndef USHER_GATEWAY_STOCK_H
#define USHER_GATEWAY_STOCK_H

#include "base/buf.h"

struct gateway;
struct stock;

#define STOCK_SHOWS_MAX 256

struct stock *stock_new(struct gateway *gateway); /* never NULL */
void stock_free(struct stock *stock);             /* the links are closed */

void stock_turn(struct stock *stock); /* ask, if it is time */
/* Prometheus text of what was answered last; nothing of what could not be found out. */
void stock_put(const struct stock *stock, struct buf *out);

#endif
