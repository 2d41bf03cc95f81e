/*
 * One atomic UPDATE … WHERE available >= n, and the booking's row in the same statement: one round
 * trip, one transaction. The document records no booking; a service that answers for one must.
 */
#include "bench/rivals/design.h"

static struct move move(struct wish *wish, const struct row *row)
{
    if (wish->stage++ == 0)
        return (struct move){.act = ACT_SEND, .count = 1, .statement = {0}};
    if (!row->found)
        return (struct move){.act = ACT_REFUSE};
    return (struct move){.act = ACT_GRANT, .id = row->column[0]};
}

const struct design design_atomic = {
    .name = "atomic",
    .summary = "one UPDATE … WHERE available >= n with the booking's INSERT",
    .statement = {{"WITH taken AS (UPDATE shows SET reserved_seats = reserved_seats + $2 "
                   "WHERE id = $1 AND total_seats - reserved_seats >= $2 RETURNING id) "
                   "INSERT INTO bookings (show_id, user_name, seats, status) "
                   "SELECT id, $3, $2, 'CONFIRMED' FROM taken RETURNING id",
                   "squ"}},
    .move = move,
};
