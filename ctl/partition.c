/*
 * A partition at home is a row. One in another database is a row there and a pointer here, and what
 * is between is done in steps that may each be done again, whatever became of them:
 *
 *   home has a name ─▶ the other is looked at ─▶ its numbers are reserved ─▶ its row ─▶ the pointer
 */
#include "partition.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "context.h"
#include "databases.h"
#include "migrate.h"
#include "show_store.h"

struct add_arguments {
    const char *dsn;
};

static const struct flag add_flags[] = {
    {"--dsn", FLAG_TEXT, offsetof(struct add_arguments, dsn), 0, 0, "DSN",
     "in another database, migrated before: a libpq URL or keywords without a password; what it "
     "leaves out is as in the option postgres"},
};

static int add_run(struct context *context, const struct command *command, int argc, char **argv);

const struct command partition_add_command = {
    .name = "partition add",
    .positional = "N",
    .summary = "Add a partition; the next free allocator takes it. Done twice it changes nothing.",
    .run = add_run,
    .flags = {{add_flags, sizeof(add_flags) / sizeof(add_flags[0])}},
};

/* One at a time, since it is done in steps. The lock goes with the session. */
#define LOCK_SQL "SELECT pg_advisory_lock(8463219673216)"

#define ID_TEXT_BYTES 40

/* What home has written down of the other database. */
struct membership {
    char home[ID_TEXT_BYTES], id[ID_TEXT_BYTES];
    int64_t first, last;
};

static const char home_sql[] = "SELECT name_home()";
static const char reserve_sql[] = "SELECT id, first_show, last_show FROM reserve_database($1)";
static const char join_sql[] =
    "SELECT join_home($1::uuid, $2::uuid, $3::integer, $4::integer, $5::integer)";
static const char point_sql[] = "INSERT INTO partitions (partition, dsn) VALUES ($1::integer, $2)"
                                " ON CONFLICT DO NOTHING";
/* Why a database may not be home's, told before numbers are reserved for it; join_home knows best.
 */
static const char foreign_sql[] =
    "SELECT CASE WHEN id = $1::uuid THEN 'is home itself'"
    " WHEN home <> $1::uuid OR id IS NOT NULL AND home IS NULL THEN 'belongs to another home'"
    " WHEN id IS NULL AND (EXISTS (SELECT FROM partitions) OR EXISTS (SELECT FROM shows))"
    "  THEN 'has partitions or shows of its own' END, id"
    " FROM databases WHERE dsn = ''";

static const char known_sql[] = "SELECT dsn FROM databases WHERE id = $1::uuid AND dsn <> $2";

static struct postgres_parameter text_of(const char *text)
{
    return (struct postgres_parameter){text, strlen(text), false};
}

static void copy(struct span text, char into[ID_TEXT_BYTES])
{
    snprintf(into, ID_TEXT_BYTES, "%.*s", (int)text.len, text.bytes);
}

static int fail_other(const char *dsn, struct postgres *other, const char *doing)
{
    return context_fail("%s, %s: %s", dsn, doing, postgres_why(other));
}

/* Home's name, by which it is known whose a database is. */
static enum err name_home(struct postgres *home, struct membership *m)
{
    struct postgres_result *row;
    TRY(postgres_run(home, LOCK_SQL));
    TRY(postgres_query(home, home_sql, 0, NULL, false, &row));
    copy(postgres_cell(row, 0, 0), m->home);
    postgres_result_free(row);
    return ERR_NONE;
}

/* The same database under two names would have two ranges of numbers. */
static int look_whether_known(struct context *context, const char *dsn, struct span id)
{
    const struct postgres_parameter row[] = {{id.bytes, id.len, false}, text_of(dsn)};
    struct postgres_result *known;
    if (postgres_query(context->postgres, known_sql, 2, row, false, &known))
        return context_fail_postgres(context, "looking whether it is known");
    struct span as = postgres_rows(known) > 0 ? postgres_cell(known, 0, 0) : SPAN("");
    int code = as.len == 0 ? EXIT_SUCCESS
                           : context_fail("that database is known at home as \"%.*s\"", (int)as.len,
                                          as.bytes);
    postgres_result_free(known);
    return code;
}

static int look_whose(struct context *context, struct postgres *other, const char *dsn,
                      const struct membership *m)
{
    const struct postgres_parameter home = text_of(m->home);
    struct postgres_result *row;
    if (postgres_query(other, foreign_sql, 1, &home, false, &row))
        return fail_other(dsn, other, "looking whose it is");
    struct span foreign = postgres_cell(row, 0, 0);
    int code = EXIT_SUCCESS;
    if (foreign.len > 0)
        code = context_fail("that database %.*s", (int)foreign.len, foreign.bytes);
    else if (!postgres_is_null(row, 0, 1))
        code = look_whether_known(context, dsn, postgres_cell(row, 0, 1));
    postgres_result_free(row);
    return code;
}

static int look_at_other(struct context *context, struct postgres *other, const char *dsn,
                         const struct membership *m)
{
    const char *why;
    if (postgres_connect(other))
        return fail_other(dsn, other, "connecting");
    if (migrate_is_done(other, &why))
        return look_whose(context, other, dsn, m);
    if (why == NULL)
        return fail_other(dsn, other, "reading schema_migrations");
    return context_fail("that database %s; usherctl --postgres=… migrate, told of it, brings it"
                        " up to date",
                        why);
}

static enum err reserve(struct postgres *home, const char *dsn, struct membership *m)
{
    const struct postgres_parameter one = text_of(dsn);
    struct postgres_result *row;
    TRY(postgres_query(home, reserve_sql, 1, &one, false, &row));
    copy(postgres_cell(row, 0, 0), m->id);
    m->first = postgres_cell_i64(row, 0, 1);
    m->last = postgres_cell_i64(row, 0, 2);
    postgres_result_free(row);
    return ERR_NONE;
}

static enum err point(struct postgres *home, const char *partition, const char *dsn)
{
    const struct postgres_parameter row[] = {text_of(partition), text_of(dsn)};
    struct postgres_result *result;
    TRY(postgres_query(home, point_sql, 2, row, false, &result));
    postgres_result_free(result);
    return ERR_NONE;
}

static enum err join(struct postgres *other, const struct membership *m, const char *partition)
{
    char first[24], last[24];
    snprintf(first, sizeof(first), "%" PRId64, m->first);
    snprintf(last, sizeof(last), "%" PRId64, m->last);
    const struct postgres_parameter row[] = {text_of(m->home), text_of(m->id), text_of(first),
                                             text_of(last), text_of(partition)};
    struct postgres_result *result;
    TRY(postgres_query(other, join_sql, 5, row, false, &result));
    postgres_result_free(result);
    return ERR_NONE;
}

/* The pointer is committed last, and keeps its number from everybody else meanwhile. */
static int join_and_point(struct context *context, struct postgres *other, const char *dsn,
                          const struct membership *m, const char *partition)
{
    struct postgres *home = context->postgres;
    if (postgres_run(home, "BEGIN") || point(home, partition, dsn))
        return context_fail_postgres(context, "adding the partition");
    if (join(other, m, partition))
        return fail_other(dsn, other, "adding the partition");
    if (postgres_commit(home))
        return context_fail_postgres(context, "adding the partition");
    return EXIT_SUCCESS;
}

static int add_there(struct context *context, struct postgres *other, const char *partition,
                     const char *dsn, bool existed)
{
    struct membership m;
    if (name_home(context->postgres, &m))
        return context_fail_postgres(context, "adding the partition");
    int code = look_at_other(context, other, dsn, &m);
    if (code == EXIT_SUCCESS && reserve(context->postgres, dsn, &m))
        code = context_fail_postgres(context, "reserving numbers");
    if (code == EXIT_SUCCESS)
        code = join_and_point(context, other, dsn, &m, partition);
    if (code == EXIT_SUCCESS)
        printf("partition %s %s; its shows have numbers from %" PRId64 " to %" PRId64 "\n",
               partition, existed ? "was there already" : "added", m.first, m.last);
    return code;
}

static int add_here(struct context *context, int64_t partition, const char *word)
{
    bool existed;
    if (partition_add(context->postgres, partition, &existed))
        return context_fail_postgres(context, "adding the partition");
    printf("partition %s %s\n", word, existed ? "was there already" : "added");
    return EXIT_SUCCESS;
}

static int add(struct context *context, int64_t partition, const char *word, const char *dsn)
{
    char is_at[DSN_BYTES_MAX + 1];
    bool exists;
    if (context_postgres(context) == NULL)
        return EXIT_FAILED;
    if (databases_find(context->postgres, partition, is_at, &exists))
        return context_fail_postgres(context, "adding the partition");
    if (exists && strcmp(is_at, dsn) != 0)
        return context_fail("partition %s is there already: it is %s%s", word,
                            *is_at == '\0' ? "at home" : "in ", is_at);
    if (*dsn == '\0')
        return add_here(context, partition, word);
    struct postgres *other = database_link(context, dsn);
    int code = add_there(context, other, word, dsn, exists);
    postgres_free(other);
    return code;
}

static int add_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct add_arguments arguments = {.dsn = NULL};
    const char *word, *why;
    uint64_t partition;
    arguments_read(command, argc, argv, &arguments, &word);
    if (!text_u64(span_of(word), INT32_MAX, &partition) || partition == 0)
        arguments_wrong(command, "a partition is a number from 1 to %d, not '%s'", INT32_MAX, word);
    if (arguments.dsn != NULL && (why = dsn_check(arguments.dsn)) != NULL)
        arguments_wrong(command, "the DSN %s", why);
    return add(context, (int64_t)partition, word, arguments.dsn != NULL ? arguments.dsn : "");
}
