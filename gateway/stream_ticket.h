/*
 * Tickets for streams. A browser's EventSource and WebSocket set no header fields, and a token in a
 * query would stand in logs and histories for as long as it is good: so a token is exchanged for a
 * ticket that opens streams for a minute and nothing else.
 */
#ifndef USHER_GATEWAY_STREAM_TICKET_H
#define USHER_GATEWAY_STREAM_TICKET_H

#include <stdbool.h>

struct task;

/* Is there a ticket in the request's query that is right, now? */
bool stream_ticket_is_shown(const struct task *task);

#endif
