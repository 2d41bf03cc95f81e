/*
 * usherctl migrate: numbered forward-only migrations, sql/NNNN_name.sql, carried inside the
 * program. Each is applied once, in its own transaction, under an advisory lock, and written down
 * in schema_migrations with its SHA-256: one that was changed after it was applied is an error.
 */
#ifndef USHER_CTL_MIGRATE_H
#define USHER_CTL_MIGRATE_H

#include <stdbool.h>

#include "arguments.h"
#include "link/postgres.h"

extern const struct command migrate_command;

/* Is this database as far as this program? False: *why is a static clause about it, or NULL if it
 * could not be found out (postgres_why). */
bool migrate_is_done(struct postgres *postgres, const char **why);

#endif
