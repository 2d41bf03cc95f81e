/*
 * What one worker of a gateway looks up for all of them, about once a second, and writes on the
 * board (board.h) for whichever is asked for /metrics: what gateways and couriers report, the
 * places of shows, locks, and how many gateways and partitions are wanted (base/advice.h).
 */
#ifndef USHER_GATEWAY_OVERVIEW_H
#define USHER_GATEWAY_OVERVIEW_H

struct gateway;
struct overview;

struct overview *overview_new(struct gateway *gateway); /* never NULL */
void overview_begin(struct overview *overview);         /* the links are open */
void overview_free(struct overview *overview);          /* the links are closed */

#endif
