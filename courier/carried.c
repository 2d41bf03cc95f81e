#include "courier/carried.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "trace/tracer.h"

void carried_begin(struct carried *carried, struct span came)
{
    struct trace_context asker;

    *carried = (struct carried){.began_us = clock_mono_us()};
    if (!trace_context_read(came, &asker))
        return;
    trace_context_pass(came, &asker, carried->trace);
    if (!asker.is_sampled || !tracer_is_on())
        return;
    carried->is_recorded = true;
    carried->context = trace_context_child(&asker, random_u64());
    memcpy(carried->parent, asker.span, sizeof carried->parent);
    trace_context_write(&carried->context, carried->trace);
}

const char *carried_field(const struct carried *carried, char field[CARRIED_FIELD_BYTES])
{
    if (carried->trace[0] == '\0')
        return NULL;
    snprintf(field, CARRIED_FIELD_BYTES, "traceparent: %s", carried->trace);
    return field;
}

void carried_end(const struct carried *carried, struct trace_record *span)
{
    if (!carried->is_recorded)
        return;
    span->context = carried->context;
    memcpy(span->parent, carried->parent, sizeof span->parent);
    span->kind = TRACE_CLIENT;
    span->begin_us = tracer_wall_us(carried->began_us);
    span->end_us = tracer_wall_us(clock_mono_us());
    tracer_send(span);
}
