#include "verify_strays.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/text.h"

#define SCAN_COUNT "1000"
#define STRAYS_TOLD_MAX 20

enum err compare_size(struct comparison *c, const char *command, struct key key, int64_t expected,
                      const char *what, bool *more)
{
    struct span argv[] = {span_of(command), {key.text, key.len}};
    struct redis_reply *reply;
    *more = false;
    TRY(comparison_ask(c, 2, argv, &reply));
    if (reply == NULL)
        return ERR_NONE;
    long long has = redis_integer(reply);
    redis_reply_free(reply);
    if (has != expected)
        differences_add(c->found, "%s: %lld %s in Redis, %" PRId64 " in Postgres", key.text, has,
                        what, expected);
    *more = has > expected;
    return ERR_NONE;
}

static struct id id_at(struct span bytes)
{
    struct id id;
    memcpy(id.bytes, bytes.bytes, ID_BYTES);
    return id;
}

/* One array's text from the fields of a scan's reply: {"…","…"} */
static void put_array(struct buf *b, const struct redis_reply *pairs, bool are_ids)
{
    buf_putc(b, '{');
    for (size_t i = 0; i + 1 < redis_count(pairs); i += 2) {
        struct span field = redis_text(redis_at(pairs, i));
        char id[UUID_BYTES] = "00000000-0000-0000-0000-000000000000";
        if (are_ids && field.len == ID_BYTES)
            id_format_uuid(id_at(field), id);
        if (are_ids)
            field = span_of(id);
        buf_puts(b, i > 0 ? ",\"" : "\"");
        for (size_t j = 0; j < field.len; j++) {
            if (field.bytes[j] == '"' || field.bytes[j] == '\\')
                buf_putc(b, '\\');
            buf_putc(b, field.bytes[j]);
        }
        buf_putc(b, '"');
    }
    buf_putc(b, '}');
}

static enum err tell_strays(struct comparison *c, const struct redis_reply *pairs, const char *sql,
                            bool are_ids, const char *what, size_t *told)
{
    struct buf array;
    buf_init(&array, 16u << 20);
    put_array(&array, pairs, are_ids);
    if (array.failed)
        abort();
    struct postgres_parameter parameter = {array.bytes, array.len, false};
    struct postgres_result *strays;
    enum err err = postgres_query(c->postgres, sql, 1, &parameter, false, &strays);
    buf_free(&array);
    TRY(err);
    for (size_t i = 0; i < postgres_rows(strays) && *told < STRAYS_TOLD_MAX; i++, (*told)++) {
        struct span name = postgres_cell(strays, i, 0);
        differences_add(c->found, "%s %.*s: it is in Redis, and not in Postgres", what,
                        (int)name.len, name.bytes);
    }
    postgres_result_free(strays);
    return ERR_NONE;
}

enum err find_strays(struct comparison *c, const char *scan, struct key key, const char *sql,
                     bool are_ids, const char *what)
{
    char cursor[24] = "0";
    size_t told = 0;
    do {
        struct span argv[] = {
            span_of(scan), {key.text, key.len}, span_of(cursor), SPAN("COUNT"), SPAN(SCAN_COUNT)};
        struct redis_reply *page;
        TRY(comparison_ask(c, 5, argv, &page));
        if (page == NULL)
            return ERR_NONE;
        snprintf(cursor, sizeof(cursor), "%s", redis_text(redis_at(page, 0)).bytes);
        enum err err = tell_strays(c, redis_at(page, 1), sql, are_ids, what, &told);
        redis_reply_free(page);
        TRY(err);
    } while (strcmp(cursor, "0") != 0 && told < STRAYS_TOLD_MAX);
    return ERR_NONE;
}
