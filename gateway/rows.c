/* From rows of Postgres to the domain (reads.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/reads.h"

void id_format_uuid(struct id id, char text[UUID_BYTES])
{
    char *at = text;

    for (size_t i = 0; i < ID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at += sprintf(at, "%02x", id.bytes[i]);
    }
}

enum err id_from_uuid(struct span text, struct id *id)
{
    size_t n = 0;

    for (size_t i = 0; i + 1 < text.len && n < ID_BYTES; i++) {
        unsigned byte;
        if (text.bytes[i] == '-')
            continue;
        if (sscanf(text.bytes + i, "%2x", &byte) != 1)
            return ERR_INPUT;
        id->bytes[n++] = (unsigned char)byte;
        i++;
    }
    return n == ID_BYTES ? ERR_NONE : ERR_INPUT;
}

static bool state_from(struct span name, enum state *state)
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

/* "tier:quantity:price,…" */
static enum err read_items(struct booking *booking, struct span text)
{
    const char *at = text.bytes;

    for (booking->lines = 0; *at != '\0'; booking->lines++) {
        struct booking_line *line = &booking->line[booking->lines];
        char *end;
        if (booking->lines == LINES_MAX)
            return ERR_INPUT;
        line->tier = (uint32_t)strtoul(at, &end, 10);
        if (*end != ':')
            return ERR_INPUT;
        line->quantity = (uint32_t)strtoul(end + 1, &end, 10);
        if (*end != ':')
            return ERR_INPUT;
        line->price = strtoll(end + 1, &end, 10);
        at = *end == ',' ? end + 1 : end;
    }
    return ERR_NONE;
}

enum err booking_from_row(struct booking *booking, const struct postgres_rows *rows, size_t row,
                          size_t first_column)
{
    size_t at = first_column;

    TRY(id_from_uuid(rows_text(rows, row, at), &booking->id));
    booking->user = rows_text(rows, row, at + 1);
    if (!state_from(rows_text(rows, row, at + 2), &booking->state))
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
    if (!rows_is_null(rows, row, at + 9))
        return read_items(booking, rows_text(rows, row, at + 9));
    return ERR_NONE;
}
