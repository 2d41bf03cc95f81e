#include "gateway/seat_status.h"

#include <assert.h>

#include "base/seats.h"

static const struct {
    const char *word;
    char digit;
} shown[] = {
    [SEAT_AVAILABLE] = {"available", '0'}, [SEAT_HELD] = {"held", '1'},
    [SEAT_PENDING] = {"booked", '2'},      [SEAT_BOOKED] = {"booked", '2'},
    [SEAT_BLOCKED] = {"blocked", '3'},
};
#define STATUSES (sizeof shown / sizeof shown[0])

bool seat_status_is_known(unsigned char status)
{
    return status < STATUSES;
}

const char *seat_status_word(unsigned char status)
{
    assert(status < STATUSES);
    return shown[status].word;
}

char seat_status_digit(unsigned char status)
{
    assert(status < STATUSES);
    return shown[status].digit;
}
