/* What a program and its exporter share, and how the one starts the other. */
#ifndef USHER_TRACE_SHARED_H
#define USHER_TRACE_SHARED_H

#include <stdatomic.h>
#include <stdint.h>

#include "trace/tracer.h"

/* The program itself, started under this name. */
#define EXPORTER_NAME "usher-exporter"

/* Its arguments, behind the name. */
enum exporter_argument {
    EXPORTER_PROGRAM = 1,
    EXPORTER_INSTANCE,
    EXPORTER_ENDPOINT,
    EXPORTER_LOG_LEVEL, /* the enums' numbers */
    EXPORTER_LOG_FORMAT,
    EXPORTER_ARGUMENTS
};

/* What it is given: the socket's reading end, and memory with the counts. */
#define EXPORTER_SOCKET 3
#define EXPORTER_MEMORY 4

struct tracer_memory {
    _Atomic uint64_t count[TRACER_COUNTS_COUNT];
};

#endif
