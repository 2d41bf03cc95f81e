#include "gateway/merge.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <libpq-fe.h>

#define PARTS_MAX 64

static const PGresult *inside(const struct postgres_rows *rows)
{
    return rows->result;
}

struct postgres_rows rows_keep(const struct postgres_rows *rows)
{
    return (struct postgres_rows){PQcopyResult(inside(rows), PG_COPYRES_ATTRS | PG_COPYRES_TUPLES),
                                  rows->age_ms};
}

void rows_free(struct postgres_rows *rows)
{
    PQclear((PGresult *)(uintptr_t)rows->result);
    rows->result = NULL;
}

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_texts(struct span a, struct span b)
{
    int order = memcmp(a.bytes, b.bytes, a.len < b.len ? a.len : b.len);

    return order != 0 ? order : compare_numbers((int64_t)a.len, (int64_t)b.len);
}

static int compare_key(const struct merge_key *key, const struct postgres_rows *a, size_t row_a,
                       const struct postgres_rows *b, size_t row_b)
{
    bool no_a = rows_is_null(a, row_a, key->column), no_b = rows_is_null(b, row_b, key->column);
    int order;

    if (no_a || no_b)
        return no_a - no_b;
    if (key->kind == MERGE_NUMBER)
        order = compare_numbers(rows_i64(a, row_a, key->column), rows_i64(b, row_b, key->column));
    else
        order = compare_texts(rows_text(a, row_a, key->column), rows_text(b, row_b, key->column));
    return key->descends ? -order : order;
}

static bool is_before(const struct merge_order *order, const struct postgres_rows *a, size_t row_a,
                      const struct postgres_rows *b, size_t row_b)
{
    for (size_t i = 0; i < order->keys; i++) {
        int found = compare_key(&order->key[i], a, row_a, b, row_b);
        if (found != 0)
            return found < 0;
    }
    return false;
}

static bool append(PGresult *to, const PGresult *from, int row)
{
    int at = PQntuples(to);

    for (int i = 0; i < PQnfields(from); i++) {
        bool is_null = PQgetisnull(from, row, i);
        char *value = is_null ? NULL : PQgetvalue(from, row, i);
        if (!PQsetvalue(to, at, i, value, is_null ? -1 : PQgetlength(from, row, i)))
            return false;
    }
    return true;
}

/* The part whose next row is the first of all; `count` if they are through. */
static size_t first_of(const struct postgres_rows *parts, const size_t *next, size_t count,
                       const struct merge_order *order)
{
    size_t first = count;

    for (size_t i = 0; i < count; i++) {
        if (parts[i].result == NULL || next[i] == rows_count(&parts[i]))
            continue;
        if (first == count || is_before(order, &parts[i], next[i], &parts[first], next[first]))
            first = i;
    }
    return first;
}

struct postgres_rows rows_merge(const struct postgres_rows *parts, size_t count,
                                const struct merge_order *order)
{
    struct postgres_rows merged = {NULL, 0};
    size_t next[PARTS_MAX] = {0}, first;
    PGresult *result = NULL;

    assert(count <= PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (result == NULL && parts[i].result != NULL)
            result = PQcopyResult(inside(&parts[i]), PG_COPYRES_ATTRS);
        if (parts[i].age_ms > merged.age_ms)
            merged.age_ms = parts[i].age_ms;
    }
    while (result != NULL && (first = first_of(parts, next, count, order)) < count)
        if (!append(result, inside(&parts[first]), (int)next[first]++)) {
            PQclear(result);
            result = NULL;
        }
    merged.result = result;
    return merged;
}
