#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/keys.h"
#include "base/text.h"
#include "context.h"
#include "databases.h"
#include "json.h"

static int status_run(struct context *context, const struct command *command, int argc,
                      char **argv);
static enum err read_partitions(struct context *context, struct status *status);
static enum err read_report(struct redis *redis, struct partition_status *p);
static enum err read_stream(struct redis *redis, struct partition_status *p);
static enum err read_gateways(struct redis *redis, struct status *status);
static void print_status(const struct status *status);

struct status_arguments {
    bool json;
};

static const struct flag status_flags[] = {
    {"--json", FLAG_SWITCH, offsetof(struct status_arguments, json), 0, 0, "",
     "one JSON object instead of a table"},
};

const struct command status_command = {
    .name = "status",
    .positional = "",
    .summary = "Show partitions (owner, epoch, version, backlog, rate) and gateways.",
    .run = status_run,
    .flags = {{status_flags, sizeof(status_flags) / sizeof(status_flags[0])}},
};

static const char partitions_sql[] =
    "SELECT partition, owner, epoch, version, cursor,"
    " CASE WHEN heartbeat = '-infinity' THEN -1"
    " ELSE greatest(0, extract(epoch FROM clock_timestamp() - heartbeat) * 1000)::bigint END, dsn"
    " FROM partitions ORDER BY partition";

static enum err read_redis(struct redis *redis, struct status *status)
{
    for (size_t i = 0; i < status->partitions; i++) {
        TRY(read_report(redis, &status->partition[i]));
        TRY(read_stream(redis, &status->partition[i]));
    }
    return read_gateways(redis, status);
}

int status_read(struct context *context, struct status *status)
{
    *status = (struct status){.partitions = 0};
    if (context_postgres(context) == NULL)
        return EXIT_FAILED;
    if (read_partitions(context, status))
        return context_fail_postgres(context, "reading partitions");
    struct redis *redis = context_redis(context);
    if (redis == NULL || read_redis(redis, status))
        snprintf(status->redis_fault, sizeof(status->redis_fault), "%.120s",
                 redis_why(context->redis));
    return EXIT_SUCCESS;
}

void status_free(struct status *status)
{
    free(status->partition);
    free(status->gateway);
}

static int status_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct status_arguments arguments = {.json = false};
    struct status status;
    arguments_read(command, argc, argv, &arguments, NULL);
    int code = status_read(context, &status);
    if (code == EXIT_SUCCESS) {
        if (arguments.json)
            json_write_status(stdout, &status);
        else
            print_status(&status);
        if (*status.redis_fault || *status.database_fault)
            code = EXIT_FAILED;
    }
    status_free(&status);
    return code;
}

static void copy_text(struct span text, char *into, size_t bytes)
{
    snprintf(into, bytes, "%.*s", (int)(text.len < bytes ? text.len : bytes - 1), text.bytes);
}

static void read_row(const struct postgres_result *result, size_t row, struct partition_status *p)
{
    copy_text(postgres_cell(result, row, 1), p->owner, sizeof(p->owner));
    p->epoch = postgres_cell_i64(result, row, 2);
    p->version = postgres_cell_i64(result, row, 3);
    copy_text(postgres_cell(result, row, 4), p->cursor, sizeof(p->cursor));
    p->heartbeat_age_ms = postgres_cell_i64(result, row, 5);
}

/* What home has of partitions elsewhere is only where they are. */
static enum err read_home(struct postgres *postgres, struct status *status)
{
    struct postgres_result *result;
    TRY(postgres_query(postgres, partitions_sql, 0, NULL, false, &result));
    status->partitions = postgres_rows(result);
    status->partition = calloc(status->partitions + 1, sizeof(*status->partition));
    if (status->partition == NULL)
        abort();
    for (size_t i = 0; i < status->partitions; i++) {
        struct partition_status *p = &status->partition[i];
        p->partition = (uint32_t)postgres_cell_i64(result, i, 0);
        read_row(result, i, p);
        copy_text(postgres_cell(result, i, 6), p->dsn, sizeof(p->dsn));
        p->oldest_ms = p->rate = -1;
        snprintf(p->state, sizeof(p->state), "no report");
    }
    postgres_result_free(result);
    return ERR_NONE;
}

static void read_other(const struct database *database, struct status *status)
{
    struct postgres_result *result = NULL;
    if (!postgres_is_connected(database->postgres) ||
        postgres_query(database->postgres, partitions_sql, 0, NULL, false, &result)) {
        snprintf(status->database_fault, sizeof(status->database_fault), "%.60s: %.60s",
                 database->dsn, postgres_why(database->postgres));
        return;
    }
    for (size_t row = 0; row < postgres_rows(result); row++)
        for (size_t i = 0; i < status->partitions; i++) {
            struct partition_status *p = &status->partition[i];
            if (p->partition == (uint32_t)postgres_cell_i64(result, row, 0) &&
                strcmp(p->dsn, database->dsn) == 0)
                read_row(result, row, p);
        }
    postgres_result_free(result);
}

static enum err read_partitions(struct context *context, struct status *status)
{
    struct databases databases;
    enum err err = read_home(context->postgres, status);
    if (err)
        return err;
    err = databases_open(context, &databases);
    for (size_t i = 1; !err && i < databases.count; i++)
        read_other(&databases.each[i], status);
    databases_close(&databases);
    return err;
}

/* base/allocator_report.h; the key is gone soon after its allocator is. */
static enum err read_report(struct redis *redis, struct partition_status *p)
{
    struct redis_reply *reply;
    TRY(redis_go_to(redis, p->partition));
    TRY(redis_do_words(redis, &reply, "HMGET", key_status(p->partition).text, "state", "rate",
                       NULL));
    struct span state = redis_text(redis_at(reply, 0)), rate = redis_text(redis_at(reply, 1));
    uint64_t n;
    if (state.len > 0)
        copy_text(state, p->state, sizeof(p->state));
    if (text_u64(rate, INT64_MAX, &n))
        p->rate = (int64_t)n;
    redis_reply_free(reply);
    return ERR_NONE;
}

/* The first entry behind the cursor, if there is one, is the oldest that waits. */
static enum err read_stream(struct redis *redis, struct partition_status *p)
{
    struct key key = key_requests(p->partition);
    char after[sizeof(p->cursor) + 1];
    struct redis_reply *reply;
    TRY(redis_do_words(redis, &reply, "EXISTS", key.text, NULL));
    p->has_stream = redis_integer(reply) == 1;
    redis_reply_free(reply);
    TRY(redis_do_words(redis, &reply, "XLEN", key.text, NULL));
    p->backlog_entries = redis_integer(reply);
    redis_reply_free(reply);
    snprintf(after, sizeof(after), "(%s", p->cursor);
    TRY(redis_do_words(redis, &reply, "XRANGE", key.text, after, "+", "COUNT", "1", NULL));
    if (redis_count(reply) == 0)
        p->backlog_entries = 0; /* what still stands there has been decided, and is trimmed soon */
    else
        p->oldest_ms =
            clock_wall_ms() - strtoll(redis_text(redis_at(redis_at(reply, 0), 0)).bytes, NULL, 10);
    if (redis_count(reply) > 0 && p->oldest_ms < 0)
        p->oldest_ms = 0; /* Redis' clock may be a little ahead */
    redis_reply_free(reply);
    return ERR_NONE;
}

/* A gateway is there as long as it listens for its answers. */
static enum err read_gateways(struct redis *redis, struct status *status)
{
    struct key pattern = key_replies_channel("*");
    size_t prefix = pattern.len - 1;
    struct redis_reply *reply;
    TRY(redis_do_words(redis, &reply, "PUBSUB", "CHANNELS", pattern.text, NULL));
    size_t count = redis_count(reply);
    if (count > STATUS_GATEWAYS_MAX)
        count = STATUS_GATEWAYS_MAX;
    status->gateway = calloc(count + 1, sizeof(*status->gateway));
    if (status->gateway == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct span channel = redis_text(redis_at(reply, i));
        if (channel.len <= prefix)
            continue;
        copy_text((struct span){channel.bytes + prefix, channel.len - prefix},
                  status->gateway[status->gateways++], sizeof(*status->gateway));
    }
    redis_reply_free(reply);
    return ERR_NONE;
}

/* Tables for people. */

static const char *seconds(int64_t ms, char into[32])
{
    if (ms < 0)
        return "-";
    snprintf(into, 32, "%.1f s", (double)ms / 1000);
    return into;
}

static void print_partition(const struct partition_status *p, bool with_database)
{
    char heartbeat[32], oldest[32], rate[32];
    snprintf(rate, sizeof(rate), "%" PRId64, p->rate);
    printf("%-10u %-24s %-7" PRId64 " %-10" PRId64 " %-17s %-9" PRId64 " %-8s %-9s %-*s%s\n",
           p->partition, *p->owner ? p->owner : "-", p->epoch, p->version, p->state,
           p->backlog_entries, p->rate < 0 ? "-" : rate, seconds(p->oldest_ms, oldest),
           with_database ? 10 : 0, seconds(p->heartbeat_age_ms, heartbeat),
           !with_database ? ""
           : *p->dsn      ? p->dsn
                          : "home");
}

static bool has_several_databases(const struct status *status)
{
    bool several = false;
    for (size_t i = 0; i < status->partitions; i++)
        several = several || *status->partition[i].dsn != '\0';
    return several;
}

static void print_status(const struct status *status)
{
    bool several = has_several_databases(status);
    printf("%-10s %-24s %-7s %-10s %-17s %-9s %-8s %-9s %s%s\n", "partition", "owner", "epoch",
           "version", "state", "backlog", "rate/s", "oldest", "heartbeat",
           several ? " database" : "");
    for (size_t i = 0; i < status->partitions; i++)
        print_partition(&status->partition[i], several);
    if (*status->database_fault)
        printf("\nPostgres: %s\n", status->database_fault);
    if (*status->redis_fault) {
        printf("\nRedis: %s\n", status->redis_fault);
        return;
    }
    printf("\ngateways: %zu\n", status->gateways);
    for (size_t i = 0; i < status->gateways; i++)
        printf("  %s\n", status->gateway[i]);
}
