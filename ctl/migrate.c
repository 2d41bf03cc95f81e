#include "migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "context.h"

struct migration {
    int version;
    const char *name; /* "core" */
    const unsigned char *bytes;
    size_t len;
};

/* Made by the Makefile from sql/[0-9]*.sql: `static const struct migration migrations[]`. */
#include "migrations.inc"

#define MIGRATIONS (sizeof(migrations) / sizeof(migrations[0]))
#define DIGEST_TEXT_BYTES (2 * DIGEST_BYTES + 1)

/* One number for all databases: two usherctl never migrate the same one at once. */
#define LOCK_SQL "SELECT pg_advisory_lock(8463219673215)"

static const char create_sql[] =
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    " version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now())";
static const char applied_sql[] = "SELECT version, name, sha256 FROM schema_migrations ORDER BY 1";
static const char record_sql[] =
    "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)";

static int migrate_run(struct context *context, const struct command *command, int argc,
                       char **argv);
static int migrate_locked(struct context *context, struct postgres *postgres);
static int check_applied(const struct postgres_result *applied);
static int apply(struct postgres *postgres, const struct migration *m);
static void digest_text(const struct migration *m, char text[DIGEST_TEXT_BYTES]);

const struct command migrate_command = {
    .name = "migrate",
    .positional = "",
    .summary = "Bring the database up to date with this program's migrations.",
    .run = migrate_run,
};

bool migrate_is_done(struct postgres *postgres, const char **why)
{
    struct postgres_result *applied;
    *why = NULL;
    if (postgres_query(postgres, applied_sql, 0, NULL, false, &applied)) {
        if (strcmp(postgres_sqlstate(postgres), "42P01") == 0) /* undefined_table */
            *why = "was never migrated";
        return false;
    }
    size_t rows = postgres_rows(applied);
    if (check_applied(applied) != EXIT_SUCCESS)
        *why = "has other migrations than this program";
    else if (rows < MIGRATIONS)
        *why = "lacks migrations that this program has";
    postgres_result_free(applied);
    return *why == NULL;
}

static int migrate_run(struct context *context, const struct command *command, int argc,
                       char **argv)
{
    arguments_read(command, argc, argv, NULL, NULL);
    struct postgres *postgres = context_postgres(context);
    if (postgres == NULL)
        return EXIT_FAILED;
    if (postgres_run(postgres, LOCK_SQL)) {
        if (strcmp(postgres_sqlstate(postgres), "55P03") == 0) /* lock_not_available */
            return context_fail("another migration of this database has been running for too long");
        return context_fail_postgres(context, "taking the migration lock");
    }
    return migrate_locked(context, postgres); /* the lock goes with the session */
}

static int migrate_locked(struct context *context, struct postgres *postgres)
{
    struct postgres_result *applied;
    if (postgres_run(postgres, create_sql) ||
        postgres_query(postgres, applied_sql, 0, NULL, false, &applied))
        return context_fail_postgres(context, "reading schema_migrations");
    int failed = check_applied(applied);
    size_t done = postgres_rows(applied);
    postgres_result_free(applied);
    if (failed)
        return failed;
    for (size_t i = done; i < MIGRATIONS; i++)
        if (apply(postgres, &migrations[i]))
            return EXIT_FAILED;
    printf("migrate: the database is at migration %d\n", migrations[MIGRATIONS - 1].version);
    return EXIT_SUCCESS;
}

/* What was applied must be exactly the first of what this program has. */
static int check_applied(const struct postgres_result *applied)
{
    for (size_t i = 0; i < postgres_rows(applied); i++) {
        int version = (int)postgres_cell_i64(applied, i, 0);
        if (version > migrations[MIGRATIONS - 1].version)
            return context_fail("the database is newer than this program: it has migration %d,"
                                " this usherctl knows %d",
                                version, migrations[MIGRATIONS - 1].version);
        if (i >= MIGRATIONS || migrations[i].version != version)
            return context_fail("migration %04d was applied out of order, or is not this program's",
                                version);
        char digest[DIGEST_TEXT_BYTES];
        digest_text(&migrations[i], digest);
        if (!span_is(postgres_cell(applied, i, 2), digest))
            return context_fail("migration %04d_%s was changed after it was applied;"
                                " migrations go forward only: restore it and add a new one",
                                version, migrations[i].name);
    }
    return EXIT_SUCCESS;
}

static enum err apply_in_transaction(struct postgres *postgres, const struct migration *m)
{
    char version[16], digest[DIGEST_TEXT_BYTES];
    snprintf(version, sizeof(version), "%d", m->version);
    digest_text(m, digest);
    char *sql = malloc(m->len + 1);
    if (sql == NULL)
        return ERR_MEMORY;
    memcpy(sql, m->bytes, m->len);
    sql[m->len] = '\0';
    enum err err = postgres_run(postgres, "BEGIN");
    if (!err)
        err = postgres_run(postgres, sql);
    free(sql);
    TRY(err);
    struct postgres_result *result;
    struct postgres_parameter row[] = {{version, strlen(version), false},
                                       {m->name, strlen(m->name), false},
                                       {digest, strlen(digest), false}};
    TRY(postgres_query(postgres, record_sql, 3, row, false, &result));
    postgres_result_free(result);
    return postgres_commit(postgres);
}

static int apply(struct postgres *postgres, const struct migration *m)
{
    enum err err = apply_in_transaction(postgres, m);
    if (err)
        return context_fail("migration %04d_%s: %s; %s", m->version, m->name,
                            err == ERR_MEMORY ? "out of memory" : postgres_why(postgres),
                            err == ERR_UNKNOWN ? "run usherctl migrate again to see how it ended"
                                               : "nothing of it was applied");
    printf("migrate: applied %04d_%s\n", m->version, m->name);
    return EXIT_SUCCESS;
}

static void digest_text(const struct migration *m, char text[DIGEST_TEXT_BYTES])
{
    unsigned char digest[DIGEST_BYTES];
    struct span part = {(const char *)m->bytes, m->len};
    digest_sha256(&part, 1, digest);
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}
