/*
 * The databases of an installation: home, which the option `postgres` names, and those that home's
 * partitions point to (sql/0016_databases.sql). Who has one database has one here.
 */
#ifndef USHER_CTL_DATABASES_H
#define USHER_CTL_DATABASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/err.h"
#include "context.h"
#include "link/dsn.h"

struct database {
    char dsn[DSN_BYTES_MAX + 1]; /* as home has it; "": home */
    struct postgres *postgres;   /* home's is the context's */
};

struct databases {
    size_t count;
    struct database each[DATABASES_MAX]; /* home first, then by their DSNs */
};

/* What is called "home" and what by its DSN. */
const char *database_name(const struct database *database);

/* A link to what a DSN means here, not yet connected. Owned by the caller. */
struct postgres *database_link(const struct context *context, const char *dsn);

/*
 * Home (connected already) and all others, connected where they can be reached:
 * postgres_is_connected and postgres_why say which. An error is home's. databases_close follows in
 * any case.
 */
enum err databases_open(struct context *context, struct databases *databases);
void databases_close(struct databases *databases);

/* The DSN of a partition as home has it: "" also where there is none of this number. */
enum err databases_find(struct postgres *home, int64_t partition, char dsn[DSN_BYTES_MAX + 1],
                        bool *exists);

#endif
