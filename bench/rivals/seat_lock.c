/*
 * A row lock for each seat: BEGIN, SELECT … FOR UPDATE of the seat, look, INSERT the hold, UPDATE
 * the seat, COMMIT; each statement awaited, as the document's code does. Holds of different seats
 * do not wait for each other's rows; each costs five round trips and a commit of its own.
 *
 * "fused" is the same in two round trips, as with for_update.
 */
#include "bench/rivals/design.h"

enum { SQL_BEGIN, SQL_LOCK, SQL_HOLD, SQL_UPDATE, SQL_COMMIT, SQL_ROLLBACK };

#define STATEMENTS                                                                                 \
    {                                                                                              \
        [SQL_BEGIN] = {"BEGIN", ""},                                                               \
        [SQL_LOCK] = {"SELECT (status = 'available')::int FROM seats WHERE id = $1 FOR UPDATE",    \
                      "p"},                                                                        \
        [SQL_HOLD] = {"INSERT INTO seat_holds (seat_id, user_email, expires_at) "                  \
                      "VALUES ($1, $2, now() + interval '10 minutes') RETURNING id",               \
                      "pu"},                                                                       \
        [SQL_UPDATE] = {"UPDATE seats SET status = 'held' WHERE id = $1", "p"},                    \
        [SQL_COMMIT] = {"COMMIT", ""}, [SQL_ROLLBACK] = {"ROLLBACK", ""},                          \
    }

enum { AT_BEGIN, AT_LOCK, AT_LOOK, AT_UPDATE, AT_COMMIT, AT_GRANTED, AT_TAKEN, AT_UNKNOWN };

static struct move send(struct wish *wish, unsigned next, int statement)
{
    wish->stage = next;
    return (struct move){.act = ACT_SEND, .count = 1, .statement = {statement}};
}

/* What both do with the seat's row: nothing more, or `go_on`. */
static struct move look(struct wish *wish, const struct row *row, struct move go_on)
{
    if (!row->found)
        return send(wish, AT_UNKNOWN, SQL_ROLLBACK);
    if (row->column[0] == 0)
        return send(wish, AT_TAKEN, SQL_ROLLBACK);
    return go_on;
}

static struct move move(struct wish *wish, const struct row *row)
{
    switch (wish->stage) {
    case AT_BEGIN:
        return send(wish, AT_LOCK, SQL_BEGIN);
    case AT_LOCK:
        return send(wish, AT_LOOK, SQL_LOCK);
    case AT_LOOK:
        wish->stage = AT_UPDATE;
        return look(wish, row, (struct move){ACT_SEND, 0, 1, {SQL_HOLD}, 0});
    case AT_UPDATE:
        wish->version = row->column[0]; /* the hold's id */
        return send(wish, AT_COMMIT, SQL_UPDATE);
    case AT_COMMIT:
        return send(wish, AT_GRANTED, SQL_COMMIT);
    case AT_GRANTED:
        return (struct move){.act = ACT_GRANT, .id = wish->version};
    case AT_TAKEN:
        return (struct move){.act = ACT_REFUSE};
    default:
        return (struct move){.act = ACT_UNKNOWN};
    }
}

static struct move move_fused(struct wish *wish, const struct row *row)
{
    switch (wish->stage) {
    case AT_BEGIN:
        wish->stage = AT_LOOK;
        return (struct move){ACT_SEND, 0, 2, {SQL_BEGIN, SQL_LOCK}, 1};
    case AT_LOOK:
        wish->stage = AT_GRANTED;
        return look(wish, row,
                    (struct move){ACT_SEND, 0, 3, {SQL_HOLD, SQL_UPDATE, SQL_COMMIT}, 0});
    case AT_GRANTED:
        return (struct move){.act = ACT_GRANT, .id = row->column[0]};
    case AT_TAKEN:
        return (struct move){.act = ACT_REFUSE};
    default:
        return (struct move){.act = ACT_UNKNOWN};
    }
}

const struct design design_seat_lock = {
    .name = "seat_lock",
    .summary = "numbered seats, SELECT … FOR UPDATE of each",
    .seats = true,
    .statement = STATEMENTS,
    .move = move,
};

const struct design design_seat_lock_fused = {
    .name = "seat_lock_fused",
    .summary = "numbered seats, in two round trips",
    .seats = true,
    .statement = STATEMENTS,
    .move = move_fused,
};
