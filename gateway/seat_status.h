/* What readers are told for a seat's status, a number of base/seats.h: a word, or a digit. Pure. */
#ifndef USHER_GATEWAY_SEAT_STATUS_H
#define USHER_GATEWAY_SEAT_STATUS_H

#include <stdbool.h>

bool seat_status_is_known(unsigned char status); /* the others want one that is */
const char *seat_status_word(unsigned char status);
char seat_status_digit(unsigned char status);

#endif
