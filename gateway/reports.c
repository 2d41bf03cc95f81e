#include "gateway/reports.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/courier_report.h"
#include "base/program_report.h"
#include "gateway/gateway.h"
#include "gateway/redis_servers.h"

#define COURIERS_MAX 32     /* names of couriers that /metrics tells of */
#define REPORTS_PARTITION 1 /* where reports lie (base/keys.h) */
#define LOAD_BYTES_MAX 512
#define LABEL_BYTES (PROGRAM_NAME_BYTES_MAX + 16)

struct courier {
    char name[PROGRAM_NAME_BYTES_MAX + 1];
    struct metric_value metrics[COURIER_METRICS_COUNT];
};

/* One kind of programs: their names are asked for, then their texts. */
struct kind {
    struct reports *reports;
    const char *name;
    bool is_asking;
    size_t count;
    struct reporting {
        char name[PROGRAM_NAME_BYTES_MAX + 1];
        struct key key;
    } * program; /* PROGRAM_REPORTS_MAX; those that are asked for */
    void (*forget)(struct reports *reports);
    void (*take)(struct reports *reports, const char *name, struct span text);
};

struct reports {
    struct gateway *gateway;
    struct kind gateways, couriers;
    bool is_known; /* gateways' loads have come with the last turn */
    size_t load_count;
    struct gateway_load load[PROGRAM_REPORTS_MAX];
    size_t courier_count;
    struct courier courier[COURIERS_MAX];
    struct span argv[PROGRAM_REPORTS_MAX + 2]; /* of a command that is being made */
};

static void forget_gateways(struct reports *r)
{
    r->is_known = false;
    r->load_count = 0;
}

static void take_gateway(struct reports *r, const char *name, struct span text)
{
    (void)name;
    gateway_load_read(text, &r->load[r->load_count++]);
}

static void forget_couriers(struct reports *r)
{
    r->courier_count = 0;
}

/* "NAME.process": the name, as a label may have it. */
static void name_courier(const char *text, char name[PROGRAM_NAME_BYTES_MAX + 1])
{
    static const char right[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *dot = strrchr(text, '.');
    size_t n = dot != NULL && dot > text ? (size_t)(dot - text) : strlen(text);

    memcpy(name, text, n);
    name[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (strchr(right, name[i]) == NULL)
            name[i] = '_';
}

/* Several processes of one name are told as one. */
static void take_courier(struct reports *r, const char *name, struct span text)
{
    struct courier one = {.name = ""};
    size_t at = 0;

    if (metrics_read(text, one.metrics, COURIER_METRICS_COUNT) != ERR_NONE)
        return; /* of another version */
    name_courier(name, one.name);
    while (at < r->courier_count && strcmp(r->courier[at].name, one.name) != 0)
        at++;
    if (at < r->courier_count)
        metric_sum(r->courier[at].metrics, one.metrics, COURIER_METRICS_COUNT);
    else if (at < COURIERS_MAX)
        r->courier[r->courier_count++] = one;
}

struct reports *reports_new(struct gateway *gateway)
{
    struct reports *r = calloc(1, sizeof *r);

    assert(r != NULL);
    r->gateway = gateway;
    r->gateways = (struct kind){.reports = r,
                                .name = PROGRAM_GATEWAY,
                                .forget = forget_gateways,
                                .take = take_gateway,
                                .program = calloc(PROGRAM_REPORTS_MAX, sizeof(struct reporting))};
    r->couriers = (struct kind){.reports = r,
                                .name = PROGRAM_COURIER,
                                .forget = forget_couriers,
                                .take = take_courier,
                                .program = calloc(PROGRAM_REPORTS_MAX, sizeof(struct reporting))};
    assert(r->gateways.program != NULL && r->couriers.program != NULL);
    return r;
}

void reports_free(struct reports *r)
{
    free(r->gateways.program);
    free(r->couriers.program);
    free(r);
}

static bool send(struct reports *r, size_t argc, const struct span *argv,
                 void (*done)(void *, const struct redis_value *), void *context)
{
    return redis_servers_command(r->gateway->redis, REPORTS_PARTITION,
                                 &(struct redis_command){argc, argv, done, context});
}

static bool is_list(const struct redis_value *reply)
{
    return reply != NULL && redis_kind(*reply) == REDIS_ARRAY;
}

static void on_told(void *context, const struct redis_value *reply)
{
    (void)context;
    (void)reply; /* it is done again in a second */
}

/* Names whose text has expired. */
static void take_out(struct kind *k, const struct redis_value *texts)
{
    struct reports *r = k->reports;
    struct key set = key_reports(k->name);
    size_t argc = 2;

    for (size_t i = 0; i < redis_count(*texts) && i < k->count; i++)
        if (redis_kind(redis_at(*texts, i)) == REDIS_NIL)
            r->argv[argc++] = span_of(k->program[i].name);
    r->argv[0] = SPAN("SREM");
    r->argv[1] = (struct span){set.text, set.len};
    if (argc > 2)
        send(r, argc, r->argv, on_told, r);
}

static void on_texts(void *context, const struct redis_value *reply)
{
    struct kind *k = context;
    struct reports *r = k->reports;

    k->is_asking = false;
    k->forget(r);
    if (!is_list(reply))
        return;
    for (size_t i = 0; i < redis_count(*reply) && i < k->count; i++)
        if (redis_kind(redis_at(*reply, i)) == REDIS_STRING)
            k->take(r, k->program[i].name, redis_text(redis_at(*reply, i)));
    r->is_known = r->is_known || k == &r->gateways;
    take_out(k, reply);
}

static void add_name(struct kind *k, struct span name)
{
    struct reporting *one = &k->program[k->count];

    if (name.len > PROGRAM_NAME_BYTES_MAX || memchr(name.bytes, '\0', name.len) != NULL)
        return;
    memcpy(one->name, name.bytes, name.len);
    one->name[name.len] = '\0';
    one->key = key_report(k->name, one->name);
    k->count++;
}

static void on_names(void *context, const struct redis_value *reply)
{
    struct kind *k = context;
    struct reports *r = k->reports;

    k->count = 0;
    for (size_t i = 0; is_list(reply) && i < redis_count(*reply) && k->count < PROGRAM_REPORTS_MAX;
         i++)
        add_name(k, redis_text(redis_at(*reply, i)));
    r->argv[0] = SPAN("MGET");
    for (size_t i = 0; i < k->count; i++)
        r->argv[i + 1] = (struct span){k->program[i].key.text, k->program[i].key.len};
    if (k->count == 0 || !send(r, k->count + 1, r->argv, on_texts, k))
        on_texts(k, NULL);
}

static void ask(struct kind *k)
{
    struct key set = key_reports(k->name);
    struct span argv[] = {SPAN("SMEMBERS"), {set.text, set.len}};

    if (k->is_asking)
        return;
    k->is_asking = send(k->reports, 2, argv, on_names, k);
    if (!k->is_asking)
        k->forget(k->reports);
}

void reports_turn(struct reports *r, const struct gateway_load *own)
{
    struct program_report report;
    struct buf text;

    buf_init(&text, LOAD_BYTES_MAX);
    gateway_load_write(&text, own);
    program_report_make(&report, PROGRAM_GATEWAY, r->gateway->options->name, buf_span(&text));
    for (size_t i = 0; !text.failed && i < PROGRAM_REPORT_COMMANDS; i++)
        send(r, report.command[i].argc, report.command[i].argv, on_told, r);
    buf_free(&text);
    ask(&r->gateways);
    ask(&r->couriers);
}

const struct gateway_load *reports_gateways(const struct reports *r, size_t *count)
{
    *count = r->load_count;
    return r->is_known ? r->load : NULL;
}

void reports_put_couriers(const struct reports *r, struct buf *out)
{
    static char labels[COURIERS_MAX][LABEL_BYTES];
    const struct metric_value *sets[COURIERS_MAX];
    const char *extra[COURIERS_MAX];

    for (size_t i = 0; i < r->courier_count; i++) {
        snprintf(labels[i], LABEL_BYTES, "courier=\"%s\"", r->courier[i].name);
        extra[i] = labels[i];
        sets[i] = r->courier[i].metrics;
    }
    if (r->courier_count > 0)
        metrics_render(out, courier_metric_rows, COURIER_METRICS_COUNT, sets, extra,
                       r->courier_count);
}
