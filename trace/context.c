#include "trace/context.h"

#include <string.h>

#include "base/text.h"

#define MILLION 1000000

#define VERSION_INVALID 0xff

/* Where the parts stand: "00-" trace "-" span "-" flags. */
#define TRACE_AT 3
#define SPAN_AT 36
#define FLAGS_AT 53

static bool is_zero(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* Whether the text is as long as its version may be, and has a version. */
static bool has_version(struct span text)
{
    unsigned char version;

    if (text.len < TRACE_BYTES_MAX || !text_unhex((struct span){text.bytes, 2}, &version))
        return false;
    if (text.len > TRACE_BYTES_MAX && (version == 0 || text.bytes[TRACE_BYTES_MAX] != '-'))
        return false;
    return version != VERSION_INVALID;
}

bool trace_context_read(struct span text, struct trace_context *context)
{
    const char *t = text.bytes;
    struct trace_context read;
    unsigned char flags;

    if (!has_version(text) || t[TRACE_AT - 1] != '-' || t[SPAN_AT - 1] != '-' ||
        t[FLAGS_AT - 1] != '-' ||
        !text_unhex((struct span){t + TRACE_AT, sizeof read.trace * 2}, read.trace) ||
        !text_unhex((struct span){t + SPAN_AT, sizeof read.span * 2}, read.span) ||
        !text_unhex((struct span){t + FLAGS_AT, 2}, &flags) ||
        is_zero(read.trace, sizeof read.trace) || is_zero(read.span, sizeof read.span))
        return false;
    read.is_sampled = (flags & 1) != 0;
    *context = read;
    return true;
}

static char *put_hex(char *at, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        *at++ = "0123456789abcdef"[bytes[i] >> 4];
        *at++ = "0123456789abcdef"[bytes[i] & 15];
    }
    return at;
}

void trace_context_write(const struct trace_context *context, char text[TRACE_BYTES_MAX + 1])
{
    char *at = text;

    memcpy(at, "00-", TRACE_AT);
    at = put_hex(at + TRACE_AT, context->trace, sizeof context->trace);
    *at++ = '-';
    at = put_hex(at, context->span, sizeof context->span);
    memcpy(at, context->is_sampled ? "-01" : "-00", 4);
}

void trace_context_pass(struct span came, const struct trace_context *context,
                        char text[TRACE_BYTES_MAX + 1])
{
    if (memcmp(came.bytes, "00-", TRACE_AT) != 0) {
        trace_context_write(context, text);
        return;
    }
    memcpy(text, came.bytes, TRACE_BYTES_MAX);
    text[TRACE_BYTES_MAX] = '\0';
}

static void put_number(unsigned char bytes[8], uint64_t n)
{
    for (int i = 7; i >= 0; i--, n >>= 8)
        bytes[i] = (unsigned char)n;
}

struct trace_context trace_context_begin(const uint64_t random[3], bool is_sampled)
{
    struct trace_context c = {.is_sampled = is_sampled};

    put_number(c.trace, random[0]);
    put_number(c.trace + 8, random[1] | 1); /* neither number may be zero */
    put_number(c.span, random[2] | 1);
    return c;
}

struct trace_context trace_context_child(const struct trace_context *parent, uint64_t random)
{
    struct trace_context c = *parent;

    put_number(c.span, random | 1);
    return c;
}

bool trace_ratio_read(const char *text, uint32_t *of_million)
{
    struct span rest = span_of(text), whole = text_cut(&rest, '.');
    uint64_t ones, parts = 0;

    if (!text_u64(whole, 1, &ones))
        return false;
    if (whole.len < strlen(text) && (rest.len > 6 || !text_u64(rest, MILLION, &parts)))
        return false;
    for (size_t i = rest.len; i < 6; i++)
        parts *= 10;
    if (ones == 1 && parts > 0)
        return false;
    *of_million = (uint32_t)(ones * MILLION + parts);
    return true;
}

bool trace_ratio_takes(uint32_t of_million, uint64_t random)
{
    return random % MILLION < of_million;
}
