#include "context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "arguments.h"

const char *context_check(const void *target, const char **key)
{
    const struct options *options = target;
    struct redis_url url;
    enum log_format format;
    const char *why = NULL;
    *key = "redis";
    if (!redis_url_parse(options->redis, &url, &why))
        return why;
    *key = "log_format";
    if (!log_format_from(options->log_format, &format))
        return "must be logfmt or json";
    *key = "postgres";
    return postgres_check(options->postgres);
}

struct redis *context_redis(struct context *context)
{
    if (context->redis != NULL && redis_is_connected(context->redis))
        return context->redis;
    if (context->redis == NULL) {
        struct redis_url url;
        const char *why;
        if (!redis_url_parse(context->options.redis, &url, &why))
            abort(); /* context_check has seen it */
        context->redis = redis_new(&url, context->options.timeout_ms);
    }
    if (redis_connect(context->redis) == ERR_NONE)
        return context->redis;
    context_fail_redis(context, "connecting");
    return NULL;
}

struct postgres *context_postgres(struct context *context)
{
    if (context->postgres == NULL)
        context->postgres =
            postgres_new(context->options.postgres, "usherctl", context->options.timeout_ms);
    if (postgres_is_connected(context->postgres))
        return context->postgres;
    enum err err = postgres_connect(context->postgres);
    if (!err)
        return context->postgres;
    context_fail_postgres(context, "connecting");
    if (err == ERR_INPUT) /* libpq alone can tell that a connection string is not one */
        exit(EXIT_USAGE);
    return NULL;
}

void context_close(struct context *context)
{
    redis_free(context->redis);
    postgres_free(context->postgres);
    context->redis = NULL;
    context->postgres = NULL;
}

int context_fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fflush(stdout);
    fprintf(stderr, "usherctl: ");
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    return EXIT_FAILED;
}

int context_fail_postgres(const struct context *context, const char *doing)
{
    return context_fail("Postgres, %s: %s", doing, postgres_why(context->postgres));
}

int context_fail_redis(const struct context *context, const char *doing)
{
    return context_fail("Redis, %s: %s", doing, redis_why(context->redis));
}
