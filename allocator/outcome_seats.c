#include "allocator/outcome_seats.h"

#include "base/id.h"

/* Positions in a row of the script's. */
enum { AT_SHOW, AT_POSITION, AT_FROM, AT_TO, MOVE_FIELDS };

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
           read_booking(row, AT_FROM, c, COLUMN_M_FROM) && read_booking(row, AT_TO, c, COLUMN_M_TO);
}

static bool read_undone(struct columns *c, struct value row)
{
    struct span id;

    if (!value_str(row, &id) || id.len != ID_BYTES)
        return false;
    columns_put_bytes(c, COLUMN_M_UNDONE, id.bytes, id.len);
    return true;
}

bool outcome_read_seats(struct columns *c, struct value seats)
{
    size_t parts, moves, undone;

    if (!value_is_array(seats, &parts) || (parts != 0 && parts != 2))
        return false;
    if (parts == 0)
        return true;
    if (!value_is_array(value_at(seats, 0), &moves) || !value_is_array(value_at(seats, 1), &undone))
        return false;
    for (size_t i = 0; i < moves; i++)
        if (!read_move(c, value_at(value_at(seats, 0), i)))
            return false;
    for (size_t i = 0; i < undone; i++)
        if (!read_undone(c, value_at(value_at(seats, 1), i)))
            return false;
    return true;
}
