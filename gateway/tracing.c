#include "gateway/tracing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "gateway/gateway.h"
#include "trace/tracer.h"

#define NAME_BYTES_MAX 128
#define METHOD_BYTES 8

struct tracing {
    struct trace_record span; /* the command's own; its attributes come at the end */
    int64_t began_us;         /* these are monotonic; 0: it has not happened */
    int64_t enqueued_us, accepted_us, ended_us;
    int status; /* 0: nobody was there to be answered */
};

static void record(struct task *task, const struct trace_context *context,
                   const unsigned char parent[TRACE_SPAN_BYTES])
{
    struct tracing *t = calloc(1, sizeof *t);

    if (t == NULL)
        return; /* then it is handed on with nothing recorded */
    t->span.context = *context;
    if (parent != NULL)
        memcpy(t->span.parent, parent, TRACE_SPAN_BYTES);
    t->span.kind = TRACE_SERVER;
    t->began_us = exchange_began_us(task->exchange);
    task->tracing = t;
}

static void begin_trace(struct task *task, uint32_t of_million)
{
    uint64_t random[3] = {random_u64(), random_u64(), random_u64()};
    /* Not of the trace's own number, whose bits an asker downstream may draw from too. */
    bool is_sampled = tracer_is_on() && trace_ratio_takes(of_million, random_u64());
    struct trace_context context = trace_context_begin(random, is_sampled);

    trace_context_write(&context, task->trace);
    if (is_sampled)
        record(task, &context, NULL);
}

static void take_over(struct task *task, struct span field, const struct trace_context *asker)
{
    struct trace_context own;

    trace_context_pass(field, asker, task->trace);
    if (!asker->is_sampled || !tracer_is_on())
        return;
    own = trace_context_child(asker, random_u64());
    trace_context_write(&own, task->trace);
    record(task, &own, asker->span);
}

/* Whether this second has room for one more. */
static bool others_have_room(struct gateway *g)
{
    int64_t second = clock_mono_us() / 1000000;

    if (second != g->traces_second)
        g->traces_taken = 0;
    g->traces_second = second;
    return g->traces_taken++ < g->options->trace_others_max;
}

void tracing_begin(struct task *task)
{
    struct span field = exchange_header(task->exchange, "traceparent");
    struct trace_context asker;

    if (task->trace[0] != '\0')
        return;
    if (!trace_context_read(field, &asker))
        begin_trace(task, task->gateway->options->trace_of_million);
    else if (!asker.is_sampled || others_have_room(task->gateway))
        take_over(task, field, &asker);
    else
        begin_trace(task, 0);
}

void tracing_enqueued(struct task *task)
{
    task->tracing->enqueued_us = clock_mono_us();
}

void tracing_accepted(struct task *task)
{
    if (task->tracing->accepted_us == 0)
        task->tracing->accepted_us = clock_mono_us();
}

void tracing_answered(struct task *task, int status)
{
    task->tracing->status = status;
    task->tracing->ended_us = clock_mono_us();
}

static const char *method_of(const struct task *task)
{
    static const char *const names[] = {[METHOD_GET] = "GET",
                                        [METHOD_POST] = "POST",
                                        [METHOD_PUT] = "PUT",
                                        [METHOD_PATCH] = "PATCH",
                                        [METHOD_DELETE] = "DELETE"};

    return names[task->route->method]; /* of the table of routes: none has another */
}

/* From the entry that it was put into until Redis has that. */
static void send_enqueue(const struct task *task)
{
    const struct tracing *t = task->tracing;
    struct trace_record span = {
        .context = trace_context_child(&t->span.context, random_u64()),
        .kind = TRACE_PRODUCER,
        .name = "enqueue",
        .begin_us = tracer_wall_us(t->enqueued_us),
        .end_us = tracer_wall_us(t->accepted_us > 0 ? t->accepted_us : t->ended_us),
    };

    memcpy(span.parent, t->span.context.span, sizeof span.parent);
    trace_put_text(&span, "messaging.system", SPAN("redis"));
    trace_put_number(&span, "usher.partition", task->partition);
    tracer_send(&span);
}

/* The route and not the path, in which there may be an id that is good for what it names. */
static void send_command(struct task *task)
{
    struct tracing *t = task->tracing;
    struct trace_record *span = &t->span;
    const char *method = method_of(task);
    char name[NAME_BYTES_MAX], id[ID_TEXT_BYTES], error[METHOD_BYTES];

    snprintf(name, sizeof name, "%s %s", method, task->route->pattern);
    span->name = name;
    span->begin_us = tracer_wall_us(t->began_us);
    span->end_us = tracer_wall_us(t->ended_us);
    trace_put_text(span, "http.request.method", span_of(method));
    trace_put_text(span, "http.route", span_of(task->route->pattern));
    trace_put_text(span, "url.scheme", SPAN("http"));
    if (t->status != 0)
        trace_put_number(span, "http.response.status_code", t->status);
    span->is_error = t->status == 0 || t->status >= 500;
    snprintf(error, sizeof error, "%d", t->status);
    if (span->is_error)
        trace_put_text(span, "error.type", t->status == 0 ? SPAN("client_gone") : span_of(error));
    if (task->has_id) {
        id_format(task->id, id);
        trace_put_text(span, "usher.request_id", span_of(id));
    }
    tracer_send(span);
}

void tracing_end(struct task *task)
{
    struct tracing *t = task->tracing;

    if (t->ended_us == 0)
        t->ended_us = clock_mono_us();
    if (t->enqueued_us > 0)
        send_enqueue(task);
    send_command(task);
    free(t);
    task->tracing = NULL;
}
