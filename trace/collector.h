/* The collector, asked over HTTP, one request at a time; the only place here that includes libcurl.
 * Follows no redirects, uses no proxy; what it answers is for the log alone. */
#ifndef USHER_TRACE_COLLECTOR_H
#define USHER_TRACE_COLLECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct collector;

struct collector_answer {
    int status;            /* 0: none came */
    int64_t retry_after_s; /* what it asks for, or 0 */
    const char *why;       /* in its words, or libcurl's; good until the next request */
};

/* Both are copied. NULL: libcurl will not. */
struct collector *collector_new(const char *url, const char *agent);
void collector_free(struct collector *collector); /* what is under way is forgotten */

/* The body is kept by the caller until its answer was taken. Not while another is under way. */
bool collector_post(struct collector *collector, struct span body, int64_t timeout_ms);
bool collector_is_busy(const struct collector *collector);

/* Until something can be read from the descriptor (-1: none), a request is done, or time is up. */
void collector_wait(struct collector *collector, int descriptor, int64_t ms);
/* True once for each request: it is done. */
bool collector_take(struct collector *collector, struct collector_answer *answer);

#endif
