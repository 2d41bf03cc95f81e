/*
 * Two looks at a running installation, some seconds apart, and what happened between them: the
 * figures that advice is made of (base/advice.h). From Redis' reports and Postgres; it asks no
 * program.
 */
#ifndef USHER_CTL_SURVEY_H
#define USHER_CTL_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/advice.h"
#include "base/bounds.h"
#include "base/partition_look.h"
#include "context.h"
#include "status.h"

/* Of a partition: what the report said last, and what only words need. */
struct surveyed {
    struct partition_look look;
    uint64_t redis_us; /* processor time of its Redis' thread */
    uint32_t hot_show;
    unsigned hot_permille;
    char slug[SLUG_BYTES_MAX + 1]; /* of the hot show; "" if there is none */
    bool has_room;                 /* … its waiting room is on, or opens by itself */
};

struct survey {
    double seconds;
    struct status status; /* of the second look */
    struct surveyed *surveyed;
    struct partition_figures *partition; /* as many as status.partitions, in its order */
    size_t gateways;
    struct gateway_load *gateway;
    struct figures figures; /* of the above */
};

/* Takes so long and a little. EXIT_SUCCESS; or EXIT_FAILED, and it was told on standard error what
 * could not be asked. Either way survey_free. */
int survey_take(struct context *context, int64_t seconds, struct survey *survey);
void survey_free(struct survey *survey);

/* The partition of this number; NULL if there is none. */
const struct surveyed *survey_partition(const struct survey *survey, uint32_t partition);

#endif
