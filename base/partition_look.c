#include "partition_look.h"

struct partition_look partition_look(const struct metric_value metrics[ALLOCATOR_METRICS_COUNT],
                                     int64_t at_us)
{
    struct partition_look look = {.at_us = at_us,
                                  .waits = metrics[AM_STAGE_WAIT].count,
                                  .wait_us = metrics[AM_STAGE_WAIT].sum_us,
                                  .decide_us = metrics[AM_STAGE_DECIDE].sum_us,
                                  .commit_us = metrics[AM_STAGE_COMMIT].sum_us,
                                  .capacity = metrics[AM_CAPACITY].count};

    for (int code = 0; code < CODES_END; code++)
        look.decided += metrics[AM_DECISIONS + code].count;
    return look;
}

bool partition_between(const struct partition_look *before, const struct partition_look *now,
                       struct partition_figures *figures)
{
    double seconds = (double)(now->at_us - before->at_us) / 1e6;

    if (before->at_us == 0 || seconds <= 0 || now->decided < before->decided ||
        now->waits < before->waits || now->commit_us < before->commit_us)
        return false;
    double waits = (double)(now->waits - before->waits);
    double wait_us = (double)(now->wait_us - before->wait_us);
    double commit_us = (double)(now->commit_us - before->commit_us);
    double decide_us = (double)(now->decide_us - before->decide_us);
    figures->decided = (double)(now->decided - before->decided) / seconds;
    figures->capacity = (double)now->capacity;
    figures->wait_ms = waits > 0 ? wait_us / waits / 1000 : 0;
    /* The next batch is decided while this one is committed, and counts for its commit. */
    figures->commit_share = commit_us > decide_us ? (commit_us - decide_us) / commit_us : 0;
    return true;
}
