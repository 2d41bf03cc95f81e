/* The gateway's configuration: one table, in options.c. */
#ifndef USHER_GATEWAY_OPTIONS_H
#define USHER_GATEWAY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/redis_url.h"
#include "base/ticket.h"
#include "gateway/origin.h"
#include "gateway/rate.h"

/* What happens to whom a signal is about (limits.h). */
enum signal_action { SIGNAL_LOG, SIGNAL_REFUSE, SIGNAL_CHALLENGE };

struct gateway_options {
    char *redis, *postgres, *postgres_replica, *listen, *name, *cors_origins;
    char *book_show, *tickets_show;
    char *seats_show, *log_level_name, *log_format_name, *payment_webhook_secret, *ticket_keys;
    char *admin_listen, *admin_token_hashes;
    char *otlp_endpoint, *trace_ratio_text;
    int64_t trace_others_max;
    int64_t workers, connections_max, body_bytes_max;
    int64_t idle_ms, head_ms, body_ms, write_ms, output_bytes_max;
    int64_t wait_ms, waiters_max, queue_wait_ms_max, backlog_requests_max;
    int64_t stream_interval_ms, stream_heartbeat_ms, stream_retry_ms;
    char *auth, *jwt_keys, *jwt_secrets, *jwt_issuer, *jwt_audience, *jwt_role_claim;
    char *jwt_admin_role;
    int64_t jwt_leeway_s;
    bool jwt_streams, core_dumps;
    char *limit_user_text, *limit_address_text, *limit_show_text, *limit_cancellations_text;
    char *limit_users_of_address_text, *on_cancellations_text, *on_users_of_address_text;
    char *trusted_proxies, *forwarded_field, *challenge_url, *challenge_keys, *challenge_secrets;
    int64_t show_gauges, scale_window_ms;
    int64_t availability_max_age_ms, shows_max, postgres_connections, replica_lag_ms_max;
    int64_t drain_notice_ms, drain_ms;

    /* Made of the above and checked. */
    struct redis_url redis_url;
    enum log_level log_level;
    enum log_format log_format;
    uint32_t trace_of_million; /* trace_ratio */
    bool auth_is_jwt;
    struct ticket_keys keys; /* none: there are no waiting rooms here */
    struct rate limit_user, limit_address, limit_show;
    struct rate limit_cancellations, limit_users_of_address;
    enum signal_action on_cancellations, on_users_of_address;
    struct proxies proxies;
};

/* Exits with 2 and one line on standard error if something is wrong. */
void options_load(struct gateway_options *options, int argc, char **argv);
/* Nobody but who is on this machine can come in there. */
bool options_is_loopback(const char *listen);
void options_free(struct gateway_options *options);

#endif
