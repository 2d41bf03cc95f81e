/* usherctl status: who owns what, how far it is, how much waits, and which gateways are there. */
#ifndef USHER_CTL_STATUS_H
#define USHER_CTL_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arguments.h"
#include "base/bounds.h"
#include "link/dsn.h"

#define STATUS_TEXT_BYTES 128
#define STATUS_GATEWAYS_MAX 1024

struct partition_status {
    uint32_t partition;
    char dsn[DSN_BYTES_MAX + 1];   /* of its database; "": home */
    char owner[STATUS_TEXT_BYTES]; /* as Postgres has it; "" if it was never taken */
    int64_t epoch;
    int64_t version;
    char cursor[48];
    int64_t heartbeat_age_ms; /* -1: it was never taken */
    char state[24];           /* what its allocator reports; "no report" if none lately */
    bool has_stream;
    int64_t backlog_entries; /* behind the cursor; 0 where the stream is read to its end */
    int64_t oldest_ms;       /* age of the first of them, -1 if there is none */
    int64_t rate;            /* requests decided a second, as reported; -1 without a report */
};

struct status {
    size_t partitions;
    struct partition_status *partition; /* owned */
    size_t gateways;
    char (*gateway)[GATEWAY_NAME_BYTES_MAX + 1]; /* owned */
    char redis_fault[STATUS_TEXT_BYTES];         /* "" where Redis answered */
    char database_fault[STATUS_TEXT_BYTES];      /* "" where each database did */
};

struct context;

/* EXIT_SUCCESS, though Redis or another database than home may have a fault; or EXIT_FAILED, told
 * on standard error: home cannot be asked. Either way status_free. */
int status_read(struct context *context, struct status *status);
void status_free(struct status *status);

extern const struct command status_command;

#endif
