/*
 * A span as OTLP writes it: the JSON form of opentelemetry.proto.trace.v1.Span, ids in hexadecimal,
 * 64-bit numbers as strings, enumerations as numbers (opentelemetry.io/docs/specs/otlp). Pure.
 */
#ifndef USHER_TRACE_RECORD_H
#define USHER_TRACE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "trace/context.h"

#define TRACE_ATTRIBUTES_MAX 12
#define TRACE_VALUE_BYTES_MAX 256 /* of one attribute's text, as written; the rest is cut */
#define TRACE_RECORD_BYTES_MAX 4096

/* The numbers are OTLP's. */
enum trace_kind {
    TRACE_INTERNAL = 1,
    TRACE_SERVER,
    TRACE_CLIENT,
    TRACE_PRODUCER,
    TRACE_CONSUMER,
};

struct trace_attribute {
    const char *key;
    struct span text; /* if it has bytes; else the number */
    int64_t number;
};

struct trace_record {
    struct trace_context context;           /* its own */
    unsigned char parent[TRACE_SPAN_BYTES]; /* all zero: it has none */
    enum trace_kind kind;
    const char *name;
    int64_t begin_us, end_us; /* wall clock; an end before the begin is told as the begin */
    bool is_error;
    size_t attributes;
    struct trace_attribute attribute[TRACE_ATTRIBUTES_MAX];
};

/* Keys and texts are borrowed until it is encoded. A text that is empty is left out; so is what is
 * one too many. */
void trace_put_text(struct trace_record *record, const char *key, struct span text);
void trace_put_number(struct trace_record *record, const char *key, int64_t number);

/* Appends one object. */
void trace_encode(struct buf *out, const struct trace_record *record);
/* What stands around the objects of a request, which are divided by commas. */
void trace_encode_head(struct buf *out, const char *program, const char *instance,
                       const char *version);
void trace_encode_tail(struct buf *out);

#endif
