/*
 * How fast Postgres takes the rows of bookings from one connection when nothing else runs: batches
 * built while the one before commits, as the allocator does it. Two ways:
 *
 *   rows      INSERT … unnest of the bookings alone: the raw limit
 *   function  commit_batch, as the allocator calls it: fence, counters, limits, journal
 *
 * It wants a freshly migrated database of its own, and makes itself a partition and a show there.
 */
#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"
#include "bench/limit.h"
#include "link/postgres.h"

#define TIMEOUT_MS 30000
#define ARRAY_BYTES_MAX (1 << 20)
#define BATCH_MAX 5000
#define ANSWER_BYTES 150 /* of one booking in the journal, about what base/answer.h makes */
#define CAPACITY 2000000000
#define SHOW 1
#define PRICE 10000

/* What varies from row to row; the rest stands in the statements. */
enum { COLUMN_ID, COLUMN_USER, COLUMN_FINGERPRINT, COLUMNS };
static const uint32_t column_type[COLUMNS] = {2950 /* uuid */, 25 /* text */, 20 /* bigint */};

static const char setup_sql[] =
    "INSERT INTO partitions (partition, epoch) VALUES (1, 1) ON CONFLICT DO NOTHING;"
    "INSERT INTO shows (show, slug, name, partition) VALUES (1, 'limit', 'limit', 1) "
    "ON CONFLICT DO NOTHING;"
    "INSERT INTO tiers (show, tier, code, price, capacity, available) "
    "VALUES (1, 1, 'A', 10000, 2000000000, 2000000000) ON CONFLICT DO NOTHING;"
    "UPDATE partitions SET epoch = 1, version = 0 WHERE partition = 1;"
    "TRUNCATE bookings, booking_items, booking_changes, batches CASCADE;"
    "UPDATE tiers SET available = capacity, held = 0, pending = 0, confirmed = 0;";

/* $1 ids, $2 users, $3 fingerprints, $4 now, $5 version, $6 journal, $7 sold after it */
static const char rows_sql[] =
    "INSERT INTO bookings (id, created_ms, expires_ms, amount, fingerprint, show, tier, quantity, "
    "price, status, user_id) "
    "SELECT n.id, $4::bigint, NULL, 10000, n.fingerprint, 1, 1, 1, 10000, 'CONFIRMED', n.user_id "
    "FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS n (id, user_id, fingerprint) "
    "WHERE $5::bigint > 0 AND $6::bytea IS NOT NULL AND $7::integer > 0";

static const char function_sql[] =
    "WITH n AS (SELECT cardinality($1::uuid[]) AS count) "
    "SELECT commit_batch(1, 1, $5::bigint, '1-0', $4::bigint, $6::bytea, $1::uuid[], "
    "array_fill(1, ARRAY[n.count]), $2::text[], array_fill(NULL::bigint, ARRAY[n.count]), "
    "array_fill(10000::bigint, ARRAY[n.count]), $3::bigint[], array_fill(1, ARRAY[n.count]), "
    "array_fill(1, ARRAY[n.count]), array_fill(10000::bigint, ARRAY[n.count]), "
    "'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', "
    "'{}', '{1}', '{1}', ARRAY[2000000000 - $7::integer], '{0}', '{0}', ARRAY[$7::integer]) FROM n";

struct batch {
    struct buf column[COLUMNS];
    struct buf journal;
    char now[24], version[24], sold[24];
};

static void put_u32(struct buf *b, uint32_t n)
{
    uint32_t big = htobe32(n);
    buf_put(b, &big, sizeof(big));
}

/* A Postgres array in binary: one dimension, no NULLs, counted from 1. */
static void begin_arrays(struct batch *b, uint32_t rows)
{
    for (int c = 0; c < COLUMNS; c++) {
        buf_reset(&b->column[c]);
        put_u32(&b->column[c], 1);
        put_u32(&b->column[c], 0);
        put_u32(&b->column[c], column_type[c]);
        put_u32(&b->column[c], rows);
        put_u32(&b->column[c], 1);
    }
}

static void put_row(struct batch *b, uint64_t serial, int64_t now_ms)
{
    char user[32];
    struct id id = id_fresh(SHOW, now_ms, 30000, random_u64());
    uint64_t fingerprint = htobe64(serial * 0x9e3779b97f4a7c15u);
    int n = snprintf(user, sizeof(user), "s%" PRIx64 "-0-%" PRIu64, now_ms / 100000, serial);

    put_u32(&b->column[COLUMN_ID], ID_BYTES);
    buf_put(&b->column[COLUMN_ID], id.bytes, ID_BYTES);
    put_u32(&b->column[COLUMN_USER], (uint32_t)n);
    buf_put(&b->column[COLUMN_USER], user, (size_t)n);
    put_u32(&b->column[COLUMN_FINGERPRINT], 8);
    buf_put(&b->column[COLUMN_FINGERPRINT], &fingerprint, 8);
}

static void batch_fill(struct batch *b, uint64_t version, uint32_t rows)
{
    int64_t now_ms = clock_wall_ms();

    begin_arrays(b, rows);
    for (uint32_t i = 0; i < rows; i++)
        put_row(b, (version - 1) * rows + i, now_ms);
    snprintf(b->now, sizeof(b->now), "%" PRId64, now_ms);
    snprintf(b->version, sizeof(b->version), "%" PRIu64, version);
    snprintf(b->sold, sizeof(b->sold), "%" PRIu64, version * rows);
}

static void batch_init(struct batch *b, uint32_t rows)
{
    for (int c = 0; c < COLUMNS; c++)
        buf_init(&b->column[c], ARRAY_BYTES_MAX);
    buf_init(&b->journal, (size_t)rows * ANSWER_BYTES + 1);
    for (uint32_t i = 0; i < rows * ANSWER_BYTES; i += 8) { /* does not compress, as ids do not */
        uint64_t noise = random_u64();
        buf_put(&b->journal, &noise, 8);
    }
}

static void batch_free(struct batch *b)
{
    for (int c = 0; c < COLUMNS; c++)
        buf_free(&b->column[c]);
    buf_free(&b->journal);
}

static enum err batch_begin(struct postgres *postgres, const struct batch *b)
{
    const struct postgres_parameter parameters[] = {
        {b->column[COLUMN_ID].bytes, b->column[COLUMN_ID].len, true},
        {b->column[COLUMN_USER].bytes, b->column[COLUMN_USER].len, true},
        {b->column[COLUMN_FINGERPRINT].bytes, b->column[COLUMN_FINGERPRINT].len, true},
        {b->now, strlen(b->now), false},
        {b->version, strlen(b->version), false},
        {b->journal.bytes, b->journal.len, true},
        {b->sold, strlen(b->sold), false},
    };
    return postgres_begin(postgres, "batch", 7, parameters, false);
}

static enum err settle(struct postgres *postgres)
{
    struct postgres_result *result = NULL;
    enum err err = postgres_settle(postgres, &result);

    postgres_result_free(result);
    return err;
}

/* Two batches by turns: one is built while the other commits. */
static enum err run(struct postgres *postgres, uint32_t rows, int64_t span_us, uint64_t *batches)
{
    static struct batch batch[2];
    int64_t began_us = clock_mono_us();
    enum err err = ERR_NONE;

    batch_init(&batch[0], rows);
    batch_init(&batch[1], rows);
    for (*batches = 0; err == ERR_NONE && clock_mono_us() - began_us < span_us; (*batches)++) {
        struct batch *next = &batch[*batches % 2];
        assert((*batches + 2) * rows < CAPACITY);
        batch_fill(next, *batches + 1, rows);
        if (*batches > 0)
            err = settle(postgres);
        if (err == ERR_NONE)
            err = batch_begin(postgres, next);
    }
    if (err == ERR_NONE)
        err = settle(postgres);
    batch_free(&batch[0]);
    batch_free(&batch[1]);
    return err;
}

int main(int argc, char **argv)
{
    bool function = argc == 5 && strcmp(argv[4], "function") == 0;
    uint64_t batches = 0;

    if (argc != 5 || (!function && strcmp(argv[4], "rows") != 0)) {
        fputs("usage: limit_batch CONNINFO SECONDS ROWS_PER_BATCH rows|function\n", stderr);
        return 2;
    }
    int64_t span_us = limit_number("limit_batch", argv[2], 3600) * 1000000;
    uint32_t rows = (uint32_t)limit_number("limit_batch", argv[3], BATCH_MAX);
    signal(SIGPIPE, SIG_IGN);
    struct postgres *postgres = postgres_new(argv[1], "limit_batch", TIMEOUT_MS);
    enum err err = postgres_connect(postgres);
    if (err == ERR_NONE)
        err = postgres_run(postgres, setup_sql);
    if (err == ERR_NONE)
        err = postgres_prepare(postgres, "batch", function ? function_sql : rows_sql);
    int64_t began_us = clock_mono_us();
    if (err == ERR_NONE)
        err = run(postgres, rows, span_us, &batches);
    double seconds = (double)(clock_mono_us() - began_us) / 1e6;
    if (err == ERR_NONE)
        printf("{\"rows\":%" PRIu64 ",\"rows_per_second\":%.1f,\"batch\":%u}\n", batches * rows,
               (double)(batches * rows) / seconds, rows);
    else
        fprintf(stderr, "limit_batch: %s\n", postgres_why(postgres));
    postgres_free(postgres);
    return err == ERR_NONE ? 0 : 1;
}
