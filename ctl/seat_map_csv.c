/* Seat maps in CSV, RFC 4180: a field may stand in quotes, with quotes in it doubled. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seat_map.h"

#define FILE_BYTES_MAX (64 << 20)
#define COLUMNS_MAX 32

/* Where the reading is. Fields are unquoted in place. */
struct csv {
    char *at, *end;
    size_t line; /* the present one, from 1 */
};

static bool read_file(const char *path, struct buf *text, char why[SHOW_WHY_BYTES])
{
    FILE *file = fopen(path, "rb");
    size_t n = 1;

    if (file == NULL) {
        snprintf(why, SHOW_WHY_BYTES, "%s: %s", path, strerror(errno));
        return false;
    }
    while (n > 0 && !text->failed) {
        char *room = buf_room(text, 65536);
        n = room != NULL ? fread(room, 1, 65536, file) : 0;
        if (room != NULL)
            buf_grew(text, n);
    }
    bool wrong = ferror(file) != 0 || text->failed;
    fclose(file);
    if (wrong)
        snprintf(why, SHOW_WHY_BYTES, "%s: it cannot be read, or is too long", path);
    return !wrong;
}

/* A field in quotes: from behind the first to the last. False if it has no end. */
static bool read_quoted(struct csv *csv, struct span *field)
{
    char *to = ++csv->at;

    field->bytes = to;
    for (; csv->at < csv->end && *csv->at != '\n'; csv->at++) {
        if (*csv->at == '"' && (csv->at + 1 == csv->end || csv->at[1] != '"')) {
            csv->at++;
            field->len = (size_t)(to - field->bytes);
            return true;
        }
        csv->at += *csv->at == '"';
        *to++ = *csv->at;
    }
    return false;
}

static bool is_end_of_field(const struct csv *csv)
{
    return csv->at == csv->end || *csv->at == ',' || *csv->at == '\n' ||
           (*csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n');
}

/* The fields of one line; false, and one clause in why, if it is malformed. */
static bool read_line(struct csv *csv, struct span *fields, size_t *count, char why[SHOW_WHY_BYTES])
{
    *count = 0;
    while (true) {
        struct span field = {csv->at, 0};
        bool quoted = csv->at < csv->end && *csv->at == '"';
        if (quoted && !read_quoted(csv, &field)) {
            snprintf(why, SHOW_WHY_BYTES, "a quote is not closed");
            return false;
        }
        while (!quoted && !is_end_of_field(csv))
            csv->at++;
        if (!quoted)
            field.len = (size_t)(csv->at - field.bytes);
        if (*count == COLUMNS_MAX || !is_end_of_field(csv)) {
            snprintf(why, SHOW_WHY_BYTES, "%s",
                     *count == COLUMNS_MAX ? "too many fields" : "text follows a closing quote");
            return false;
        }
        fields[(*count)++] = field;
        if (csv->at == csv->end || *csv->at != ',')
            break;
        csv->at++;
    }
    csv->at += csv->at < csv->end && *csv->at == '\r';
    csv->at += csv->at < csv->end;
    return true;
}

static bool read_heading(const struct span *names, size_t count, size_t column[COLUMNS_MAX],
                         char why[SHOW_WHY_BYTES])
{
    for (size_t i = 0; i < count; i++) {
        column[i] = SEAT_FIELDS;
        for (size_t j = 0; j < SEAT_FIELDS; j++)
            if (span_is(names[i], seat_field_names[j]))
                column[i] = j;
        for (size_t j = 0; j < i; j++)
            if (column[j] == column[i])
                column[i] = SEAT_FIELDS;
        if (column[i] == SEAT_FIELDS) {
            snprintf(why, SHOW_WHY_BYTES, "there is no column '%.*s', or it is there twice",
                     (int)(names[i].len < 60 ? names[i].len : 60), names[i].bytes);
            return false;
        }
    }
    return true;
}

static bool read_rows(struct csv *csv, struct seat_map *map, const struct show_spec *show,
                      char why[SHOW_WHY_BYTES])
{
    struct span fields[COLUMNS_MAX];
    size_t column[COLUMNS_MAX], columns, count;

    csv->line = 1;
    if (!read_line(csv, fields, &columns, why) || !read_heading(fields, columns, column, why))
        return false;
    for (csv->line = 2; csv->at < csv->end; csv->line++) {
        struct span seat[SEAT_FIELDS] = {{NULL, 0}};
        if (!read_line(csv, fields, &count, why))
            return false;
        if (count == 1 && fields[0].len == 0)
            continue; /* an empty line */
        if (count != columns) {
            snprintf(why, SHOW_WHY_BYTES, "%zu fields, where the first line has %zu", count,
                     columns);
            return false;
        }
        for (size_t i = 0; i < columns; i++)
            seat[column[i]] = fields[i];
        if (!seat_map_add(map, show, seat, why))
            return false;
    }
    return true;
}

bool seat_map_read_csv(struct seat_map *map, const struct show_spec *show, const char *path,
                       char why[SHOW_WHY_BYTES])
{
    struct buf text;
    char clause[SHOW_WHY_BYTES];

    buf_init(&text, FILE_BYTES_MAX);
    bool right = read_file(path, &text, why);
    if (right) {
        struct csv csv = {.at = text.bytes, .end = text.bytes + text.len};
        right = read_rows(&csv, map, show, clause);
        if (!right)
            snprintf(why, SHOW_WHY_BYTES, "%.60s:%zu: %.120s", path, csv.line, clause);
    }
    buf_free(&text);
    return right;
}
