#include "base/settlement.h"

#include <inttypes.h>
#include <stdio.h>

#define DEADLINE_MS (INT64_C(10) * 365 * 86400 * 1000)

void settlement_name(struct request *r, int64_t now_ms, uint32_t round)
{
    char key[2 * ID_TEXT_BYTES + 32];

    id_format(r->payment, key);
    int len = snprintf(key + ID_TEXT_BYTES - 1, sizeof key - ID_TEXT_BYTES + 1, ":%s:%" PRIu32,
                       result_name(r->result), round);
    r->op = OP_SETTLE;
    r->show = id_show(r->booking);
    r->user = (struct span){"", 0};
    r->id = id_keyed(r->show, SPAN(""), SPAN("settle"),
                     (struct span){key, ID_TEXT_BYTES - 1 + (size_t)len});
    r->deadline_ms = now_ms + DEADLINE_MS;
    /* The same word by another way may come with other words beside it. */
    struct span reference = r->reference, reason = r->reason;
    r->reference = r->reason = (struct span){"", 0};
    request_set_fingerprint(r);
    r->reference = reference;
    r->reason = reason;
}

struct id settlement_told_as(struct id booking)
{
    char key[ID_TEXT_BYTES];

    id_format(booking, key);
    return id_keyed(id_show(booking), SPAN(""), SPAN("settled"),
                    (struct span){key, ID_TEXT_BYTES - 1});
}
