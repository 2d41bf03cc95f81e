/* What a run is to do: the command line, checked. */
#ifndef USHER_BENCH_PLAN_H
#define USHER_BENCH_PLAN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bench/generator/errand.h"

#define TARGETS_MAX 16
#define PROCESSES_MAX 64
#define CLIENTS_MAX 200000
#define HOST_BYTES_MAX 256

struct target {
    char host[HOST_BYTES_MAX]; /* as the Host field names it */
    struct sockaddr_storage address;
    socklen_t address_len;
};

/* What the connections of --open do while they are held. */
enum open_kind { OPEN_NONE, OPEN_IDLE, OPEN_AWAIT, OPEN_LISTEN };

struct plan {
    struct target target[TARGETS_MAX];
    size_t targets;
    uint32_t clients; /* over all processes */
    uint32_t processes;
    double rate;       /* operations a second over all processes; 0: closed loop */
    double seconds;    /* how long operations are begun */
    double warmup;     /* seconds at the beginning that are checked but not counted */
    uint64_t requests; /* at most so many operations; 0: no such bound */
    struct errand_world world;
    unsigned weight[ERRANDS]; /* of each kind of errand, 0: never */
    unsigned weight_sum;
    uint32_t open; /* connections to hold, over all processes; 0: the usual run */
    enum open_kind open_kind;
    const char *path; /* --open-kind await, listen: what to GET, or "-"; borrowed from argv */
    int64_t timeline_ms;
    const char *json; /* where to write the results; borrowed from argv; NULL: nowhere */
    bool quiet;
};

/* Prints to standard error and exits with 2 if the command line is wrong; --help exits with 0. */
void plan_read(struct plan *plan, int argc, char **argv);

/* This process' part of a number that all processes share. */
uint64_t plan_share(const struct plan *plan, uint64_t whole, uint32_t process);

#endif
