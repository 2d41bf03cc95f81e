/* What routes.c sends requests to. Each answers the task, now or later. */
#ifndef USHER_GATEWAY_HANDLERS_H
#define USHER_GATEWAY_HANDLERS_H

#include "gateway/task.h"

/* bookings.c */
void post_bookings(struct task *task);
void post_confirm(struct task *task);
void post_cancel(struct task *task);
void post_extend(struct task *task);

/* payments.c, webhook.c */
void post_payments(struct task *task);
void post_payment_webhook(struct task *task);

/* reads.c */
void get_shows(struct task *task);
void get_show(struct task *task);
void get_availability(struct task *task);
void get_booking(struct task *task);
void get_user_bookings(struct task *task);

/* alternatives.c */
void get_alternatives(struct task *task);

/* seats.c */
void get_seats(struct task *task);

/* live_routes.c, live_socket.c */
void get_show_events(struct task *task);
void get_show_socket(struct task *task);

/* waitlist.c */
void post_waitlist(struct task *task);
void get_waitlist(struct task *task);
void delete_waitlist(struct task *task);

/* queue.c */
void post_queue(struct task *task);
void get_queue(struct task *task);
void get_show_queue(struct task *task);

/* requests.c */
void get_request(struct task *task);

/* seeds.c */
void seed_book(struct task *task);
void seed_get_bookings(struct task *task);
void seed_get_tickets(struct task *task);
void seed_get_shows(struct task *task);
void seed_get_availability(struct task *task);
void seed_hold(struct task *task);
void seed_confirm(struct task *task);
void seed_cancel(struct task *task);

/* seed_events.c */
void seed_get_events(struct task *task);
void seed_get_event(struct task *task);
void seed_get_seats(struct task *task);

/* seed_holds.c */
void seed_post_holds(struct task *task);
void seed_post_bookings(struct task *task);
void seed_post_payments(struct task *task);

/* admin.c, admin_reads.c */
void post_admin_shows(struct task *task);
void patch_admin_show(struct task *task);
void post_admin_show_action(struct task *task);
void post_admin_room(struct task *task);
void post_admin_prices(struct task *task);
void post_admin_tiers(struct task *task);
void patch_admin_tier(struct task *task);
void post_admin_inventory(struct task *task);
void post_admin_cancel(struct task *task);
void get_admin_request(struct task *task);
void post_admin_partitions(struct task *task);
void get_admin_shows(struct task *task);
void get_admin_bookings(struct task *task);
void get_admin_statistics(struct task *task);
void get_admin_partitions(struct task *task);
void get_admin_audit(struct task *task);

/* analytics.c */
void get_admin_analytics(struct task *task);

/* admin_webhooks.c */
void get_admin_webhooks(struct task *task);
void post_admin_webhooks(struct task *task);
void get_admin_webhook(struct task *task);
void delete_admin_webhook(struct task *task);
void get_admin_webhook_secret(struct task *task);
void get_admin_deliveries(struct task *task);
void post_admin_webhook_action(struct task *task);
void post_admin_mail(struct task *task);
void delete_admin_mail(struct task *task);

/* stream_ticket.c */
void post_stream_tickets(struct task *task);

/* health.c */
void get_livez(struct task *task);
void get_readyz(struct task *task);
void get_health(struct task *task);

/* metrics_page.c, openapi.c */
void get_metrics(struct task *task);
void get_openapi(struct task *task);

#endif
