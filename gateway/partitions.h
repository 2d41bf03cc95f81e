/*
 * The partitions as their allocators and streams show themselves, asked for several times a second:
 * how long a new request will stand in line, and whether there is an allocator at all.
 */
#ifndef USHER_GATEWAY_PARTITIONS_H
#define USHER_GATEWAY_PARTITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/allocator_report.h"
#include "base/metrics.h"

struct database;
struct gateway;
struct partitions;

#define PARTITIONS_MAX 256

struct partition {
    uint32_t number;
    struct database *database; /* where its truth lies (databases.h); borrowed */
    bool is_asked;             /* a question is under way */

    /* From the stream. */
    bool has_stream;
    uint64_t backlog_entries;

    /* From the allocator's report; all 0 or empty while there is none. */
    bool has_report;
    char allocator[64], state[24];
    uint64_t epoch, version;
    int64_t report_at_ms;
    double rate; /* requests a second that it can decide */
    double requests_per_entry;
    int64_t oldest_ms;     /* age of the oldest request in line */
    uint32_t hot_show;     /* 0: there were hardly any requests */
    unsigned hot_permille; /* of its requests, for that show */
    bool has_metrics;
    struct metric_value metrics[ALLOCATOR_METRICS_COUNT];

    /* What this worker has sent and got back, ever, and when the stream was asked last. */
    uint64_t sent, answered, sent_then, answered_then;
    int64_t full_said_us; /* when the log was told that the queue is too long */
};

struct partitions *partitions_new(struct gateway *gateway); /* never NULL */
void partitions_free(struct partitions *partitions);
void partitions_begin(struct partitions *partitions); /* the links are open: start asking */

/* This partition exists; at home, until the list says otherwise. NULL if there are more than
 * PARTITIONS_MAX. */
struct partition *partitions_note(struct partitions *partitions, uint32_t number);
/* NULL: it is not known (yet). */
const struct partition *partitions_find(const struct partitions *partitions, uint32_t number);
/* Of a partition that is not known: home. */
struct database *partitions_database(const struct partitions *partitions, uint32_t number);
/* The first one of a database, which decides what is of no show; 0: none is known. */
uint32_t partitions_lowest(const struct partitions *partitions, const struct database *database);

/* For health and metrics: in no particular order; NULL behind the last. */
const struct partition *partitions_at(const struct partitions *partitions, size_t index);
bool partition_is_serving(const struct partition *partition);
bool partitions_are_known(const struct partitions *partitions); /* Postgres has told of them once */

/* Requests in line before a new one, and about how long that will take. */
void partitions_estimate(const struct partition *partition, uint64_t *position, int64_t *wait_ms);
/* 0 if one more request may be queued, else the seconds after which to try again. */
unsigned partitions_refuse(const struct partitions *partitions, struct partition *partition);

void partitions_sent(struct partition *partition, size_t requests);
void partitions_answered(struct partitions *partitions, uint32_t number, size_t requests);

#endif
