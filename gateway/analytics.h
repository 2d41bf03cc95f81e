/*
 * Reports of sales (GET /v1/admin/shows/{show}/analytics/{report}): the connection that they have
 * of their own, because one may read a million rows and no buyer's question shall stand behind it.
 */
#ifndef USHER_GATEWAY_ANALYTICS_H
#define USHER_GATEWAY_ANALYTICS_H

struct gateway;

/* Where there is a replica, it is found out in time how far it is. */
void analytics_begin(struct gateway *gateway);
void analytics_end(struct gateway *gateway);

#endif
