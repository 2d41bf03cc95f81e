/* From rows of Postgres to the domain (reads.h). */
#include "gateway/reads.h"

bool state_from_name(struct span name, enum state *state)
{
#define X(number, word)                                                                            \
    if (span_is(name, #word)) {                                                                    \
        *state = STATE_##word;                                                                     \
        return true;                                                                               \
    }
    STATES(X)
#undef X
    return false;
}

enum err booking_from_row(struct booking *booking, const struct postgres_rows *rows, size_t row,
                          size_t first_column)
{
    size_t at = first_column;

    TRY(id_from_uuid(rows_text(rows, row, at), &booking->id));
    booking->user = rows_text(rows, row, at + 1);
    if (!state_from_name(rows_text(rows, row, at + 2), &booking->state))
        return ERR_INPUT;
    booking->created_ms = rows_i64(rows, row, at + 3);
    booking->expires_ms = rows_i64(rows, row, at + 4);
    booking->amount = rows_i64(rows, row, at + 5);
    booking->seats = (struct span){NULL, 0};
    booking->seat_ids = rows_text(rows, row, at + 10);
    booking->lines = 1;
    booking->line[0] = (struct booking_line){.tier = (uint32_t)rows_i64(rows, row, at + 6),
                                             .quantity = (uint32_t)rows_i64(rows, row, at + 7),
                                             .price = rows_i64(rows, row, at + 8)};
    if (!rows_is_null(rows, row, at + 9) &&
        !booking_lines_read(rows_text(rows, row, at + 9), booking))
        return ERR_INPUT;
    return ERR_NONE;
}
