#include "allocator/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/log.h"
#include "base/redis_url.h"
#include "base/secrecy.h"
#include "link/postgres.h"
#include "trace/tracer.h"

#define AT(field) offsetof(struct options, field)

static const struct option_row rows[] = {
    {"redis", OPTION_SECRET, AT(redis), "redis://127.0.0.1:6379", 0, 0, REDIS_URL_HELP},
    {"postgres", OPTION_SECRET, AT(postgres), "postgresql:///usher", 0, 0,
     "Postgres: a libpq URL, several hosts and target_session_attrs included"},
    {"name", OPTION_TEXT, AT(name), "allocator", 0, 0,
     "how this process is called in status and logs"},
    {"core_dumps", OPTION_FLAG, AT(core_dumps), "no", 0, 0, CORE_DUMPS_HELP},
    {"log_level", OPTION_TEXT, AT(log_level), "info", 0, 0, "debug, info, warn or error"},
    {"log_format", OPTION_TEXT, AT(log_format), "logfmt", 0, 0, LOG_FORMAT_HELP},
    {"otlp_endpoint", OPTION_TEXT, AT(otlp_endpoint), "", 0, 0, TRACE_ENDPOINT_HELP},
    {"partition", OPTION_NUMBER, AT(partition), "0", 0, 1000000,
     "the partition to own; 0: any that is free"},
    {"stand_by_ms", OPTION_NUMBER, AT(stand_by_ms), "50", 1, 60000,
     "while without a partition, look for a free one this often (ms)"},
    {"heartbeat_ms", OPTION_NUMBER, AT(heartbeat_ms), "500", 10, 60000,
     "stamp the partition this often when idle (ms)"},
    {"heartbeat_ms_max", OPTION_NUMBER, AT(heartbeat_ms_max), "5000", 100, 600000,
     "an owner without a sign for longer is ended by the next (ms)"},
    {"redis_ms", OPTION_NUMBER, AT(redis_ms), "2000", 10, 600000, "longest wait for Redis (ms)"},
    {"postgres_ms", OPTION_NUMBER, AT(postgres_ms), "5000", 10, 600000,
     "longest wait for Postgres (ms)"},
    {"journal_batches_max", OPTION_NUMBER, AT(journal_batches_max), "20000", 16, 10000000,
     "batches that the journal keeps, for a day at most"},
};

static const char *check(const void *target, const char **key)
{
    const struct options *options = target;
    struct redis_url url;
    enum log_level level;
    enum log_format format;
    const char *why = NULL;

    *key = "redis";
    if (!redis_url_parse(options->redis, &url, &why))
        return why;
    *key = "log_level";
    if (!log_level_from(options->log_level, &level))
        return "is debug, info, warn or error";
    *key = "log_format";
    if (!log_format_from(options->log_format, &format))
        return "is logfmt or json";
    *key = "otlp_endpoint";
    why = tracer_check_endpoint(options->otlp_endpoint);
    if (why != NULL)
        return why;
    *key = "heartbeat_ms_max";
    if (options->heartbeat_ms_max < 2 * options->heartbeat_ms)
        return "must be at least twice heartbeat_ms";
    *key = "postgres";
    return postgres_check(options->postgres);
}

static const struct program program = {
    .name = "usher-allocator",
    .section = "allocator",
    .summary = "Decides the requests of one partition, in order.",
    .usage = "",
    .options = rows,
    .option_count = sizeof rows / sizeof *rows,
    .check = check,
};

void options_load(struct options *options, int argc, char **argv)
{
    memset(options, 0, sizeof *options);
    if (config_load(&program, argc, argv, options) < argc) {
        fprintf(stderr, "usher-allocator: takes no arguments, only options; see --help\n");
        exit(2);
    }
    secrecy_keep(!options->core_dumps);
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_LOGFMT;
    log_level_from(options->log_level, &level);
    log_format_from(options->log_format, &format);
    log_open("usher-allocator", level, format);
    tracer_open(&(struct tracer_settings){"usher-allocator", options->name, options->otlp_endpoint,
                                          level, format});
}

void options_free(struct options *options)
{
    config_free(&program, options);
}
