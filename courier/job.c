#include "courier/job.h"

const char *job_kind_word(enum job_kind kind)
{
    static const char *const words[JOB_KINDS_COUNT] = {
#define X(name, word) [JOB_##name] = word,
        JOB_KINDS(X)
#undef X
    };

    return words[kind];
}

const char *verdict_word(enum verdict_kind kind)
{
    switch (kind) {
    case VERDICT_SUCCEEDED:
        return "succeeded";
    case VERDICT_FAILED:
        return "failed";
    case VERDICT_WORKING:
        return "working";
    case VERDICT_ABSENT:
        return "absent";
    case VERDICT_UNKNOWN:
        return "unknown";
    }
    return "unknown";
}
