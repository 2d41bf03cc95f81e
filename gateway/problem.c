#include "gateway/problem.h"

#include <ctype.h>

#include "gateway/render.h"

static void put_type(struct buf *b, enum code code)
{
    buf_puts(b, "{\"type\":\"urn:usher:problem:");
    for (const char *c = code_name(code); *c != '\0'; c++)
        buf_putc(b, *c == '_' ? '-' : (char)tolower((unsigned char)*c));
    buf_putc(b, '"');
}

void problem_render(struct buf *b, const struct problem *problem)
{
    const char *error = problem->error != NULL ? problem->error : code_error(problem->code);
    const char *detail = problem->detail != NULL ? problem->detail : error;

    put_type(b, problem->code);
    buf_puts(b, ",\"title\":");
    render_text(b, span_of(code_title(problem->code)));
    buf_puts(b, ",\"status\":");
    buf_put_u64(b, (unsigned long long)problem->status);
    buf_puts(b, ",\"detail\":");
    render_text(b, span_of(detail));
    if (problem->instance.len > 0) {
        buf_puts(b, ",\"instance\":");
        render_text(b, problem->instance);
    }
    buf_puts(b, ",\"code\":\"");
    buf_puts(b, code_name(problem->code));
    buf_puts(b, "\",\"error\":");
    render_text(b, span_of(error));
    buf_put(b, problem->more.bytes, problem->more.len);
    buf_putc(b, '}');
}

enum code problem_code_for(int status)
{
    switch (status) {
    case 401:
        return CODE_UNAUTHENTICATED;
    case 403:
        return CODE_FORBIDDEN;
    case 404:
        return CODE_NOT_FOUND;
    case 408:
    case 504:
        return CODE_TIMED_OUT;
    case 429:
        return CODE_RATE_LIMITED;
    case 500:
        return CODE_INTERNAL;
    case 503:
        return CODE_OVERLOADED;
    default:
        return CODE_INVALID;
    }
}
