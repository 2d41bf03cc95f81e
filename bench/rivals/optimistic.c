/*
 * Optimistic: read the version without a lock, write only if it is still the same, else again.
 * The write is one statement with the booking's INSERT. After RETRIES_MAX the client is told to
 * come back.
 */
#include "bench/rivals/design.h"

enum { SQL_READ, SQL_WRITE };
enum { AT_READ, AT_LOOK, AT_WRITTEN };

static struct move send(struct wish *wish, unsigned next, int statement)
{
    wish->stage = next;
    return (struct move){.act = ACT_SEND, .count = 1, .statement = {statement}};
}

static struct move move(struct wish *wish, const struct row *row)
{
    switch (wish->stage) {
    case AT_READ:
        return send(wish, AT_LOOK, SQL_READ);
    case AT_LOOK:
        if (!row->found || row->column[0] < wish->quantity)
            return (struct move){.act = ACT_REFUSE};
        wish->version = row->column[1];
        return send(wish, AT_WRITTEN, SQL_WRITE);
    default:
        if (row->found)
            return (struct move){.act = ACT_GRANT, .id = row->column[0]};
        if (++wish->tries > RETRIES_MAX)
            return (struct move){.act = ACT_FAIL};
        return send(wish, AT_LOOK, SQL_READ);
    }
}

const struct design design_optimistic = {
    .name = "optimistic",
    .summary = "a version column and retries",
    .statement =
        {
            [SQL_READ] = {"SELECT total_seats - reserved_seats, version FROM shows WHERE id = $1",
                          "s"},
            [SQL_WRITE] = {"WITH taken AS (UPDATE shows SET reserved_seats = reserved_seats + $2, "
                           "version = version + 1 WHERE id = $1 AND version = $4 RETURNING id) "
                           "INSERT INTO bookings (show_id, user_name, seats, status) "
                           "SELECT id, $3, $2, 'CONFIRMED' FROM taken RETURNING id",
                           "squv"},
        },
    .move = move,
};
