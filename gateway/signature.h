/* Webhooks signed in the manner of Stripe: "t=<seconds>,v1=<hex>[,v1=…]", each v1 an HMAC-SHA256 of
 * "<t>.<body>". Pure. */
#ifndef USHER_GATEWAY_SIGNATURE_H
#define USHER_GATEWAY_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define SIGNATURE_AGE_S_MAX 300

/* Whether one of the field's signatures is right by one of the secrets (separated by commas: two at
 * a time while they are changed), and its time within SIGNATURE_AGE_S_MAX of now. */
bool signature_is_right(struct span field, struct span body, struct span secrets, int64_t now_s);

#endif
