#include "allocator/outcome_seats.h"

#include "base/id.h"
#include "base/seats.h"

/* Positions in a row of the script's. */
enum { AT_SHOW, AT_POSITION, AT_FROM, AT_FROM_BOOKING, AT_TO, AT_TO_BOOKING, MOVE_FIELDS };

static bool read_number(struct value row, size_t at, struct columns *c, enum column_name name)
{
    uint32_t n;

    if (!value_u32(value_at(row, at), &n) || n > INT32_MAX)
        return false;
    columns_put_number(c, name, n);
    return true;
}

static bool read_booking(struct value row, size_t at, struct columns *c, enum column_name name)
{
    struct span id;

    if (!value_str(value_at(row, at), &id) || (id.len != 0 && id.len != ID_BYTES))
        return false;
    if (id.len == 0)
        columns_put_null(c, name);
    else
        columns_put_bytes(c, name, id.bytes, id.len);
    return true;
}

static bool read_move(struct columns *c, struct value row)
{
    size_t count;

    return value_is_array(row, &count) && count == MOVE_FIELDS &&
           read_number(row, AT_SHOW, c, COLUMN_M_SHOW) &&
           read_number(row, AT_POSITION, c, COLUMN_M_POSITION) &&
           read_number(row, AT_FROM, c, COLUMN_M_FROM) &&
           read_booking(row, AT_FROM_BOOKING, c, COLUMN_M_FROM_BOOKING) &&
           read_number(row, AT_TO, c, COLUMN_M_TO) &&
           read_booking(row, AT_TO_BOOKING, c, COLUMN_M_TO_BOOKING);
}

/* [booking, its seats] */
static bool read_list(struct columns *c, struct value row)
{
    struct span id, seats;
    size_t count;

    if (!value_is_array(row, &count) || count != 2 || !value_str(value_at(row, 0), &id) ||
        id.len != ID_BYTES || !value_str(value_at(row, 1), &seats) || !seats_are_right(seats))
        return false;
    for (size_t i = 0; i < seats_count(seats); i++) {
        columns_put_bytes(c, COLUMN_H_BOOKING, id.bytes, id.len);
        columns_put_number(c, COLUMN_H_POSITION, seats_at(seats, i));
    }
    return true;
}

bool outcome_read_seats(struct columns *c, struct value seats)
{
    size_t parts, count;

    if (!value_is_array(seats, &parts) || (parts != 0 && parts != 2))
        return false;
    if (parts == 0)
        return true;
    if (!value_is_array(value_at(seats, 0), &count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_move(c, value_at(value_at(seats, 0), i)))
            return false;
    if (!value_is_array(value_at(seats, 1), &count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_list(c, value_at(value_at(seats, 1), i)))
            return false;
    return true;
}
