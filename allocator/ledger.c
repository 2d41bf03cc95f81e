#include "allocator/ledger.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/history.h"
#include "allocator/intake.h"
#include "allocator/standby.h"
#include "base/bounds.h"
#include "base/log.h"

#define SQL_BYTES_MAX 2048
#define JOURNAL_MS_MAX ((int64_t)ANSWER_KEYED_SECONDS * 1000)

/* partition, epoch, version, cursor, now, answers: $1 to $6 of the functions in columns.c. */
#define COMMIT_SCALARS 6
#define COMMIT_SQL_BYTES_MAX 4096
#define COMMIT_NAME_BYTES 24
_Static_assert(COMMIT_PARTS <= 7, "ledger.prepared has a bit for each choice of parts");

void ledger_init(struct ledger *l, const char *conninfo, const char *name, int64_t timeout_ms)
{
    memset(l, 0, sizeof *l);
    l->conninfo = conninfo;
    l->name = name;
    l->timeout_ms = timeout_ms;
    l->database[0].owner = postgres_new(conninfo, name, timeout_ms);
    l->database[0].reader = postgres_new(conninfo, name, timeout_ms);
    l->databases = 1;
    ledger_go(l, &l->database[0]);
}

void ledger_free(struct ledger *l)
{
    for (size_t i = 0; i < l->databases; i++) {
        postgres_free(l->database[i].owner);
        postgres_free(l->database[i].reader);
        buf_free(&l->database[i].partitions);
    }
}

void ledger_go(struct ledger *l, struct ledger_database *database)
{
    assert(l->held == 0 && !l->committing);
    l->at = database;
    l->owner = database->owner;
    l->reader = database->reader;
}

#define BATCH_PART 1u /* bit of the first part, that all batches have */

static void name_commit(unsigned parts, char name[COMMIT_NAME_BYTES])
{
    snprintf(name, COMMIT_NAME_BYTES, "commit_%u", parts);
}

/*
 * One statement, and so one transaction: SELECT commit_batch(…), and with it the functions of the
 * other parts that a batch has, prepared when the first such batch comes. Each of these that
 * writes raises unless commit_batch has moved the partition's row before it.
 */
static enum err prepare_commit(struct ledger *l, unsigned parts)
{
    struct buf sql;
    size_t next = COMMIT_SCALARS + 1;
    char name[COMMIT_NAME_BYTES];
    enum err err = ERR_MEMORY;

    if ((l->at->prepared >> parts / 2 & 1) != 0) /* all choices have the first part */
        return ERR_NONE;
    buf_init(&sql, COMMIT_SQL_BYTES_MAX);
    for (size_t i = 0; i < COMMIT_PARTS; i++) {
        if ((parts >> i & 1) == 0)
            continue;
        buf_putf(&sql, "%s%s(%s", commit_parts[i].joined_by, commit_parts[i].function,
                 commit_parts[i].scalars);
        for (size_t j = 0; j < commit_parts[i].columns; j++)
            buf_putf(&sql, "%s$%zu", j > 0 ? "," : "", next++);
        buf_putc(&sql, ')');
    }
    const char *text = buf_text(&sql);
    name_commit(parts, name);
    if (text != NULL)
        err = postgres_prepare(l->owner, name, text);
    buf_free(&sql);
    if (!err)
        l->at->prepared |= (uint64_t)1 << parts / 2;
    return err;
}

enum err ledger_connect_owner(struct ledger *l, int64_t wait_ms)
{
    if (postgres_is_connected(l->owner))
        return ERR_NONE;
    l->held = 0;
    l->committing = false;
    l->at->prepared = 0;
    TRY(postgres_connect_within(l->owner, wait_ms));
    TRY(postgres_prepare(l->owner, STANDBY_LOOK, standby_look_sql));
    return prepare_commit(l, BATCH_PART);
}

/*
 * A plan is kept for as long as the session lives, and the tables grow from nothing to millions
 * within a minute: only plans by index stay good.
 */
static const char reader_settings_sql[] =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

static enum err connect_reader(struct ledger *l)
{
    if (postgres_is_connected(l->reader))
        return ERR_NONE;
    TRY(postgres_connect(l->reader));
    TRY(postgres_run(l->reader, reader_settings_sql));
    TRY(postgres_prepare(l->reader, "find_repeated", history_repeated_sql));
    return postgres_prepare(l->reader, "find_bookings", history_bookings_sql);
}

enum err ledger_connect(struct ledger *l)
{
    enum err err = ledger_connect_owner(l, l->timeout_ms);

    if (!err)
        err = connect_reader(l);
    /* A session without its statements is of no use. */
    if (err)
        ledger_disconnect(l);
    return err;
}

void ledger_disconnect(struct ledger *l)
{
    postgres_disconnect(l->owner);
    postgres_disconnect(l->reader);
    l->held = 0;
    l->committing = false;
}

const char *ledger_why(const struct ledger *l)
{
    const char *why = postgres_why(l->owner);

    return why[0] != '\0' ? why : postgres_why(l->reader);
}

const char *ledger_why_reader(const struct ledger *l)
{
    return postgres_why(l->reader);
}

/* Parameters as text. */
#define WORDS_MAX 16
struct words {
    size_t count;
    char text[WORDS_MAX][32];
    struct postgres_parameter parameter[WORDS_MAX];
};

static void put_number(struct words *w, int64_t n)
{
    assert(w->count < WORDS_MAX);
    int len = snprintf(w->text[w->count], sizeof w->text[0], "%" PRId64, n);
    w->parameter[w->count] = (struct postgres_parameter){w->text[w->count], (size_t)len, false};
    w->count++;
}

static void put_word(struct words *w, const char *word)
{
    assert(w->count < WORDS_MAX);
    w->parameter[w->count++] = (struct postgres_parameter){word, strlen(word), false};
}

/*
 * What Postgres cannot do now, it may do later: resources, an operator, a lock, a conflict, the
 * system under it. Such an error says nothing about the statement.
 */
static bool is_passing(const char *sqlstate)
{
    static const char *const passing[] = {"40", "53", "55", "57", "58"};

    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (strncmp(sqlstate, passing[i], 2) == 0)
            return true;
    return false;
}

/* The functions raise US001 when the partition's row is not as its owner thinks. */
enum err ledger_judge(struct ledger *l, const struct postgres *session, enum err err)
{
    if (err != ERR_REFUSED)
        return err;
    if (strcmp(postgres_sqlstate(session), "US001") == 0)
        return ERR_FENCED;
    if (!is_passing(postgres_sqlstate(session)))
        return ERR_REFUSED;
    l->unwell = true;
    return ERR_UNAVAILABLE;
}

static enum err owner_query(struct ledger *l, const char *sql, const struct words *w,
                            struct postgres_result **result)
{
    return ledger_judge(l, l->owner,
                        postgres_query(l->owner, sql, w->count, w->parameter, false, result));
}

static enum err read_claim(const struct postgres_result *r, struct ledger *l, struct tenure *t)
{
    struct span generation;

    if (postgres_rows(r) != 1)
        return ERR_REFUSED;
    memset(t, 0, sizeof *t);
    t->partition = l->held;
    t->epoch = (uint64_t)postgres_cell_i64(r, 0, 0);
    t->version = (uint64_t)postgres_cell_i64(r, 0, 1);
    t->now_ms = postgres_cell_i64(r, 0, 3);
    generation = postgres_cell(r, 0, 4);
    if (!cursor_parse(postgres_cell(r, 0, 2), &t->cursor) || generation.len >= sizeof t->generation)
        return ERR_REFUSED;
    memcpy(t->generation, generation.bytes, generation.len);
    return ERR_NONE;
}

enum err ledger_claim(struct ledger *l, const char *name, uint64_t epoch_min, struct tenure *t)
{
    struct words w = {0};
    struct postgres_result *result = NULL;

    assert(l->held != 0);
    put_number(&w, l->held);
    put_word(&w, name);
    put_number(&w, (int64_t)epoch_min);
    TRY(owner_query(l, "SELECT * FROM claim_partition($1::integer, $2, $3::bigint)", &w, &result));
    enum err err = read_claim(result, l, t);
    postgres_result_free(result);
    return err;
}

enum err ledger_stamp(struct ledger *l, const struct tenure *t, int64_t now_ms)
{
    struct words w = {0};
    struct postgres_result *result = NULL;

    put_number(&w, t->partition);
    put_number(&w, (int64_t)t->epoch);
    put_number(&w, now_ms);
    TRY(owner_query(l, "SELECT stamp_partition($1::integer, $2::bigint, $3::bigint)", &w, &result));
    postgres_result_free(result);
    return ERR_NONE;
}

enum err ledger_name_generation(struct ledger *l, const struct tenure *t)
{
    struct words w = {0};
    struct postgres_result *result = NULL;

    put_number(&w, t->partition);
    put_number(&w, (int64_t)t->epoch);
    put_word(&w, t->generation);
    TRY(owner_query(l, "SELECT name_generation($1::integer, $2::bigint, $3)", &w, &result));
    postgres_result_free(result);
    return ERR_NONE;
}

/* Most batches are bookings of counted places, and have no more than the first part. A bit each. */
static unsigned parts_of(const struct batch *batch)
{
    unsigned parts = BATCH_PART;

    for (size_t i = 1; i < COMMIT_PARTS; i++)
        if (columns_have(&batch->columns, &commit_parts[i]))
            parts |= 1u << i;
    return parts;
}

static size_t put_arrays(unsigned parts, const struct span *arrays,
                         struct postgres_parameter *parameters)
{
    size_t count = 0;

    for (size_t i = 0; i < COMMIT_PARTS; i++)
        for (size_t j = 0; (parts >> i & 1) != 0 && j < commit_parts[i].columns; j++) {
            struct span array = arrays[commit_parts[i].column[j]];
            parameters[count++] = (struct postgres_parameter){array.bytes, array.len, true};
        }
    return count;
}

enum err ledger_begin(struct ledger *l, const struct tenure *t, struct batch *batch)
{
    struct span arrays[COLUMN_COUNT];
    struct postgres_parameter parameters[COMMIT_SCALARS + COLUMN_COUNT];
    struct words w = {0};
    unsigned parts = parts_of(batch);
    char name[COMMIT_NAME_BYTES];

    assert(!l->committing);
    if (!columns_finish(&batch->columns, arrays))
        return ERR_MEMORY;
    put_number(&w, t->partition);
    put_number(&w, (int64_t)t->epoch);
    put_number(&w, (int64_t)batch->version);
    put_word(&w, batch->cursor.text);
    put_number(&w, batch->now_ms);
    memcpy(parameters, w.parameter, w.count * sizeof *parameters);
    parameters[w.count] =
        (struct postgres_parameter){batch->journal.bytes, batch->journal.len, true};
    size_t count = COMMIT_SCALARS + put_arrays(parts, arrays, parameters + COMMIT_SCALARS);
    TRY(ledger_judge(l, l->owner, prepare_commit(l, parts)));
    name_commit(parts, name);
    TRY(postgres_begin(l->owner, name, count, parameters, false));
    l->committing = true;
    return ERR_NONE;
}

enum err ledger_settle(struct ledger *l)
{
    struct postgres_result *result = NULL;

    assert(l->committing);
    l->committing = false;
    enum err err = ledger_judge(l, l->owner, postgres_settle(l->owner, &result));
    postgres_result_free(result);
    return err;
}

enum err ledger_ask(struct ledger *l, const char *sql, size_t count,
                    const struct postgres_parameter *parameters, struct postgres_result **result)
{
    return ledger_judge(l, l->reader,
                        postgres_query(l->reader, sql, count, parameters, false, result));
}

enum err ledger_find_repeated(struct ledger *l, struct batch *batch, const bool *wanted)
{
    struct columns ids;
    struct postgres_result *result = NULL;
    uint16_t position[BATCH_REQUESTS_MAX];
    struct span arrays[COLUMN_COUNT];
    size_t count = 0;
    enum err err = ERR_MEMORY;

    columns_init(&ids);
    for (size_t i = 0; i < batch->count; i++) {
        if (!wanted[i])
            continue;
        columns_put_bytes(&ids, COLUMN_N_ID, batch->request[i].id.bytes, ID_BYTES);
        position[count++] = (uint16_t)i;
    }
    if (count > 0 && columns_finish(&ids, arrays)) {
        struct span array = arrays[COLUMN_N_ID];
        struct postgres_parameter parameter = {array.bytes, array.len, true};
        err = postgres_query_prepared(l->reader, "find_repeated", 1, &parameter, false, &result);
    }
    for (size_t row = 0; !err && row < postgres_rows(result); row++)
        err = history_read_repeated(result, row, batch, position, count);
    postgres_result_free(result);
    columns_free(&ids);
    return count == 0 ? ERR_NONE : ledger_judge(l, l->reader, err);
}

enum err ledger_find_bookings(struct ledger *l, const struct need *need, struct known *known)
{
    struct columns ids;
    struct postgres_result *result = NULL;
    struct span arrays[COLUMN_COUNT];
    enum err err = ERR_MEMORY;

    columns_init(&ids);
    for (size_t i = 0; i < need->bookings; i++)
        columns_put_bytes(&ids, COLUMN_N_ID, need->booking[i].bytes, ID_BYTES);
    if (columns_finish(&ids, arrays)) {
        struct span array = arrays[COLUMN_N_ID];
        struct postgres_parameter parameter = {array.bytes, array.len, true};
        err = postgres_query_prepared(l->reader, "find_bookings", 1, &parameter, false, &result);
    }
    if (!err)
        err = history_read_bookings(result, need, known);
    postgres_result_free(result);
    columns_free(&ids);
    return ledger_judge(l, l->reader, err);
}

enum err ledger_read_journal(struct ledger *l, const struct tenure *t, uint64_t published,
                             int64_t batches_max,
                             enum err (*row)(void *context, int64_t now_ms, struct span answers),
                             void *context)
{
    char sql[SQL_BYTES_MAX];

    snprintf(sql, sizeof sql,
             "SELECT now_ms, encode(answers, 'hex') FROM ("
             " SELECT version, now_ms, answers FROM batches WHERE partition = %" PRIu32
             " AND version > %" PRIu64 " AND now_ms > %" PRId64
             " ORDER BY version DESC LIMIT %" PRId64 ") b ORDER BY version",
             t->partition, published, t->now_ms - JOURNAL_MS_MAX, batches_max);
    return history_copy_journal(l->reader, sql, row, context);
}

enum err ledger_prune_journal(struct ledger *l, const struct tenure *t, int64_t batches_max)
{
    struct words w = {0};
    struct postgres_result *result = NULL;

    put_number(&w, t->partition);
    put_number(&w, (int64_t)t->version - batches_max);
    put_number(&w, t->now_ms - JOURNAL_MS_MAX);
    put_number(&w, 500);
    TRY(postgres_query(l->reader,
                       "SELECT prune_journal($1::integer, $2::bigint, $3::bigint, $4::integer)",
                       w.count, w.parameter, false, &result));
    postgres_result_free(result);
    return ERR_NONE;
}

/* Not with ledger_judge: what Postgres cannot do now is no reason to end a tenure over figures. */
static enum err judge_figures(const struct ledger *l, enum err err)
{
    bool is_fenced = err == ERR_REFUSED && strcmp(postgres_sqlstate(l->reader), "US001") == 0;

    return is_fenced ? ERR_FENCED : err;
}

static enum err add_figures(struct ledger *l, const struct tenure *t, struct buf *columns)
{
    struct words w = {0};
    struct postgres_result *result = NULL;

    put_number(&w, t->partition);
    put_number(&w, (int64_t)t->epoch);
    for (size_t i = 0; i < TALLY_COLUMNS; i++)
        w.parameter[w.count++] =
            (struct postgres_parameter){columns[i].bytes, columns[i].len, false};
    enum err err =
        postgres_query(l->reader,
                       "SELECT add_figures($1::integer, $2::bigint, $3::integer[], $4::bigint[],"
                       " $5::text[], $6::bigint[], $7::integer[], $8::bigint[], $9::integer[],"
                       " $10::bigint[], $11::bigint[], $12::bigint[])",
                       w.count, w.parameter, false, &result);
    postgres_result_free(result);
    return judge_figures(l, err);
}

enum err ledger_add_figures(struct ledger *l, const struct tenure *t, const struct tally *tally,
                            size_t cells)
{
    struct buf columns[TALLY_COLUMNS];
    enum err err;

    for (size_t i = 0; i < TALLY_COLUMNS; i++)
        buf_init(&columns[i], TALLY_COLUMN_BYTES_MAX);
    err = tally_write(tally, cells, columns);
    if (!err)
        err = add_figures(l, t, columns);
    for (size_t i = 0; i < TALLY_COLUMNS; i++)
        buf_free(&columns[i]);
    return err;
}

enum err ledger_roll_up_figures(struct ledger *l, int64_t before_ms)
{
    struct words w = {0};
    struct postgres_result *result = NULL;

    put_number(&w, before_ms);
    put_number(&w, TALLY_ROLLED_MAX);
    enum err err = postgres_query(l->reader, "SELECT roll_up_figures($1::bigint, $2::integer)",
                                  w.count, w.parameter, false, &result);
    postgres_result_free(result);
    return judge_figures(l, err);
}
