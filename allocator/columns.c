#include "allocator/columns.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/id.h"
#include "base/seats.h"

/* An array: dimensions, has nulls, element type, length, lower bound; then length and bytes each.
 */
#define ARRAY_HEAD_BYTES 20
#define EMPTY_HEAD_BYTES 12
#define COLUMN_BYTES_MAX (64u << 20)

enum kind { UUID, INT2, INT4, INT8, TEXT, BYTEA };

/* Postgres' own object ids of the element types, fixed since its beginning (pg_type.dat). */
static const struct {
    uint32_t oid;
    uint32_t bytes; /* of a number; 0: has its own length */
} kinds[] = {
    [UUID] = {2950, 0}, [INT2] = {21, 2}, [INT4] = {23, 4},
    [INT8] = {20, 8},   [TEXT] = {25, 0}, [BYTEA] = {17, 0},
};

static const enum kind column_kinds[COLUMN_COUNT] = {
#define X(name, kind) [COLUMN_##name] = kind,
    COLUMNS(X)
#undef X
};

static const enum column_name batch_columns[] = {
#define X(name, kind) COLUMN_##name,
    BATCH_COLUMNS(X)
#undef X
};

static const enum column_name payment_columns[] = {
#define X(name, kind) COLUMN_##name,
    PAYMENT_COLUMNS(X)
#undef X
};

static const enum column_name several_columns[] = {
#define X(name, kind) COLUMN_##name,
    SEVERAL_COLUMNS(X)
#undef X
};

static const enum column_name waiting_columns[] = {
#define X(name, kind) COLUMN_##name,
    WAITING_COLUMNS(X)
#undef X
};

static const enum column_name admin_columns[] = {
#define X(name, kind) COLUMN_##name,
    ADMIN_COLUMNS(X)
#undef X
};

static const enum column_name admission_columns[] = {
#define X(name, kind) COLUMN_##name,
    ADMISSION_COLUMNS(X)
#undef X
};

static const enum column_name trace_columns[] = {
#define X(name, kind) COLUMN_##name,
    TRACE_COLUMNS(X)
#undef X
};

/* partition, epoch, version, cursor, now, answers: of these the others have all but two. */
#define PART(joined_by, function, scalars, columns)                                                \
    {                                                                                              \
        joined_by, function, scalars, columns, sizeof(columns) / sizeof *(columns)                 \
    }
#define COMPANION(function, columns) PART(", ", function, "$1,$2,$3,$5,", columns)
const struct commit_part commit_parts[COMMIT_PARTS] = {
    PART("SELECT ", "commit_batch", "$1,$2,$3,$4,$5,$6,", batch_columns),
    COMPANION("commit_payments", payment_columns),
    COMPANION("commit_several", several_columns),
    COMPANION("commit_waiting", waiting_columns),
    COMPANION("commit_admin", admin_columns),
    COMPANION("commit_admissions", admission_columns),
    /* Called before all of them: what a statement selects from is there first. */
    PART(" FROM ", "note_traces", "", trace_columns),
};

static void put_u32(struct buf *b, uint32_t n)
{
    uint32_t wire = htonl(n);
    buf_put(b, &wire, sizeof wire);
}

static void column_reset(struct column *column)
{
    static const char head[ARRAY_HEAD_BYTES] = {0};

    buf_reset(&column->bytes);
    buf_put(&column->bytes, head, sizeof head);
    column->rows = 0;
    column->has_null = false;
}

void columns_init(struct columns *c)
{
    for (int i = 0; i < COLUMN_COUNT; i++) {
        buf_init(&c->column[i].bytes, COLUMN_BYTES_MAX);
        column_reset(&c->column[i]);
    }
}

void columns_free(struct columns *c)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        buf_free(&c->column[i].bytes);
}

void columns_reset(struct columns *c)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        column_reset(&c->column[i]);
}

void columns_put_number(struct columns *c, enum column_name name, int64_t number)
{
    struct column *column = &c->column[name];
    uint32_t size = kinds[column_kinds[name]].bytes;
    uint64_t wire = htobe64((uint64_t)number);

    assert(size > 0);
    column->rows++;
    put_u32(&column->bytes, size);
    buf_put(&column->bytes, (const char *)&wire + sizeof wire - size, size);
}

void columns_put_bytes(struct columns *c, enum column_name name, const void *bytes, size_t n)
{
    struct column *column = &c->column[name];

    assert(kinds[column_kinds[name]].bytes == 0);
    assert(column_kinds[name] != UUID || n == ID_BYTES);
    column->rows++;
    put_u32(&column->bytes, (uint32_t)n);
    buf_put(&column->bytes, bytes, n);
}

void columns_put_seats(struct columns *c, enum column_name name, struct span seats)
{
    struct buf *b = &c->column[name].bytes;
    size_t at = b->len;

    put_u32(b, 0);
    for (size_t i = 0; i < seats_count(seats); i++) {
        buf_putc(b, i == 0 ? '{' : ',');
        buf_put_u64(b, seats_at(seats, i));
    }
    buf_putc(b, '}');
    if (b->failed)
        return;
    uint32_t len = htonl((uint32_t)(b->len - at - sizeof len));
    memcpy(b->bytes + at, &len, sizeof len);
    c->column[name].rows++;
}

void columns_put_null(struct columns *c, enum column_name name)
{
    c->column[name].rows++;
    c->column[name].has_null = true;
    put_u32(&c->column[name].bytes, UINT32_MAX);
}

uint32_t columns_rows(const struct columns *c, enum column_name name)
{
    return c->column[name].rows;
}

bool columns_have(const struct columns *c, const struct commit_part *part)
{
    for (size_t i = 0; i < part->columns; i++)
        if (c->column[part->column[i]].rows > 0)
            return true;
    return false;
}

static struct span column_finish(struct column *column, enum kind kind)
{
    uint32_t head[ARRAY_HEAD_BYTES / sizeof(uint32_t)] = {
        htonl(column->rows > 0 ? 1 : 0), htonl(column->has_null ? 1 : 0), htonl(kinds[kind].oid),
        htonl(column->rows), htonl(1)};

    memcpy(column->bytes.bytes, head, sizeof head);
    if (column->rows == 0)
        return (struct span){column->bytes.bytes, EMPTY_HEAD_BYTES};
    return buf_span(&column->bytes);
}

bool columns_finish(struct columns *c, struct span arrays[COLUMN_COUNT])
{
    for (int i = 0; i < COLUMN_COUNT; i++) {
        if (c->column[i].bytes.failed)
            return false;
        arrays[i] = column_finish(&c->column[i], column_kinds[i]);
    }
    return true;
}
