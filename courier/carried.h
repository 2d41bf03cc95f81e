/*
 * What is carried on behalf of a request, and the trace that it belongs to. Where that is recorded,
 * an attempt is a span, and whoever is asked in it has that for a parent; where it is not, the
 * traceparent is handed on as it came.
 */
#ifndef USHER_COURIER_CARRIED_H
#define USHER_COURIER_CARRIED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "trace/record.h"

struct carried {
    char trace[TRACE_BYTES_MAX + 1]; /* for whoever comes next; "": there is none */
    bool is_recorded;
    int64_t began_us; /* monotonic */
    struct trace_context context;
    unsigned char parent[TRACE_SPAN_BYTES];
};

/* An attempt begins. `came` is what stands in the database; what is no traceparent is none. */
void carried_begin(struct carried *carried, struct span came);
/* "traceparent: …" for whoever is asked, or NULL. */
#define CARRIED_FIELD_BYTES (TRACE_BYTES_MAX + 16)
const char *carried_field(const struct carried *carried, char field[CARRIED_FIELD_BYTES]);
/* It is over: the span has its name, whether it failed, and its attributes. Nothing unless it
 * is recorded. */
void carried_end(const struct carried *carried, struct trace_record *span);

#endif
