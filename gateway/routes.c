#include "gateway/routes.h"

#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/identity.h"
#include "gateway/pages.h"
#include "gateway/problem.h"
#include "gateway/reply.h"
#include "gateway/router.h"

/* Adding a route is adding a row; docs/openapi.json says the same. The busiest come first. */
static const struct route routes[] = {
    {METHOD_GET, "/v1/shows/:show/availability", get_availability, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/v1/shows/:show/alternatives", get_alternatives, BODY_NONE, WHO_ANYONE},
    {METHOD_POST, "/v1/shows/:show/bookings", post_bookings, BODY_REQUIRED, WHO_USER},
    {METHOD_POST, "/v1/bookings/:id/confirm", post_confirm, BODY_OPTIONAL, WHO_USER},
    {METHOD_POST, "/v1/bookings/:id/cancel", post_cancel, BODY_OPTIONAL, WHO_USER},
    {METHOD_POST, "/v1/bookings/:id/extend", post_extend, BODY_OPTIONAL, WHO_USER},
    {METHOD_POST, "/v1/bookings/:id/payments", post_payments, BODY_OPTIONAL, WHO_USER},
    {METHOD_GET, "/v1/bookings/:id", get_booking, BODY_NONE, WHO_USER},
    {METHOD_GET, "/v1/requests/:id", get_request, BODY_NONE, WHO_USER},
    {METHOD_GET, "/v1/shows", get_shows, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/v1/shows/:show/seats", get_seats, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/v1/shows/:show/events", get_show_events, BODY_NONE, WHO_WATCHER},
    {METHOD_GET, "/v1/shows/:show/ws", get_show_socket, BODY_NONE, WHO_WATCHER},
    {METHOD_GET, "/v1/shows/:show", get_show, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/v1/users/:user/bookings", get_user_bookings, BODY_NONE, WHO_USER},
    {METHOD_POST, "/v1/shows/:show/waitlist", post_waitlist, BODY_REQUIRED, WHO_USER},
    {METHOD_GET, "/v1/waitlist/:id", get_waitlist, BODY_NONE, WHO_USER},
    {METHOD_DELETE, "/v1/waitlist/:id", delete_waitlist, BODY_OPTIONAL, WHO_USER},
    {METHOD_GET, "/v1/queue/:ticket", get_queue, BODY_NONE, WHO_USER},
    {METHOD_POST, "/v1/shows/:show/queue", post_queue, BODY_OPTIONAL, WHO_USER},
    {METHOD_GET, "/v1/shows/:show/queue", get_show_queue, BODY_NONE, WHO_ANYONE},

    {METHOD_POST, "/v1/stream-tickets", post_stream_tickets, BODY_OPTIONAL, WHO_USER},

    {METHOD_POST, "/book", seed_book, BODY_REQUIRED, WHO_USER},
    {METHOD_GET, "/bookings/:user", seed_get_bookings, BODY_NONE, WHO_USER},
    {METHOD_GET, "/tickets", seed_get_tickets, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/shows", seed_get_shows, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/availability", seed_get_availability, BODY_NONE, WHO_ANYONE},
    {METHOD_POST, "/booking/hold", seed_hold, BODY_REQUIRED, WHO_USER},
    {METHOD_POST, "/booking/confirm", seed_confirm, BODY_REQUIRED, WHO_USER},
    {METHOD_POST, "/booking/cancel", seed_cancel, BODY_REQUIRED, WHO_USER},
    {METHOD_GET, "/events", seed_get_events, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/events/:show", seed_get_event, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/seats", seed_get_seats, BODY_NONE, WHO_ANYONE},
    {METHOD_POST, "/holds", seed_post_holds, BODY_REQUIRED, WHO_USER},
    {METHOD_POST, "/bookings", seed_post_bookings, BODY_REQUIRED, WHO_USER},
    {METHOD_POST, "/payments", seed_post_payments, BODY_REQUIRED, WHO_USER},

    {METHOD_POST, "/webhooks/payments", post_payment_webhook, BODY_REQUIRED, WHO_ANYONE},

    {METHOD_GET, "/", get_page, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/shows/:show", get_page, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/draw/:show", get_page, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/bookings", get_page, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/admin", get_page, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/web/:file", get_web_file, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/web/:folder/:file", get_web_file, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/waiting-room.js", get_waiting_room_script, BODY_NONE, WHO_ANYONE},

    {METHOD_GET, "/livez", get_livez, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/readyz", get_readyz, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/health", get_health, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/metrics", get_metrics, BODY_NONE, WHO_ANYONE},
    {METHOD_GET, "/openapi.json", get_openapi, BODY_NONE, WHO_ANYONE},
};
#define ROUTES_COUNT (sizeof routes / sizeof routes[0])

/* Administrators', each of which asks admin_access first. */
static const struct route admin_routes[] = {
    {METHOD_GET, "/v1/admin/shows", get_admin_shows, BODY_NONE, WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows", post_admin_shows, BODY_REQUIRED, WHO_ADMIN},
    {METHOD_PATCH, "/v1/admin/shows/:show", patch_admin_show, BODY_REQUIRED, WHO_ADMIN},
    {METHOD_GET, "/v1/admin/shows/:show/bookings", get_admin_bookings, BODY_NONE, WHO_ADMIN},
    {METHOD_GET, "/v1/admin/shows/:show/statistics", get_admin_statistics, BODY_NONE, WHO_ADMIN},
    {METHOD_GET, "/v1/admin/shows/:show/analytics/:report", get_admin_analytics, BODY_NONE,
     WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows/:show/room", post_admin_room, BODY_REQUIRED, WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows/:show/prices", post_admin_prices, BODY_REQUIRED, WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows/:show/tiers", post_admin_tiers, BODY_REQUIRED, WHO_ADMIN},
    {METHOD_PATCH, "/v1/admin/shows/:show/tiers/:tier", patch_admin_tier, BODY_REQUIRED, WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows/:show/inventory/add", post_admin_inventory, BODY_REQUIRED,
     WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows/:show/inventory/remove", post_admin_inventory, BODY_REQUIRED,
     WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows/:show/inventory/block", post_admin_inventory, BODY_REQUIRED,
     WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows/:show/inventory/unblock", post_admin_inventory, BODY_REQUIRED,
     WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows/:show/open", post_admin_show_action, BODY_OPTIONAL, WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows/:show/pause", post_admin_show_action, BODY_OPTIONAL, WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows/:show/close", post_admin_show_action, BODY_OPTIONAL, WHO_ADMIN},
    {METHOD_POST, "/v1/admin/shows/:show/move", post_admin_show_action, BODY_REQUIRED, WHO_ADMIN},
    {METHOD_POST, "/v1/admin/bookings/:id/cancel", post_admin_cancel, BODY_OPTIONAL, WHO_ADMIN},
    {METHOD_GET, "/v1/admin/partitions", get_admin_partitions, BODY_NONE, WHO_ADMIN},
    {METHOD_POST, "/v1/admin/partitions", post_admin_partitions, BODY_REQUIRED, WHO_ADMIN},
    {METHOD_GET, "/v1/admin/audit", get_admin_audit, BODY_NONE, WHO_ADMIN},
    {METHOD_GET, "/v1/admin/requests/:id", get_admin_request, BODY_NONE, WHO_ADMIN},
    {METHOD_GET, "/v1/admin/webhooks", get_admin_webhooks, BODY_NONE, WHO_ADMIN},
    {METHOD_POST, "/v1/admin/webhooks", post_admin_webhooks, BODY_REQUIRED, WHO_ADMIN},
    {METHOD_GET, "/v1/admin/webhooks/:number", get_admin_webhook, BODY_NONE, WHO_ADMIN},
    {METHOD_DELETE, "/v1/admin/webhooks/:number", delete_admin_webhook, BODY_OPTIONAL, WHO_ADMIN},
    {METHOD_GET, "/v1/admin/webhooks/:number/secret", get_admin_webhook_secret, BODY_NONE,
     WHO_ADMIN},
    {METHOD_GET, "/v1/admin/webhooks/:number/deliveries", get_admin_deliveries, BODY_NONE,
     WHO_ADMIN},
    {METHOD_POST, "/v1/admin/webhooks/:number/rotate", post_admin_webhook_action, BODY_OPTIONAL,
     WHO_ADMIN},
    {METHOD_POST, "/v1/admin/webhooks/:number/replay", post_admin_webhook_action, BODY_OPTIONAL,
     WHO_ADMIN},
    {METHOD_POST, "/v1/admin/mail", post_admin_mail, BODY_OPTIONAL, WHO_ADMIN},
    {METHOD_DELETE, "/v1/admin/mail", delete_admin_mail, BODY_OPTIONAL, WHO_ADMIN},
};
#define ADMIN_ROUTES_COUNT (sizeof admin_routes / sizeof admin_routes[0])

static enum route_found match_method(const struct door *door, const struct exchange *x,
                                     enum http_method method, struct route_match *match)
{
    enum route_found found = route_match(routes, ROUTES_COUNT, method, exchange_path(x), match);

    if (found != ROUTE_UNKNOWN || !door->has_admin)
        return found;
    return route_match(admin_routes, ADMIN_ROUTES_COUNT, method, exchange_path(x), match);
}

static unsigned methods_of(const struct door *door, const struct exchange *x)
{
    struct route_match match;

    /* No route has this method: the match gathers those that the path has. */
    match_method(door, x, METHOD_UNKNOWN, &match);
    return match.methods;
}

static void put_allow(struct task *task, const char *name, unsigned methods)
{
    struct buf *headers = &task->gateway->headers;

    buf_puts(headers, name);
    buf_puts(headers, ": ");
    route_put_allow(headers, methods);
    buf_puts(headers, "\r\n");
}

/* OPTIONS: what the path can do, and a browser's question before it asks from another origin. */
static void answer_options(struct task *task, unsigned methods)
{
    struct buf *headers = &task->gateway->headers;
    bool is_preflight =
        exchange_header(task->exchange, "access-control-request-method").bytes != NULL;

    reply_open(task);
    put_allow(task, "Allow", methods);
    if (is_preflight && task->gateway->options->cors_origins[0] != '\0') {
        put_allow(task, "Access-Control-Allow-Methods", methods);
        buf_puts(
            headers,
            "Access-Control-Allow-Headers: Authorization, Content-Type, Idempotency-Key, Prefer, "
            "If-None-Match, Usher-Admission, Usher-Challenge, "
            "traceparent\r\nAccess-Control-Max-Age: 600\r\n");
    }
    reply_send(task, 204, NULL);
}

static void refuse_method(struct task *task, unsigned methods)
{
    struct problem problem = {.status = 405,
                              .code = CODE_INVALID,
                              .detail = "This path does not have this method",
                              .instance = exchange_path(task->exchange)};
    struct buf *body = reply_open(task);

    put_allow(task, "Allow", methods);
    problem_render(body, &problem);
    reply_send(task, problem.status, PROBLEM_TYPE);
}

static void handle(void *context, struct exchange *x)
{
    const struct door *door = context;
    struct gateway *g = door->gateway;
    struct task *task = task_take(g, x);
    struct route_match match;

    if (task == NULL) {
        exchange_answer(x, &(struct response){.status = 503,
                                              .headers = SPAN("Retry-After: 1\r\n"),
                                              .close = true});
        return;
    }
    g->own[G_HTTP_REQUESTS].count++;
    if (exchange_method(x) == METHOD_UNKNOWN) {
        /* What follows on this connection may be anything. */
        task->ends_connection = true;
        reply_invalid(task, 501, "There is no such method");
        return;
    }
    if (exchange_method(x) == METHOD_OPTIONS) {
        unsigned methods = methods_of(door, x);
        if (methods == 0 && !span_is(exchange_path(x), "*"))
            reply_not_found(task, "There is nothing here");
        else
            answer_options(task, methods);
        return;
    }
    switch (match_method(door, x, exchange_method(x), &match)) {
    case ROUTE_FOUND:
        task->route = match.route;
        for (size_t i = 0; i < ROUTE_PARAMETERS_MAX; i++)
            task->parameter[i] = match.parameter[i];
        if (identity_admits(task))
            match.route->handle(task);
        break;
    case ROUTE_UNKNOWN:
        get_no_page(task);
        break;
    case ROUTE_METHOD:
        refuse_method(task, match.methods);
        break;
    }
}

static void gone(void *context, struct exchange *x)
{
    struct task *task = exchange_data(x);

    (void)context;
    if (task != NULL)
        task_gone(task);
}

static size_t body_bytes_max(void *context, struct exchange *x)
{
    const struct door *door = context;

    (void)x;
    return (size_t)door->gateway->options->body_bytes_max;
}

static const char *render_error(void *context, int status, const char *detail, struct buf *headers,
                                struct buf *body)
{
    const struct door *door = context;
    struct gateway *g = door->gateway;
    struct problem problem = {.status = status,
                              .code = problem_code_for(status),
                              .detail = detail,
                              .instance = SPAN("/")};

    reply_put_common(g, NULL, NULL, headers);
    problem_render(body, &problem);
    gauges_count_status(g->own, status);
    return PROBLEM_TYPE;
}

struct http_application routes_application(struct door *door)
{
    return (struct http_application){.context = door,
                                     .handle = handle,
                                     .gone = gone,
                                     .body_bytes_max = body_bytes_max,
                                     .render_error = render_error};
}
