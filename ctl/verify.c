#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "databases.h"
#include "verify_postgres.h"
#include "verify_redis.h"

struct verify_arguments {
    int64_t wait_seconds;
    bool postgres_only;
};

static const struct flag verify_flags[] = {
    {"--wait-seconds", FLAG_NUMBER, offsetof(struct verify_arguments, wait_seconds), 1, 3600, "N",
     "how long a partition may take to be quiet [15]"},
    {"--postgres-only", FLAG_SWITCH, offsetof(struct verify_arguments, postgres_only), 0, 0, "",
     "do not look at Redis"},
};

static int verify_run(struct context *context, const struct command *command, int argc,
                      char **argv);

const struct command verify_command = {
    .name = "verify",
    .positional = "",
    .summary = "Recount every invariant from Postgres, and compare Redis with it. Exit 0: clean;\n"
               "1: there are differences, a line each; 3: it could not be found out.",
    .run = verify_run,
    .flags = {{verify_flags, sizeof(verify_flags) / sizeof(verify_flags[0])}},
};

/* What is known so far. */
struct verification {
    struct differences found;
    struct verify_counts counts;
    size_t undecided; /* partitions that were never quiet, databases that could not be read */
};

static enum err read_partitions(struct postgres *postgres, struct postgres_result **partitions)
{
    return postgres_query(postgres,
                          "SELECT partition FROM partitions WHERE dsn = '' ORDER BY partition", 0,
                          NULL, false, partitions);
}

static enum err verify_partitions(struct context *context, struct postgres *postgres,
                                  const struct verify_arguments *arguments, struct verification *v)
{
    struct postgres_result *partitions;
    TRY(read_partitions(postgres, &partitions));
    enum err err = ERR_NONE;
    for (size_t i = 0; !err && i < postgres_rows(partitions); i++) {
        uint32_t partition = (uint32_t)postgres_cell_i64(partitions, i, 0);
        enum verdict verdict;
        err = verify_partition(postgres, context->redis, partition, arguments->wait_seconds * 1000,
                               &v->found, &verdict);
        if (err || verdict == VERDICT_COMPARED)
            continue;
        v->undecided++;
        printf("verify: partition %" PRIu32 ": it was never quiet within %" PRId64 " s, so Redis"
               " and Postgres could not be compared at one version; stop its traffic, or try"
               " again\n",
               partition, arguments->wait_seconds);
    }
    postgres_result_free(partitions);
    return err;
}

static int conclude(const struct verification *v)
{
    differences_print(&v->found);
    if (v->found.count > 0) {
        printf("verify: %zu differences: %" PRId64 " shows, %" PRId64 " bookings, %" PRId64
               " partitions\n",
               v->found.count, v->counts.shows, v->counts.bookings, v->counts.partitions);
        return EXIT_FAILED;
    }
    if (v->undecided > 0)
        return EXIT_UNDECIDED;
    printf("verify: clean: %" PRId64 " shows, %" PRId64 " bookings, %" PRId64 " partitions\n",
           v->counts.shows, v->counts.bookings, v->counts.partitions);
    return EXIT_SUCCESS;
}

/* One word of the one row that `ask_sql` has in `of`, given to `compare_sql` in `with` beside the
 * other's DSN; each row of that is a sentence. */
static enum err compare_databases(const struct database *of, const char *ask_sql,
                                  const struct database *with, const char *compare_sql,
                                  struct differences *found)
{
    struct postgres_result *words, *lines = NULL;
    TRY(postgres_query(of->postgres, ask_sql, 0, NULL, false, &words));
    struct span list = postgres_cell(words, 0, 0);
    const struct postgres_parameter row[] = {{list.bytes, list.len, false},
                                             {of->dsn, strlen(of->dsn), false}};
    enum err err = postgres_query(with->postgres, compare_sql, 2, row, false, &lines);
    for (size_t i = 0; !err && i < postgres_rows(lines); i++) {
        struct span line = postgres_cell(lines, i, 0);
        differences_add(found, "%.*s", (int)line.len, line.bytes);
    }
    postgres_result_free(lines);
    postgres_result_free(words);
    return err;
}

static const char partitions_of_sql[] =
    "SELECT coalesce(string_agg(partition::text, ','), '') FROM partitions WHERE dsn = ''";
static const char pointers_sql[] =
    "WITH theirs AS (SELECT unnest(string_to_array($1, ','))::integer AS partition),"
    " pointers AS (SELECT partition FROM partitions WHERE dsn = $2)"
    " SELECT format('partition %s: home says that it is in %s, which has none', partition, "
    "$2::text)"
    " FROM (TABLE pointers EXCEPT TABLE theirs ORDER BY 1) p"
    " UNION ALL"
    " SELECT format('partition %s: it is in %s, and home does not say so; add it again',"
    "  partition, $2::text) FROM (TABLE theirs EXCEPT TABLE pointers ORDER BY 1) t";
static const char slugs_of_sql[] = "SELECT coalesce(string_agg(slug, ','), '') FROM shows";
static const char slugs_sql[] =
    "SELECT format('show %s: it has the slug %s, as another one in %s', show, slug, $2::text)"
    " FROM shows WHERE slug = ANY (string_to_array($1, ',')) ORDER BY show LIMIT 20";

/* What home points to is there, what is there is what home points to, and a slug is one show's. */
static enum err verify_between(const struct databases *databases, size_t at,
                               struct differences *found)
{
    const struct database *home = &databases->each[0], *other = &databases->each[at];
    TRY(compare_databases(other, partitions_of_sql, home, pointers_sql, found));
    for (size_t i = 0; i < at; i++)
        if (postgres_is_connected(databases->each[i].postgres))
            TRY(compare_databases(other, slugs_of_sql, &databases->each[i], slugs_sql, found));
    return ERR_NONE;
}

/* One database and its partitions. A link that failed: which one it was tells its own state. */
static void verify_database(struct context *context, const struct databases *databases, size_t at,
                            const struct verify_arguments *arguments, struct verification *v)
{
    const struct database *database = &databases->each[at];
    struct postgres *postgres = database->postgres, *home = context->postgres;
    struct verify_counts counts;
    enum err err = ERR_UNAVAILABLE;
    if (postgres_is_connected(postgres))
        err = verify_postgres(postgres, &v->found, &counts);
    if (!err) {
        v->counts.shows += counts.shows;
        v->counts.bookings += counts.bookings;
        v->counts.partitions += counts.partitions;
    }
    if (!err && at > 0)
        err = verify_between(databases, at, &v->found);
    if (!err && !arguments->postgres_only)
        err = verify_partitions(context, postgres, arguments, v);
    if (!err)
        return;
    v->undecided++;
    if (context->redis != NULL && !redis_is_connected(context->redis))
        context_fail_redis(context, "verifying");
    else
        context_fail("Postgres (%s), verifying: %s", database_name(database),
                     *postgres_why(postgres) != '\0' ? postgres_why(postgres) : postgres_why(home));
}

static int verify_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct verify_arguments arguments = {.wait_seconds = 15};
    arguments_read(command, argc, argv, &arguments, NULL);
    if (context_postgres(context) == NULL ||
        (!arguments.postgres_only && context_redis(context) == NULL))
        return EXIT_UNDECIDED;
    struct databases databases;
    struct verification *v = calloc(1, sizeof(*v));
    if (v == NULL)
        abort();
    int code = EXIT_UNDECIDED;
    if (databases_open(context, &databases))
        context_fail_postgres(context, "verifying");
    else {
        for (size_t i = 0; i < databases.count; i++)
            verify_database(context, &databases, i, &arguments, v);
        code = conclude(v);
    }
    databases_close(&databases);
    free(v);
    return code;
}
