/* The courier's configuration: one table, in options.c. */
#ifndef USHER_COURIER_OPTIONS_H
#define USHER_COURIER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/redis_url.h"
#include "courier/outside.h"

struct options {
    char *redis, *postgres, *name, *log_level, *log_format, *otlp_endpoint, *provider,
        *provider_url, *provider_secret;
    int64_t jobs_max, poll_ms, lease_ms, provider_ms, again_ms, again_ms_max, settle_ms;
    int64_t recovery_ms, stuck_ms, check_ms;
    int64_t simulated_failures, simulated_delay_ms;
    int64_t redis_ms, postgres_ms;
    bool core_dumps;
    char *smtp_url, *smtp_from, *smtp_tls, *webhook_allow;
    int64_t webhook_ms, webhook_first_ms, deliveries_max, deliveries_keep_ms;

    /* Made of the above and checked. */
    struct redis_url redis_url;
    struct networks outside; /* webhook_allow */
};

/* Fills *options or ends the process with one clear line (base/config.h). */
void options_load(struct options *options, int argc, char **argv);
/* Whether letters go over TLS or not at all. */
bool options_needs_tls(const struct options *options);
void options_free(struct options *options);

#endif
