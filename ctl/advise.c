#include "advise.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define PER_MINUTE_MAX 1000000 /* people that a room lets in (sql/0010_room.sql) */

static int advise_run(struct context *context, const struct command *command, int argc,
                      char **argv);

struct advise_arguments {
    bool json;
    int64_t seconds;
};

static const struct flag advise_flags[] = {
    {"--json", FLAG_SWITCH, offsetof(struct advise_arguments, json), 0, 0, "",
     "one JSON object instead of sentences"},
    {"--seconds", FLAG_NUMBER, offsetof(struct advise_arguments, seconds), 1, 600, "N",
     "between the two looks [5]"},
};

const struct command advise_command = {
    .name = "advise",
    .positional = "",
    .summary =
        "Look at how busy partitions, gateways, Redis and Postgres are, and say what should\n"
        "be done: exit status 4 if something should, 0 if not.",
    .run = advise_run,
    .flags = {{advise_flags, sizeof(advise_flags) / sizeof(advise_flags[0])}},
};

static const char *const what_words[FINDING_KINDS] = {
    [FINDING_NOT_SERVED] = "not_served",       [FINDING_HOT_SHOW] = "hot_show",
    [FINDING_WAITING_ROOM] = "waiting_room",   [FINDING_PARTITION_HIGH] = "partition_high",
    [FINDING_POSTGRES_SLOW] = "postgres_slow", [FINDING_LOCK_WAITS] = "lock_waits",
    [FINDING_REDIS_BUSY] = "redis_busy",       [FINDING_GATEWAYS_FEW] = "gateways_few",
    [FINDING_WORKER_BUSY] = "worker_busy",     [FINDING_PARTITIONS_MANY] = "partitions_many",
    [FINDING_GATEWAYS_MANY] = "gateways_many",
};

#define PERCENT(share) ((int)(100 * (share) + 0.5))

static void __attribute__((format(printf, 2, 3))) why(struct advice *a, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(a->why, sizeof(a->why), format, list);
    va_end(list);
}

static void __attribute__((format(printf, 2, 3))) do_this(struct advice *a, const char *format, ...)
{
    va_list list;
    if (a->commands == ADVICE_COMMANDS_MAX)
        return;
    va_start(list, format);
    vsnprintf(a->command[a->commands++], ADVICE_COMMAND_BYTES, format, list);
    va_end(list);
}

/* A number that no partition has. */
static uint32_t next_partition(const struct survey *s)
{
    uint32_t last = 0;
    for (size_t i = 0; i < s->status.partitions; i++)
        if (s->status.partition[i].partition > last)
            last = s->status.partition[i].partition;
    return last + 1;
}

/* The database of a partition; "": home. */
static const char *dsn_of(const struct survey *s, uint32_t partition)
{
    for (size_t i = 0; i < s->status.partitions; i++)
        if (s->status.partition[i].partition == partition)
            return s->status.partition[i].dsn;
    return "";
}

/* As a shell reads it as one word. */
static void quote(const char *text, char quoted[ADVICE_COMMAND_BYTES])
{
    char *at = quoted;
    *at++ = '\'';
    for (; *text != '\0'; text++)
        at += *text == '\'' ? sprintf(at, "'\\''") : sprintf(at, "%c", *text);
    sprintf(at, "'");
}

/* Where shows can be moved to; it is added if there is none, where they are: they do not move to
 * another database. */
static uint32_t destination(const struct survey *s, const struct finding *f, struct advice *a)
{
    const char *dsn = dsn_of(s, f->partition);
    char quoted[ADVICE_COMMAND_BYTES];
    if (f->to != 0)
        return f->to;
    quote(dsn, quoted);
    if (*dsn == '\0')
        do_this(a, "usherctl partition add %" PRIu32, next_partition(s));
    else
        do_this(a, "usherctl partition add %" PRIu32 " --dsn %s", next_partition(s), quoted);
    return next_partition(s);
}

/* What the hot show is called; by its number if it is not known in Postgres (any more). */
static const char *name_of(const struct survey *s, uint32_t partition, char number[16])
{
    const struct surveyed *p = survey_partition(s, partition);
    if (p != NULL && *p->slug)
        return p->slug;
    snprintf(number, 16, "%" PRIu32, p != NULL ? p->hot_show : 0);
    return number;
}

static void advise_waiting_room(const struct survey *s, const struct finding *f, struct advice *a)
{
    char number[16];
    const char *slug = name_of(s, f->partition, number);
    double capacity = 0;
    for (size_t i = 0; i < s->figures.partitions; i++)
        if (s->partition[i].partition == f->partition)
            capacity = s->partition[i].capacity;
    double a_minute = PARTITION_AIM * capacity * 60;
    why(a,
        "partition %" PRIu32 ": show %s is %d %% of its requests, and they are nearly all that it "
        "can decide; one show cannot be divided, but people can wait before they ask",
        f->partition, slug, PERCENT(f->share));
    if (a_minute < 1)
        do_this(a, "usherctl room set %s --mode auto --opens-at now", slug);
    else
        do_this(a, "usherctl room set %s --mode auto --opens-at now --rate %.0f", slug,
                a_minute < PER_MINUTE_MAX ? a_minute : PER_MINUTE_MAX);
}

static void advise_partition(const struct survey *s, const struct finding *f, struct advice *a)
{
    char number[16];
    const char *slug = name_of(s, f->partition, number);
    if (f->kind == FINDING_NOT_SERVED) {
        why(a, "partition %" PRIu32 ": no allocator serves it; start one", f->partition);
    } else if (f->kind == FINDING_HOT_SHOW) {
        why(a,
            "partition %" PRIu32
            " has nearly all that it can decide, and show %s is %d %% of that: "
            "give it a partition of its own",
            f->partition, slug, PERCENT(f->share));
        do_this(a, "usherctl show move %s --to %" PRIu32, slug, destination(s, f, a));
    } else if (f->kind == FINDING_PARTITION_HIGH) {
        uint32_t to = destination(s, f, a);
        why(a,
            "partition %" PRIu32 " has nearly all that it can decide, and no show stands out: move "
            "some of them to partition %" PRIu32 " (usherctl show move SHOW --to %" PRIu32 ")",
            f->partition, to, to);
    } else {
        why(a,
            "partition %" PRIu32 " waits for Postgres in %d %% of its time: its disk, its standby, "
            "or something that holds locks",
            f->partition, PERCENT(f->share));
    }
}

static const char *bound_of(const struct survey *s)
{
    switch (gateways_wanted(s->gateway, s->gateways).by) {
    case BOUND_BUSY:
        return "of their workers' time is used";
    case BOUND_CONNECTIONS:
        return "of their connections are taken";
    case BOUND_AWAITING:
        return "of the requests that they may await are awaited";
    case GATEWAY_BOUNDS:
        break;
    }
    return "";
}

static struct advice put_in_words(const struct survey *s, const struct finding *f)
{
    struct advice a = {.what = what_words[f->kind], .is_needed = f->kind < FINDING_NEEDS_NOT};
    switch (f->kind) {
    case FINDING_NOT_SERVED:
    case FINDING_HOT_SHOW:
    case FINDING_PARTITION_HIGH:
    case FINDING_POSTGRES_SLOW:
        advise_partition(s, f, &a);
        break;
    case FINDING_WAITING_ROOM:
        advise_waiting_room(s, f, &a);
        break;
    case FINDING_LOCK_WAITS:
        why(&a, "%u sessions of Postgres wait for a lock: pg_blocking_pids() tells who has it",
            f->count);
        break;
    case FINDING_REDIS_BUSY:
        why(&a,
            "Redis' thread is busy %d %% of its time: put partitions on more servers (a cluster)",
            PERCENT(f->share));
        break;
    case FINDING_GATEWAYS_FEW:
        why(&a, "gateways: %zu, and %d %% %s: %u would do", s->gateways, PERCENT(f->share),
            bound_of(s), f->count);
        break;
    case FINDING_WORKER_BUSY:
        why(&a,
            "a gateway's worker is busy %d %% of its time, others are not: connections that stay "
            "are spread unevenly; more gateways behind something that balances them",
            PERCENT(f->share));
        break;
    case FINDING_PARTITIONS_MANY:
        why(&a,
            "partitions: %zu, %u would do (usherctl partition drain %" PRIu32 " --to %" PRIu32 ")",
            s->figures.partitions, f->count, f->partition, f->to);
        break;
    case FINDING_GATEWAYS_MANY:
        why(&a, "gateways: %zu, %u would do", s->gateways, f->count);
        break;
    case FINDING_KINDS:
        break;
    }
    return a;
}

static void print_partition(const struct survey *s, const struct partition_figures *p)
{
    char number[16];
    printf("partition %" PRIu32 " decides %.0f/s", p->partition, p->decided);
    if (p->capacity > 0)
        printf(" of the %.0f/s it can (%d %%)", p->capacity, PERCENT(p->decided / p->capacity));
    else
        printf("; it was never busy enough to tell what it can");
    printf("; requests wait %.0f ms", p->wait_ms);
    if (p->hot_show != 0)
        printf("; show %s is %d %% of them%s", name_of(s, p->partition, number),
               PERCENT(p->hot_share), p->hot_has_room ? ", behind a waiting room" : "");
    printf("%s\n", p->is_serving ? "" : "; no allocator serves it");
}

static void print_gateways(const struct survey *s)
{
    struct gateways_wanted w = gateways_wanted(s->gateway, s->gateways);
    printf("gateways: %zu; their workers are busy %d %%, %d %% of their connections are taken, "
           "%d %% of what they may await is awaited\n",
           s->gateways, PERCENT(w.use[BOUND_BUSY]), PERCENT(w.use[BOUND_CONNECTIONS]),
           PERCENT(w.use[BOUND_AWAITING]));
    if (s->figures.redis_busy >= 0)
        printf("Redis' thread is busy %d %%\n", PERCENT(s->figures.redis_busy));
    if (s->figures.lock_waits == 0)
        printf("nobody waits for a lock of Postgres\n");
    else
        printf("%u sessions wait for a lock of Postgres\n", s->figures.lock_waits);
    printf("would do: %u gateways, %u partitions\n", w.wanted,
           partitions_wanted(s->partition, s->figures.partitions));
}

static void print_advice(const struct survey *s, const struct advice *advice, size_t count)
{
    bool is_needed = count > 0 && advice[0].is_needed;
    printf("In %.1f seconds:\n", s->seconds);
    for (size_t i = 0; i < s->figures.partitions; i++)
        print_partition(s, &s->partition[i]);
    print_gateways(s);
    printf("\n%s\n", is_needed ? "To be done:" : "Nothing has to be done.");
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && advice[i - 1].is_needed && !advice[i].is_needed)
            printf("\n");
        printf("%s%s\n", advice[i].is_needed ? "* " : "It could be less. ", advice[i].why);
        for (size_t j = 0; j < advice[i].commands; j++)
            printf("    %s\n", advice[i].command[j]);
    }
}

static int advise_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct advise_arguments arguments = {.json = false, .seconds = 5};
    struct finding finding[FINDINGS_MAX];
    static struct advice advice[FINDINGS_MAX];
    struct survey survey;
    arguments_read(command, argc, argv, &arguments, NULL);
    int code = survey_take(context, arguments.seconds, &survey);
    if (code == EXIT_SUCCESS) {
        size_t count = advise(&survey.figures, finding);
        for (size_t i = 0; i < count; i++)
            advice[i] = put_in_words(&survey, &finding[i]);
        if (arguments.json)
            json_write_advice(stdout, &survey, advice, count);
        else
            print_advice(&survey, advice, count);
        code = count > 0 && advice[0].is_needed ? EXIT_ADVISED : EXIT_SUCCESS;
    }
    survey_free(&survey);
    return code;
}
