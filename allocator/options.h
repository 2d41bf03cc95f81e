/* The allocator's configuration. */
#ifndef USHER_ALLOCATOR_OPTIONS_H
#define USHER_ALLOCATOR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    char *redis;
    char *postgres;
    char *name;
    char *log_level;
    char *log_format;
    bool core_dumps;
    char *otlp_endpoint;
    int64_t partition;
    int64_t stand_by_ms;
    int64_t heartbeat_ms;
    int64_t heartbeat_ms_max;
    int64_t redis_ms;
    int64_t postgres_ms;
    int64_t journal_batches_max;
};

/* Fills *options or ends the process with one clear line (base/config.h). */
void options_load(struct options *options, int argc, char **argv);
void options_free(struct options *options);

#endif
