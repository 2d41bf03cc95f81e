/*
 * Where a program's spans go: to an exporter, a process of its own that sends them on to a
 * collector (exporter.h). Like the log, a program has one, and nobody waits for it:
 *
 *   program ──a span, a datagram──▶ exporter ──OTLP/HTTP, many spans a request──▶ collector
 *
 * The socket between them is written without blocking. A span that it does not take is dropped and
 * counted. So whatever the exporter or the collector does, or does not do, costs the program one
 * failing system call for a span of a sampled request, and all others nothing.
 *
 * The program keeps both ends of the socket, so that an exporter that died is replaced by another
 * one behind the same socket, also for workers that were forked long before.
 */
#ifndef USHER_TRACE_TRACER_H
#define USHER_TRACE_TRACER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "trace/record.h"

struct tracer_settings {
    const char *program, *instance; /* copied */
    const char *endpoint;           /* "http://127.0.0.1:4318", copied; "": spans go nowhere */
    enum log_level log_level;       /* the exporter's */
    enum log_format log_format;
};

/* The help of the option otlp_endpoint. */
#define TRACE_ENDPOINT_HELP                                                                        \
    "collector of OTLP/HTTP that spans are sent to, like http://127.0.0.1:4318 (default: none "    \
    "are)"

/* NULL, or what is wrong with an endpoint, as a sentence. */
const char *tracer_check_endpoint(const char *endpoint);

/* Starts the exporter if there is an endpoint. If it cannot, that is said, and tried again. */
void tracer_open(const struct tracer_settings *settings);
/* Whether spans are recorded: if not, a trace is handed on as it came. */
bool tracer_is_on(void);
/* Now and then: an exporter that has ended is started again, after a pause that grows. */
void tracer_keep(void);
/* In a process that was forked: it writes to its parent's exporter, and does not look after it. */
void tracer_inherit(void);
/* What was sent leaves, within TRACER_END_MS. In a process that has inherited: nothing. */
void tracer_close(void);
#define TRACER_END_MS 2000

/* Never waits, never fails. */
void tracer_send(const struct trace_record *record);

/* A moment of clock_mono_us as a span tells it. */
int64_t tracer_wall_us(int64_t mono_us);

/* Since the program began, of all its processes. */
#define TRACER_COUNTS(X)                                                                           \
    X(EXPORTED)          /* the collector has them */                                              \
    X(DROPPED_FULL)      /* the exporter did not read */                                           \
    X(DROPPED_COLLECTOR) /* the collector did not take them */

enum tracer_count {
#define X(name) TRACER_##name,
    TRACER_COUNTS(X)
#undef X
        TRACER_COUNTS_COUNT
};
uint64_t tracer_counted(enum tracer_count which);

#endif
