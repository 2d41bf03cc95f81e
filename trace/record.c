#include "trace/record.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

#define STATUS_ERROR 2             /* OTLP's number */
#define FLAG_SAMPLED 0x1           /* W3C's */
#define FLAG_REMOTE_IS_KNOWN 0x100 /* OTLP's: it is said whether the parent is another process */
#define FLAG_REMOTE 0x200

void trace_put_text(struct trace_record *record, const char *key, struct span text)
{
    if (text.len > 0 && record->attributes < TRACE_ATTRIBUTES_MAX)
        record->attribute[record->attributes++] = (struct trace_attribute){key, text, 0};
}

void trace_put_number(struct trace_record *record, const char *key, int64_t number)
{
    if (record->attributes < TRACE_ATTRIBUTES_MAX)
        record->attribute[record->attributes++] = (struct trace_attribute){key, {NULL, 0}, number};
}

static void put_hex(struct buf *out, const char *name, const unsigned char *bytes, size_t n)
{
    buf_putf(out, "\"%s\":\"", name);
    for (size_t i = 0; i < n; i++)
        buf_putf(out, "%02x", bytes[i]);
    buf_puts(out, "\",");
}

static void put_string(struct buf *out, struct span text)
{
    char piece[TEXT_JSON_BYTES_MAX];
    size_t n, left = TRACE_VALUE_BYTES_MAX;

    buf_putc(out, '"');
    while ((n = text_put_json(&text, piece)) > 0 && n <= left) {
        buf_put(out, piece, n);
        left -= n;
    }
    buf_putc(out, '"');
}

static void put_attribute(struct buf *out, const struct trace_attribute *a)
{
    buf_puts(out, "{\"key\":");
    put_string(out, span_of(a->key));
    if (a->text.len > 0) {
        buf_puts(out, ",\"value\":{\"stringValue\":");
        put_string(out, a->text);
        buf_puts(out, "}}");
    } else {
        buf_putf(out, ",\"value\":{\"intValue\":\"%" PRId64 "\"}}", a->number);
    }
}

static bool has_parent(const struct trace_record *record)
{
    static const unsigned char none[TRACE_SPAN_BYTES];

    return memcmp(record->parent, none, sizeof none) != 0;
}

void trace_encode(struct buf *out, const struct trace_record *r)
{
    bool is_remote = r->kind == TRACE_SERVER || r->kind == TRACE_CONSUMER;
    int64_t end_us = r->end_us > r->begin_us ? r->end_us : r->begin_us;

    buf_putc(out, '{');
    put_hex(out, "traceId", r->context.trace, sizeof r->context.trace);
    put_hex(out, "spanId", r->context.span, sizeof r->context.span);
    if (has_parent(r))
        put_hex(out, "parentSpanId", r->parent, sizeof r->parent);
    buf_putf(out, "\"flags\":%d,\"name\":",
             (r->context.is_sampled ? FLAG_SAMPLED : 0) | FLAG_REMOTE_IS_KNOWN |
                 (is_remote && has_parent(r) ? FLAG_REMOTE : 0));
    put_string(out, span_of(r->name));
    buf_putf(out,
             ",\"kind\":%d,\"startTimeUnixNano\":\"%" PRId64 "000\",\"endTimeUnixNano\":\"%" PRId64
             "000\",\"attributes\":[",
             (int)r->kind, r->begin_us, end_us);
    for (size_t i = 0; i < r->attributes; i++) {
        if (i > 0)
            buf_putc(out, ',');
        put_attribute(out, &r->attribute[i]);
    }
    buf_puts(out, "],\"status\":{");
    if (r->is_error)
        buf_putf(out, "\"code\":%d", STATUS_ERROR);
    buf_puts(out, "}}");
}

void trace_encode_head(struct buf *out, const char *program, const char *instance,
                       const char *version)
{
    const struct trace_attribute of_resource[] = {
        {"service.name", span_of(program), 0},
        {"service.namespace", SPAN("usher"), 0},
        {"service.instance.id", span_of(instance), 0},
        {"service.version", span_of(version), 0},
    };

    buf_puts(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    for (size_t i = 0; i < sizeof of_resource / sizeof *of_resource; i++) {
        if (i > 0)
            buf_putc(out, ',');
        put_attribute(out, &of_resource[i]);
    }
    buf_puts(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"usher\",\"version\":");
    put_string(out, span_of(version));
    buf_puts(out, "},\"spans\":[");
}

void trace_encode_tail(struct buf *out)
{
    buf_puts(out, "]}]}]}");
}
