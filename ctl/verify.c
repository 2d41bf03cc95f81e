#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "context.h"
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
    size_t undecided; /* partitions that were never quiet */
};

static enum err read_partitions(struct postgres *postgres, struct postgres_result **partitions)
{
    return postgres_query(postgres, "SELECT partition FROM partitions ORDER BY partition", 0, NULL,
                          false, partitions);
}

static enum err verify_partitions(struct context *context, const struct verify_arguments *arguments,
                                  struct verification *v)
{
    struct postgres_result *partitions;
    TRY(read_partitions(context->postgres, &partitions));
    enum err err = ERR_NONE;
    for (size_t i = 0; !err && i < postgres_rows(partitions); i++) {
        uint32_t partition = (uint32_t)postgres_cell_i64(partitions, i, 0);
        enum verdict verdict;
        err = verify_partition(context->postgres, context->redis, partition,
                               arguments->wait_seconds * 1000, &v->found, &verdict);
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

/* A link that failed: which one it was tells its own state. */
static int give_up(struct context *context, const struct verification *v)
{
    differences_print(&v->found);
    if (context->redis != NULL && !redis_is_connected(context->redis))
        context_fail_redis(context, "verifying");
    else
        context_fail_postgres(context, "verifying");
    return EXIT_UNDECIDED;
}

static int verify_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct verify_arguments arguments = {.wait_seconds = 15};
    arguments_read(command, argc, argv, &arguments, NULL);
    struct postgres *postgres = context_postgres(context);
    if (postgres == NULL || (!arguments.postgres_only && context_redis(context) == NULL))
        return EXIT_UNDECIDED;
    struct verification *v = calloc(1, sizeof(*v));
    if (v == NULL)
        abort();
    enum err err = verify_postgres(postgres, &v->found, &v->counts);
    if (!err && !arguments.postgres_only)
        err = verify_partitions(context, &arguments, v);
    int code = err ? give_up(context, v) : conclude(v);
    free(v);
    return code;
}
