/*
 * W3C trace context, level 1: the text `traceparent`, which says of what trace a request is a part,
 * which span asked, and whether the trace is recorded (sampled). Pure.
 *
 *   00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *
 * The first two digits are a version, 00. Later ones shall add to it at its end, so they are read
 * for what 00 has (level 1, 3.2.4); what we write and send on is 00.
 */
#ifndef USHER_TRACE_CONTEXT_H
#define USHER_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/buf.h"

#define TRACE_ID_BYTES 16
#define TRACE_SPAN_BYTES 8

struct trace_context {
    unsigned char trace[TRACE_ID_BYTES];  /* not all zero */
    unsigned char span[TRACE_SPAN_BYTES]; /* not all zero */
    bool is_sampled;
};

/* False, and nothing written, unless it is one: of version 00 and TRACE_BYTES_MAX bytes, or of a
 * later one (ff is none) that begins with the same fields and ends there or goes on with "-". */
bool trace_context_read(struct span text, struct trace_context *context);
/* Writes TRACE_BYTES_MAX bytes and a NUL. */
void trace_context_write(const struct trace_context *context, char text[TRACE_BYTES_MAX + 1]);
/* The same, of a text that was read, for whoever comes next: one of version 00 as it came, of a
 * later one what was read of it. */
void trace_context_pass(struct span came, const struct trace_context *context,
                        char text[TRACE_BYTES_MAX + 1]);

/* A new trace, of three random numbers. */
struct trace_context trace_context_begin(const uint64_t random[3], bool is_sampled);
/* Another span of the same trace. */
struct trace_context trace_context_child(const struct trace_context *parent, uint64_t random);

/* For the hot path: whether a text that was checked before, or is empty, is of a sampled trace. The
 * last digit is odd; of letters, which have another bit set, that is the other way round. */
static inline bool trace_is_sampled(struct span text)
{
    unsigned char last = text.len == TRACE_BYTES_MAX ? (unsigned char)text.bytes[text.len - 1] : 0;

    return ((last ^ last >> 6) & 1) != 0;
}

/* A share of all, 0 to 1 with six digits at most ("0.01"), as so many of a million. */
bool trace_ratio_read(const char *text, uint32_t *of_million);
bool trace_ratio_takes(uint32_t of_million, uint64_t random);

#endif
