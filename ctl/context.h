/* What every subcommand works with: the configuration and the two servers, connected when asked. */
#ifndef USHER_CTL_CONTEXT_H
#define USHER_CTL_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/redis_url.h"
#include "link/postgres.h"
#include "link/redis.h"

struct options {
    char *redis;
    char *postgres;
    char *admin_url, *admin_token, *log_format;
    bool core_dumps;
    int64_t timeout_ms;
};

struct context {
    struct options options;
    struct redis *redis;       /* NULL until context_redis */
    struct postgres *postgres; /* NULL until context_postgres */
};

/* For struct program: an address that is none is refused with the configuration. `target` is a
 * struct options. */
const char *context_check(const void *target, const char **key);

/* Connected, or NULL with one line on standard error. Borrowed from the context. */
struct redis *context_redis(struct context *context);
struct postgres *context_postgres(struct context *context);
void context_close(struct context *context);

/* One line on standard error, "usherctl: …"; returns EXIT_FAILED. */
int context_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for what Postgres or Redis said last. */
int context_fail_postgres(const struct context *context, const char *doing);
int context_fail_redis(const struct context *context, const char *doing);

#endif
