#include "gateway/rate.h"

#include <string.h>

#include "base/text.h"

bool rate_read(struct rate *rate, const char *text)
{
    const char *slash = strchr(text, '/');
    uint64_t quota, seconds;

    *rate = (struct rate){0, 0};
    if (text[0] == '\0')
        return true;
    if (slash == NULL ||
        !text_u64((struct span){text, (size_t)(slash - text)}, RATE_QUOTA_MAX, &quota) ||
        !text_u64(span_of(slash + 1), RATE_SECONDS_MAX, &seconds) || quota == 0 || seconds == 0)
        return false;
    *rate = (struct rate){(uint32_t)quota, (uint32_t)seconds};
    return true;
}
