/* "60/10": 60 within 10 seconds. Pure. */
#ifndef USHER_GATEWAY_RATE_H
#define USHER_GATEWAY_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_QUOTA_MAX 1000000
#define RATE_SECONDS_MAX 86400

struct rate {
    uint32_t quota; /* 0: no limit */
    uint32_t seconds;
};

/* "" is no limit. False if it is none of the two forms. */
bool rate_read(struct rate *rate, const char *text);

#endif
