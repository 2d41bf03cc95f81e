#include "allocator/spans.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "trace/tracer.h"

void spans_take(struct batch *batch, size_t at)
{
    struct request *r = &batch->request[at];
    struct traced *traced = &batch->traced[batch->traceds];
    struct trace_context asker;

    if (!tracer_is_on() || !trace_context_read(r->trace, &asker))
        return;
    traced->at = (uint16_t)at;
    traced->context = trace_context_child(&asker, random_u64());
    memcpy(traced->parent, asker.span, sizeof traced->parent);
    trace_context_write(&traced->context, traced->text);
    r->trace = (struct span){traced->text, TRACE_BYTES_MAX};
    batch->traceds++;
}

static void put_row(struct columns *c, struct id id, struct span trace)
{
    columns_put_bytes(c, COLUMN_Z_ID, id.bytes, ID_BYTES);
    columns_put_bytes(c, COLUMN_Z_TRACE, trace.bytes, trace.len);
}

/* Whatever it did stands under one of these ids. */
static void put_request(struct columns *c, const struct request *r)
{
    put_row(c, r->id, r->trace);
    if (request_names_booking(r))
        put_row(c, r->booking, r->trace);
    if (r->op == OP_SETTLE)
        put_row(c, r->payment, r->trace);
    for (size_t i = 0; r->op == OP_SEVERAL && i < r->parts; i += request_parts_of_show(r, i))
        if (r->part[i].show != r->show)
            put_row(c, id_part(r->id, r->part[i].show), r->trace);
}

void spans_put_columns(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct request *r = &batch->request[i];
        bool is_of_payment = r->op == OP_PAY || r->op == OP_SETTLE;

        if ((trace_is_sampled(r->trace) || (is_of_payment && r->trace.len > 0)) &&
            batch->slot[i].origin == ORIGIN_DECIDED)
            put_request(&batch->columns, r);
    }
}

static const char *code_of(const struct batch *batch, size_t at)
{
    struct answer answer;

    if (batch->slot[at].origin == ORIGIN_MOVED)
        return "MOVED";
    return answer_read(batch_answer_of(batch, at), &answer) ? "-" : code_name(answer.code);
}

static void send_commit(const struct batch *batch, const struct traced *traced)
{
    struct trace_record span = {.context = trace_context_child(&traced->context, random_u64()),
                                .kind = TRACE_CLIENT,
                                .name = "commit",
                                .begin_us = tracer_wall_us(batch->began_us),
                                .end_us = tracer_wall_us(batch->settled_us)};

    memcpy(span.parent, traced->context.span, sizeof span.parent);
    trace_put_text(&span, "db.system.name", SPAN("postgresql"));
    trace_put_number(&span, "usher.batch.version", (int64_t)batch->version);
    tracer_send(&span);
}

static void send_decide(const struct batch *batch, const struct traced *traced, uint32_t partition,
                        int64_t published_us)
{
    const struct request *r = &batch->request[traced->at];
    const char *code = code_of(batch, traced->at);
    int64_t begin_us = tracer_wall_us(batch->read_us);
    int64_t waited_ms = begin_us / 1000 - batch->entered_ms[traced->at]; /* by two clocks */
    struct trace_record span = {.context = traced->context,
                                .kind = TRACE_CONSUMER,
                                .name = "decide",
                                .begin_us = begin_us,
                                .end_us = tracer_wall_us(published_us)};
    char id[ID_TEXT_BYTES];

    id_format(r->id, id);
    memcpy(span.parent, traced->parent, sizeof span.parent);
    trace_put_text(&span, "messaging.system", SPAN("redis"));
    trace_put_text(&span, "usher.request_id", span_of(id));
    trace_put_text(&span, "usher.operation", span_of(operation_name(r->op)));
    trace_put_text(&span, "usher.code", span_of(code));
    trace_put_number(&span, "usher.partition", partition);
    trace_put_number(&span, "usher.queue_wait_ms", waited_ms > 0 ? waited_ms : 0);
    trace_put_number(&span, "usher.batch.version", (int64_t)batch->version);
    trace_put_number(&span, "usher.batch.requests", (int64_t)batch->count);
    tracer_send(&span);
    log_event(LOG_DEBUG, "decided", "request", id, "code", code, "trace", traced->text, NULL);
}

void spans_send(const struct batch *batch, uint32_t partition)
{
    int64_t now_us = clock_mono_us();

    for (size_t i = 0; i < batch->traceds; i++) {
        send_commit(batch, &batch->traced[i]);
        send_decide(batch, &batch->traced[i], partition, now_us);
    }
}
