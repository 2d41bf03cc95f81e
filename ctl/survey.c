#include "survey.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "base/clock.h"
#include "base/keys.h"
#include "base/program_report.h"
#include "base/text.h"
#include "databases.h"

/* One look; the two are compared. */
struct look {
    struct status status;
    struct surveyed *surveyed;
    int64_t at_us;
};

static const char hot_sql[] =
    "SELECT s.slug, EXISTS (SELECT FROM rooms r WHERE r.show = s.show AND r.mode <> 'off')"
    " FROM shows s WHERE s.show = $1::integer";

static const char locks_sql[] =
    "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE NOT l.granted AND a.datname = current_database()";

static uint64_t number_of(struct span text)
{
    uint64_t n;
    return text_u64(text, INT64_MAX, &n) ? n : 0;
}

/* base/allocator_report.h. One of another version has figures that cannot be read: no look then. */
static enum err look_at_report(struct redis *redis, uint32_t partition, struct surveyed *s)
{
    struct metric_value metrics[ALLOCATOR_METRICS_COUNT];
    struct redis_reply *reply;
    TRY(redis_do_words(redis, &reply, "HMGET", key_status(partition).text, "metrics", "hot_show",
                       "hot_permille", NULL));
    struct span text = redis_text(redis_at(reply, 0));
    if (text.len > 0 && metrics_read(text, metrics, ALLOCATOR_METRICS_COUNT) == ERR_NONE)
        s->look = partition_look(metrics, clock_mono_us());
    s->hot_show = (uint32_t)number_of(redis_text(redis_at(reply, 1)));
    s->hot_permille = (unsigned)number_of(redis_text(redis_at(reply, 2)));
    redis_reply_free(reply);
    return ERR_NONE;
}

/* "name:12.345678" somewhere in what INFO said, in microseconds. */
static uint64_t time_in(const char *info, const char *name)
{
    const char *at = strstr(info, name);
    double seconds = at != NULL ? strtod(at + strlen(name), NULL) : 0;
    return seconds > 0 ? (uint64_t)(seconds * 1e6) : 0;
}

static enum err look_at_redis(struct redis *redis, struct surveyed *s)
{
    struct redis_reply *reply;
    TRY(redis_do_words(redis, &reply, "INFO", "cpu", NULL));
    struct span text = redis_text(reply);
    char *info = strndup(text.len > 0 ? text.bytes : "", text.len);
    redis_reply_free(reply);
    if (info == NULL)
        return ERR_MEMORY;
    s->redis_us =
        time_in(info, "used_cpu_sys_main_thread:") + time_in(info, "used_cpu_user_main_thread:");
    free(info);
    return ERR_NONE;
}

static int look(struct context *context, struct look *l)
{
    if (context_redis(context) == NULL || status_read(context, &l->status) != EXIT_SUCCESS)
        return EXIT_FAILED;
    if (*l->status.redis_fault)
        return context_fail("Redis: %s", l->status.redis_fault);
    if (*l->status.database_fault)
        return context_fail("Postgres: %s", l->status.database_fault);
    l->surveyed = calloc(l->status.partitions + 1, sizeof(*l->surveyed));
    if (l->surveyed == NULL)
        abort();
    l->at_us = clock_mono_us();
    for (size_t i = 0; i < l->status.partitions; i++) {
        uint32_t partition = l->status.partition[i].partition;
        if (redis_go_to(context->redis, partition) ||
            look_at_report(context->redis, partition, &l->surveyed[i]) ||
            look_at_redis(context->redis, &l->surveyed[i]))
            return context_fail_redis(context, "reading a report");
    }
    return EXIT_SUCCESS;
}

static enum err read_load(struct redis *redis, struct span name, struct survey *s)
{
    char text[PROGRAM_NAME_BYTES_MAX + 1];
    struct redis_reply *reply;
    if (name.len >= sizeof(text))
        return ERR_NONE;
    snprintf(text, sizeof(text), "%.*s", (int)name.len, name.bytes);
    struct key key = key_report(PROGRAM_GATEWAY, text);
    TRY(redis_do_words(redis, &reply, "GET", key.text, NULL));
    if (redis_kind_of(reply) == REDIS_STRING)
        gateway_load_read(redis_text(reply), &s->gateway[s->gateways++]);
    redis_reply_free(reply);
    return ERR_NONE;
}

/* base/program_report.h; a report is gone soon after its gateway is. */
static enum err read_gateways(struct redis *redis, struct survey *s)
{
    struct redis_reply *names;
    enum err err = ERR_NONE;
    TRY(redis_go_to(redis, 1));
    TRY(redis_do_words(redis, &names, "SMEMBERS", key_reports(PROGRAM_GATEWAY).text, NULL));
    size_t count = redis_count(names);
    if (count > PROGRAM_REPORTS_MAX)
        count = PROGRAM_REPORTS_MAX;
    s->gateway = calloc(count + 1, sizeof(*s->gateway));
    if (s->gateway == NULL)
        abort();
    for (size_t i = 0; !err && i < count; i++)
        err = read_load(redis, redis_text(redis_at(names, i)), s);
    redis_reply_free(names);
    return err;
}

static enum err read_hot_show(struct postgres *postgres, struct surveyed *s)
{
    char number[16];
    struct postgres_result *result;
    snprintf(number, sizeof(number), "%" PRIu32, s->hot_show);
    struct postgres_parameter parameter = {number, strlen(number), false};
    TRY(postgres_query(postgres, hot_sql, 1, &parameter, false, &result));
    if (postgres_rows(result) == 1) {
        struct span slug = postgres_cell(result, 0, 0);
        snprintf(s->slug, sizeof(s->slug), "%.*s", (int)slug.len, slug.bytes);
        s->has_room = span_is(postgres_cell(result, 0, 1), "t");
    }
    postgres_result_free(result);
    return ERR_NONE;
}

static enum err read_database(const struct database *database, struct survey *s)
{
    struct postgres_result *result;
    TRY(postgres_query(database->postgres, locks_sql, 0, NULL, false, &result));
    s->figures.lock_waits += (unsigned)postgres_cell_i64(result, 0, 0);
    postgres_result_free(result);
    for (size_t i = 0; i < s->status.partitions; i++)
        if (s->surveyed[i].hot_show != 0 && strcmp(s->status.partition[i].dsn, database->dsn) == 0)
            TRY(read_hot_show(database->postgres, &s->surveyed[i]));
    return ERR_NONE;
}

static enum err read_databases(struct context *context, struct survey *s)
{
    struct databases databases;
    enum err err = databases_open(context, &databases);
    for (size_t i = 0; !err && i < databases.count; i++)
        err = read_database(&databases.each[i], s);
    databases_close(&databases);
    return err;
}

/* The same partition in an earlier look; NULL if it came since. */
static const struct surveyed *before_of(const struct look *before, uint32_t partition)
{
    for (size_t i = 0; i < before->status.partitions; i++)
        if (before->status.partition[i].partition == partition)
            return &before->surveyed[i];
    return NULL;
}

/* A database's number is that of the first partition in it. */
static uint32_t database_of(const struct survey *s, const char *dsn)
{
    size_t i = 0;
    while (strcmp(s->status.partition[i].dsn, dsn) != 0)
        i++;
    return s->status.partition[i].partition;
}

static struct partition_figures compare(const struct surveyed *before, const struct surveyed *now,
                                        const struct partition_status *status, uint32_t database)
{
    struct partition_figures f = {.partition = status->partition,
                                  .database = database,
                                  .is_serving = strcmp(status->state, "serving") == 0,
                                  .hot_show = now->hot_show,
                                  .hot_share = now->hot_permille / 1000.0,
                                  .hot_has_room = now->has_room};
    if (before != NULL && now->look.at_us != 0)
        partition_between(&before->look, &now->look, &f);
    /* Who stands in line now has waited, too, however little was decided. */
    if ((double)status->oldest_ms > f.wait_ms)
        f.wait_ms = (double)status->oldest_ms;
    return f;
}

static void compare_all(const struct look *before, struct survey *s)
{
    s->partition = calloc(s->status.partitions + 1, sizeof(*s->partition));
    if (s->partition == NULL)
        abort();
    s->figures.redis_busy = -1;
    for (size_t i = 0; i < s->status.partitions; i++) {
        const struct partition_status *status = &s->status.partition[i];
        const struct surveyed *now = &s->surveyed[i], *then = before_of(before, status->partition);
        s->partition[i] = compare(then, now, status, database_of(s, status->dsn));
        if (then == NULL || now->redis_us < then->redis_us || now->redis_us == 0)
            continue;
        double busy = (double)(now->redis_us - then->redis_us) / 1e6 / s->seconds;
        if (busy > s->figures.redis_busy)
            s->figures.redis_busy = busy;
    }
    s->figures.partitions = s->status.partitions;
    s->figures.partition = s->partition;
    s->figures.gateways = s->gateways;
    s->figures.gateway = s->gateway;
}

static int look_again(struct context *context, const struct look *before, struct survey *s)
{
    struct look now = {.at_us = 0};
    int code = look(context, &now);
    s->status = now.status;
    s->surveyed = now.surveyed;
    if (code != EXIT_SUCCESS)
        return code;
    s->seconds = (double)(now.at_us - before->at_us) / 1e6;
    if (read_gateways(context->redis, s))
        return context_fail_redis(context, "reading the gateways' reports");
    if (read_databases(context, s))
        return context_fail_postgres(context, "reading shows and locks");
    compare_all(before, s);
    return EXIT_SUCCESS;
}

int survey_take(struct context *context, int64_t seconds, struct survey *survey)
{
    struct look before = {.at_us = 0};
    *survey = (struct survey){.seconds = 0};
    int code = look(context, &before);
    if (code == EXIT_SUCCESS) {
        clock_sleep_ms(seconds * 1000);
        code = look_again(context, &before, survey);
    }
    status_free(&before.status);
    free(before.surveyed);
    return code;
}

void survey_free(struct survey *survey)
{
    status_free(&survey->status);
    free(survey->surveyed);
    free(survey->partition);
    free(survey->gateway);
}

const struct surveyed *survey_partition(const struct survey *survey, uint32_t partition)
{
    for (size_t i = 0; i < survey->status.partitions; i++)
        if (survey->status.partition[i].partition == partition)
            return &survey->surveyed[i];
    return NULL;
}
