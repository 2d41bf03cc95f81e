/* The numbered seats of a show that Redis has loaded: its one string, against the rows. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bounds.h"
#include "base/seats.h"
#include "base/text.h"
#include "verify_redis.h"

#define SQL_BYTES_MAX 200
#define TOLD_MAX 20 /* differences of one show */

/* The bytes that Redis should have, as they are built. */
struct building {
    struct buf bytes;
    bool wrong;
};

/* position, tier, status */
static enum err take_seat(void *context, struct span line)
{
    struct building *b = context;
    struct span field[3];
    uint64_t position, tier, status;
    if (postgres_copy_split(line, field, 3) != 3 || !text_u64(field[0], POSITIONS_MAX, &position) ||
        !text_u64(field[1], TIERS_MAX, &tier) || tier == 0 ||
        !text_u64(field[2], SEAT_BLOCKED, &status) || position <= b->bytes.len) {
        b->wrong = true;
        return ERR_NONE;
    }
    while (b->bytes.len + 1 < position)
        buf_putc(&b->bytes, (char)SEAT_SEPARATOR);
    buf_putc(&b->bytes, (char)((tier - 1) * 8 + status));
    return ERR_NONE;
}

static void tell_differences(struct comparison *c, uint32_t show, struct span has,
                             struct span wanted)
{
    size_t told = 0;
    if (has.len != wanted.len)
        differences_add(c->found,
                        "show %" PRIu32 ": its seats take %zu positions in Redis, %zu in Postgres",
                        show, has.len, wanted.len);
    for (size_t i = 0; i < has.len && i < wanted.len && told < TOLD_MAX; i++) {
        if (has.bytes[i] == wanted.bytes[i])
            continue;
        told++;
        differences_add(c->found,
                        "show %" PRIu32 ": the seat at position %zu is %u in Redis, %u in Postgres",
                        show, i + 1, (unsigned char)has.bytes[i], (unsigned char)wanted.bytes[i]);
    }
}

static enum err compare_seats(struct comparison *c, uint32_t show, struct building *b)
{
    struct key key = comparison_key(c, "seats:", show);
    struct span get[] = {SPAN("GET"), {key.text, key.len}};
    struct redis_reply *reply;
    if (b->bytes.len > 0)
        buf_putc(&b->bytes, (char)SEAT_SEPARATOR);
    if (b->wrong || b->bytes.failed)
        differences_add(c->found, "show %" PRIu32 ": its seats in Postgres cannot be read", show);
    TRY(comparison_ask(c, 2, get, &reply));
    if (reply != NULL)
        tell_differences(c, show, redis_text(reply), buf_span(&b->bytes));
    redis_reply_free(reply);
    return ERR_NONE;
}

enum err verify_seats(struct comparison *c, uint32_t show)
{
    struct building b = {.wrong = false};
    char sql[SQL_BYTES_MAX];
    buf_init(&b.bytes, POSITIONS_MAX + 2);
    snprintf(sql, sizeof(sql),
             "SELECT position, tier, status FROM seats WHERE show = %" PRIu32 " ORDER BY position",
             show);
    enum err err = postgres_copy_out(c->postgres, sql, take_seat, &b);
    if (!err)
        err = compare_seats(c, show, &b);
    buf_free(&b.bytes);
    return err;
}
