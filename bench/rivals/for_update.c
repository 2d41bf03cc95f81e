/*
 * Pessimistic: BEGIN, SELECT … FOR UPDATE, look, UPDATE, INSERT, COMMIT. Each statement waits for
 * the answer to the one before, as the documents' code awaits them one by one; the row stays
 * locked over four round trips and the commit.
 *
 * "fused" is the most that can be said for it: what needs no look in between goes out together, so
 * that the lock is held over one round trip less a look. No document does that; it is measured so
 * that nobody has to wonder.
 */
#include "bench/rivals/design.h"

enum { SQL_BEGIN, SQL_SELECT, SQL_UPDATE, SQL_INSERT, SQL_COMMIT, SQL_ROLLBACK };

#define STATEMENTS                                                                                 \
    {                                                                                              \
        [SQL_BEGIN] = {"BEGIN", ""},                                                               \
        [SQL_SELECT] = {"SELECT total_seats - reserved_seats FROM shows WHERE id = $1 FOR UPDATE", \
                        "s"},                                                                      \
        [SQL_UPDATE] = {"UPDATE shows SET reserved_seats = reserved_seats + $2 WHERE id = $1",     \
                        "sq"},                                                                     \
        [SQL_INSERT] = {"INSERT INTO bookings (show_id, user_name, seats, status) "                \
                        "VALUES ($1, $2, $3, 'CONFIRMED') RETURNING id",                           \
                        "suq"},                                                                    \
        [SQL_COMMIT] = {"COMMIT", ""}, [SQL_ROLLBACK] = {"ROLLBACK", ""},                          \
    }

enum { AT_BEGIN, AT_SELECT, AT_LOOK, AT_INSERT, AT_COMMIT, AT_GRANTED, AT_REFUSED };

static struct move send(struct wish *wish, unsigned next, int statement)
{
    wish->stage = next;
    return (struct move){.act = ACT_SEND, .count = 1, .statement = {statement}};
}

static struct move move(struct wish *wish, const struct row *row)
{
    switch (wish->stage) {
    case AT_BEGIN:
        return send(wish, AT_SELECT, SQL_BEGIN);
    case AT_SELECT:
        return send(wish, AT_LOOK, SQL_SELECT);
    case AT_LOOK:
        if (!row->found || row->column[0] < wish->quantity)
            return send(wish, AT_REFUSED, SQL_ROLLBACK);
        return send(wish, AT_INSERT, SQL_UPDATE);
    case AT_INSERT:
        return send(wish, AT_COMMIT, SQL_INSERT);
    case AT_COMMIT:
        wish->version = row->column[0]; /* the booking's id */
        return send(wish, AT_GRANTED, SQL_COMMIT);
    case AT_GRANTED:
        return (struct move){.act = ACT_GRANT, .id = wish->version};
    default:
        return (struct move){.act = ACT_REFUSE};
    }
}

static struct move move_fused(struct wish *wish, const struct row *row)
{
    switch (wish->stage) {
    case AT_BEGIN:
        wish->stage = AT_LOOK;
        return (struct move){ACT_SEND, 0, 2, {SQL_BEGIN, SQL_SELECT}, 1};
    case AT_LOOK:
        if (!row->found || row->column[0] < wish->quantity)
            return send(wish, AT_REFUSED, SQL_ROLLBACK);
        wish->stage = AT_GRANTED;
        return (struct move){ACT_SEND, 0, 3, {SQL_UPDATE, SQL_INSERT, SQL_COMMIT}, 1};
    case AT_GRANTED:
        return (struct move){.act = ACT_GRANT, .id = row->column[0]};
    default:
        return (struct move){.act = ACT_REFUSE};
    }
}

const struct design design_for_update = {
    .name = "for_update",
    .summary = "SELECT … FOR UPDATE, statement by statement",
    .statement = STATEMENTS,
    .move = move,
};

const struct design design_for_update_fused = {
    .name = "for_update_fused",
    .summary = "SELECT … FOR UPDATE, in two round trips",
    .statement = STATEMENTS,
    .move = move_fused,
};
