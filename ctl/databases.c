#include "databases.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char list_sql[] = "SELECT DISTINCT dsn FROM partitions WHERE dsn <> '' ORDER BY dsn";
static const char find_sql[] = "SELECT dsn FROM partitions WHERE partition = $1";

static void copy_dsn(struct span text, char into[DSN_BYTES_MAX + 1])
{
    snprintf(into, DSN_BYTES_MAX + 1, "%.*s", (int)text.len, text.bytes);
}

const char *database_name(const struct database *database)
{
    return database->dsn[0] == '\0' ? "home" : database->dsn;
}

struct postgres *database_link(const struct context *context, const char *dsn)
{
    char *conninfo = dsn_merge(context->options.postgres, dsn);
    struct postgres *postgres =
        postgres_new(conninfo != NULL ? conninfo : dsn, "usherctl", context->options.timeout_ms);
    free(conninfo);
    return postgres;
}

enum err databases_open(struct context *context, struct databases *databases)
{
    struct postgres_result *rows;
    databases->count = 1;
    databases->each[0] = (struct database){.postgres = context->postgres};
    TRY(postgres_query(context->postgres, list_sql, 0, NULL, false, &rows));
    for (size_t i = 0; i < postgres_rows(rows) && databases->count < DATABASES_MAX; i++) {
        struct database *other = &databases->each[databases->count];
        copy_dsn(postgres_cell(rows, i, 0), other->dsn);
        other->postgres = database_link(context, other->dsn);
        if (postgres_connect(other->postgres))
            postgres_disconnect(other->postgres); /* whoever needs it says why */
        databases->count++;
    }
    postgres_result_free(rows);
    return ERR_NONE;
}

void databases_close(struct databases *databases)
{
    for (size_t i = 1; i < databases->count; i++)
        postgres_free(databases->each[i].postgres);
    databases->count = 0;
}

enum err databases_find(struct postgres *home, int64_t partition, char dsn[DSN_BYTES_MAX + 1],
                        bool *exists)
{
    char number[24];
    snprintf(number, sizeof(number), "%" PRId64, partition);
    const struct postgres_parameter one = {number, strlen(number), false};
    struct postgres_result *row;
    dsn[0] = '\0';
    TRY(postgres_query(home, find_sql, 1, &one, false, &row));
    *exists = postgres_rows(row) > 0;
    if (*exists)
        copy_dsn(postgres_cell(row, 0, 0), dsn);
    postgres_result_free(row);
    return ERR_NONE;
}
