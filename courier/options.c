#include "courier/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/log.h"
#include "base/secrecy.h"
#include "courier/delivery.h"
#include "courier/job.h"
#include "courier/mail.h"
#include "link/postgres.h"
#include "trace/tracer.h"

#define AT(field) offsetof(struct options, field)
#define TEXT(field, fallback, help)                                                                \
    {                                                                                              \
#field, OPTION_TEXT, AT(field), fallback, 0, 0, help                                       \
    }
#define SECRET(field, fallback, help)                                                              \
    {                                                                                              \
#field, OPTION_SECRET, AT(field), fallback, 0, 0, help                                     \
    }
#define NUMBER(field, fallback, min, max, help)                                                    \
    {                                                                                              \
#field, OPTION_NUMBER, AT(field), fallback, min, max, help                                 \
    }
#define HOUR_MS 3600000

static const struct option_row rows[] = {
    SECRET(redis, "redis://127.0.0.1:6379", REDIS_URL_HELP),
    SECRET(postgres, "postgresql:///usher",
           "Postgres: a libpq URL, several hosts and target_session_attrs included"),
    TEXT(name, "courier", "how this process is called in the outbox and in logs"),
    {"core_dumps", OPTION_FLAG, AT(core_dumps), "no", 0, 0, CORE_DUMPS_HELP},
    TEXT(log_level, "info", "debug, info, warn or error"),
    TEXT(log_format, "logfmt", LOG_FORMAT_HELP),
    TEXT(otlp_endpoint, "", TRACE_ENDPOINT_HELP),
    TEXT(provider, "simulated", "who takes the money: simulated, or http (shaped after Stripe)"),
    TEXT(provider_url, "https://api.stripe.com", "http: where the provider is, without a path"),
    SECRET(provider_secret, "", "http: the secret key; in the file or the environment, not a flag"),
    NUMBER(provider_ms, "20000", 10, HOUR_MS, "longest wait for the provider's answer (ms)"),
    NUMBER(jobs_max, "64", 1, JOBS_MAX, "payments and refunds under way at once"),
    NUMBER(poll_ms, "50", 1, 60000, "look for work this often while there is none (ms)"),
    NUMBER(lease_ms, "60000", 100, 24 * HOUR_MS,
           "what a courier has taken and not done is anybody's after this (ms)"),
    NUMBER(again_ms, "1000", 1, HOUR_MS, "first pause before the provider is asked again (ms)"),
    NUMBER(again_ms_max, "600000", 1, 24 * HOUR_MS, "and the longest, for it doubles (ms)"),
    NUMBER(settle_ms, "5000", 1, HOUR_MS,
           "a result that the allocators have not committed by then is sent again (ms)"),
    NUMBER(recovery_ms, "120000", 10, 24 * HOUR_MS, "look for stuck payments this often (ms)"),
    NUMBER(stuck_ms, "300000", 10, 24 * HOUR_MS,
           "a payment without a result for longer is asked for, then failed (ms)"),
    NUMBER(check_ms, "86400000", 0, 30 * 24 * (int64_t)HOUR_MS,
           "and still asked for until it is this old, should it have been made (ms)"),
    NUMBER(simulated_failures, "0", 0, 1000, "simulated: of a thousand payments, how many fail"),
    NUMBER(simulated_delay_ms, "20", 0, HOUR_MS, "simulated: how long an answer takes (ms)"),
    SECRET(smtp_url, "",
           "mail: smtp://[user:password@]host[:port] or smtps://…; without it no mail is sent"),
    TEXT(smtp_from, "", "mail: the sender's address"),
    TEXT(
        smtp_tls, "",
        "mail: required, or offered (TLS if the server has it); else required where smtp_url has a "
        "user or a password and its host is not this machine"),
    TEXT(webhook_allow, "", "networks that webhooks may go to although they are not public"),
    NUMBER(webhook_ms, "15000", 10, HOUR_MS,
           "longest wait for a webhook's or a mail's receiver (ms)"),
    NUMBER(webhook_first_ms, "5000", 1, HOUR_MS,
           "first pause before a delivery is tried again; the others follow in proportion (ms)"),
    NUMBER(deliveries_max, "64", 1, DELIVERIES_MAX, "deliveries under way at once"),
    NUMBER(deliveries_keep_ms, "2592000000", 1000, 366 * 24 * (int64_t)HOUR_MS,
           "what was delivered or given up is remembered so long, and letters that none could send "
           "(ms)"),
    NUMBER(redis_ms, "2000", 10, 600000, "longest wait for Redis (ms)"),
    NUMBER(postgres_ms, "5000", 10, 600000, "longest wait for Postgres (ms)"),
};

static const char *check_provider(const struct options *o, const char **key)
{
    *key = "provider";
    if (strcmp(o->provider, "simulated") == 0)
        return NULL;
    if (strcmp(o->provider, "http") != 0)
        return "must be simulated or http";
    *key = "provider_secret";
    if (o->provider_secret[0] == '\0')
        return "is missing: provider = http needs its secret key";
    if (strpbrk(o->provider_secret, "\r\n") != NULL)
        return "must be one line";
    *key = "provider_url";
    if (strncmp(o->provider_url, "http://", 7) != 0 && strncmp(o->provider_url, "https://", 8) != 0)
        return "must begin with https:// or http://";
    return NULL;
}

static const char *check_notify(const struct options *o, const char **key)
{
    struct networks networks;

    *key = "smtp_url";
    if (o->smtp_url[0] != '\0' && strncmp(o->smtp_url, "smtp://", 7) != 0 &&
        strncmp(o->smtp_url, "smtps://", 8) != 0)
        return "must begin with smtp:// or smtps://";
    *key = "smtp_from";
    if (o->smtp_url[0] != '\0' && !mail_is_address(span_of(o->smtp_from)))
        return "must be an address: smtp_url is given";
    *key = "smtp_tls";
    if (o->smtp_tls[0] != '\0' && strcmp(o->smtp_tls, "required") != 0 &&
        strcmp(o->smtp_tls, "offered") != 0)
        return "must be required or offered";
    *key = "webhook_allow";
    return networks_read(span_of(o->webhook_allow), &networks);
}

/* What the table alone cannot say; the first thing that is wrong. */
static const char *check(const void *target, const char **key)
{
    const struct options *o = target;
    struct redis_url url;
    enum log_level level;
    enum log_format format;
    const char *why = NULL;

    *key = "redis";
    if (!redis_url_parse(o->redis, &url, &why))
        return why;
    *key = "log_level";
    if (!log_level_from(o->log_level, &level))
        return "must be debug, info, warn or error";
    *key = "log_format";
    if (!log_format_from(o->log_format, &format))
        return "must be logfmt or json";
    *key = "otlp_endpoint";
    why = tracer_check_endpoint(o->otlp_endpoint);
    if (why != NULL)
        return why;
    /* Nobody else may take a row while its first courier still waits for an answer. */
    *key = "lease_ms";
    if (o->lease_ms < 2 * o->provider_ms)
        return "must be at least twice provider_ms";
    *key = "again_ms_max";
    if (o->again_ms_max < o->again_ms)
        return "must be at least again_ms";
    why = check_provider(o, key);
    if (why != NULL)
        return why;
    why = check_notify(o, key);
    if (why != NULL)
        return why;
    *key = "postgres";
    return postgres_check(o->postgres);
}

static const struct program program = {
    .name = "usher-courier",
    .section = "courier",
    .summary = "Carries payments and refunds to the provider, its word back into the queue, and "
               "webhooks and\n"
               "mail to whoever wants to be told.",
    .usage = "",
    .options = rows,
    .option_count = sizeof rows / sizeof *rows,
    .check = check,
};

void options_load(struct options *options, int argc, char **argv)
{
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_LOGFMT;
    const char *why;

    memset(options, 0, sizeof *options);
    if (config_load(&program, argc, argv, options) < argc) {
        fprintf(stderr, "usher-courier: takes no arguments, only options; see --help\n");
        exit(2);
    }
    secrecy_keep(!options->core_dumps);
    if (!redis_url_parse(options->redis, &options->redis_url, &why) ||
        !log_level_from(options->log_level, &level) ||
        !log_format_from(options->log_format, &format) ||
        networks_read(span_of(options->webhook_allow), &options->outside) != NULL)
        abort(); /* `check` has looked */
    log_open("usher-courier", level, format);
    tracer_open(&(struct tracer_settings){"usher-courier", options->name, options->otlp_endpoint,
                                          level, format});
}

bool options_needs_tls(const struct options *options)
{
    return options->smtp_tls[0] != '\0' ? strcmp(options->smtp_tls, "required") == 0
                                        : outside_hears_secret(options->smtp_url);
}

void options_free(struct options *options)
{
    config_free(&program, options);
}
