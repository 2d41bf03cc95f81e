#include "verify_redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define TEXT_BYTES 64
#define LOOK_AGAIN_MS 30
#define STALE_MS 3000      /* both unchanged and unequal for so long: nobody is working on it */
#define SECOND_LOOK_MS 700 /* what is written after the commit may be a moment late */

/* Where a partition is, as Postgres or as Redis has it. */
struct position {
    bool exists;
    int64_t epoch;
    int64_t version;
    char generation[TEXT_BYTES];
    char cursor[TEXT_BYTES]; /* Postgres only */
    bool clean;              /* Redis only */
};

static enum err read_row(struct postgres *postgres, uint32_t partition, struct position *at);
static enum err read_state(struct redis *redis, uint32_t partition, struct position *at);
static bool same(const struct position *a, const struct position *b);
static bool agree(const struct position *row, const struct position *state);
static void tell_positions(struct differences *found, uint32_t partition,
                           const struct position *row, const struct position *state);
static enum err compare(struct comparison *c, const struct position *row);

struct looks {
    struct position row, state; /* of the last look */
    int64_t since_us;           /* they have been like this */
    struct differences found;   /* of the comparison under way */
    int64_t differed_version;   /* at which a comparison found something, or -1: look once more */
};

static bool is_stale(struct looks *l, const struct position *row, const struct position *state)
{
    if (!same(&l->row, row) || !same(&l->state, state) || l->since_us == 0) {
        l->row = *row;
        l->state = *state;
        l->since_us = clock_mono_us();
    }
    return clock_mono_us() - l->since_us >= STALE_MS * 1000;
}

/* One look, within a snapshot. *done: there is a result in l->found. */
static enum err look(struct comparison *c, struct looks *l, bool *done)
{
    struct position row, state, after;
    *done = false;
    TRY(read_row(c->postgres, c->partition, &row));
    TRY(read_state(c->redis, c->partition, &state));
    if (row.epoch == 0 && !state.exists) { /* nobody has taken it yet: there is nothing to hold */
        *done = true;
        return ERR_NONE;
    }
    if (!agree(&row, &state)) {
        *done = is_stale(l, &row, &state);
        if (*done)
            tell_positions(&l->found, c->partition, &row, &state);
        return ERR_NONE;
    }
    TRY(compare(c, &row));
    TRY(read_state(c->redis, c->partition, &after));
    if (!same(&state, &after)) {
        differences_clear(&l->found);
        return ERR_NONE;
    }
    *done = l->found.count == 0 || l->differed_version == row.version;
    l->differed_version = row.version;
    return ERR_NONE;
}

static enum err look_in_snapshot(struct comparison *c, struct looks *l, bool *done)
{
    TRY(postgres_run(c->postgres, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    TRY(postgres_run(c->postgres, "SET LOCAL idle_in_transaction_session_timeout = 0"));
    TRY(look(c, l, done));
    return postgres_run(c->postgres, "COMMIT");
}

enum err verify_partition(struct postgres *postgres, struct redis *redis, uint32_t partition,
                          int64_t patience_ms, struct differences *found, enum verdict *verdict)
{
    struct looks *l = calloc(1, sizeof(*l));
    if (l == NULL)
        abort();
    l->differed_version = -1;
    int64_t deadline_us = clock_mono_us() + patience_ms * 1000;
    enum err err = ERR_NONE;
    bool done = false, late, second = false;
    do {
        struct comparison c = {
            .postgres = postgres, .redis = redis, .found = &l->found, .partition = partition};
        differences_clear(&l->found);
        err = look_in_snapshot(&c, l, &done);
        late = clock_mono_us() >= deadline_us;
        if (late && l->found.count > 0 && !done && !second)
            late = false, second = true; /* however long the first took, there is a second look */
        if (!err && !done && !late)
            clock_sleep_ms(l->found.count > 0 ? SECOND_LOOK_MS : LOOK_AGAIN_MS);
    } while (!err && !done && !late);
    *verdict = done ? VERDICT_COMPARED : VERDICT_NOT_QUIET;
    if (done)
        differences_move(found, &l->found);
    free(l);
    return err;
}

/* Where both are. */

static void copy_text(struct span text, char into[TEXT_BYTES])
{
    snprintf(into, TEXT_BYTES, "%.*s", (int)(text.len < TEXT_BYTES ? text.len : TEXT_BYTES - 1),
             text.len > 0 ? text.bytes : "");
}

static enum err read_row(struct postgres *postgres, uint32_t partition, struct position *at)
{
    char sql[160];
    struct postgres_result *row;
    *at = (struct position){0};
    snprintf(sql, sizeof(sql),
             "SELECT epoch, version, generation, cursor FROM partitions WHERE partition = %" PRIu32,
             partition);
    TRY(postgres_query(postgres, sql, 0, NULL, false, &row));
    at->exists = postgres_rows(row) == 1;
    if (at->exists) {
        at->epoch = postgres_cell_i64(row, 0, 0);
        at->version = postgres_cell_i64(row, 0, 1);
        copy_text(postgres_cell(row, 0, 2), at->generation);
        copy_text(postgres_cell(row, 0, 3), at->cursor);
    }
    postgres_result_free(row);
    return ERR_NONE;
}

/* -1 for what is not there or is no number: it equals nothing. */
static int64_t number_in(const struct redis_reply *array, size_t index)
{
    uint64_t n;
    return text_u64(redis_text(redis_at(array, index)), INT64_MAX, &n) ? (int64_t)n : -1;
}

static enum err read_state(struct redis *redis, uint32_t partition, struct position *at)
{
    struct redis_reply *reply;
    *at = (struct position){0};
    TRY(redis_go_to(redis, partition));
    TRY(redis_do_words(redis, &reply, "HMGET", key_state(partition).text, "epoch", "version",
                       "generation", "clean", NULL));
    at->exists = redis_kind_of(redis_at(reply, 0)) != REDIS_NIL;
    at->epoch = number_in(reply, 0);
    at->version = number_in(reply, 1);
    copy_text(redis_text(redis_at(reply, 2)), at->generation);
    at->clean = span_is(redis_text(redis_at(reply, 3)), "1");
    redis_reply_free(reply);
    return ERR_NONE;
}

static bool same(const struct position *a, const struct position *b)
{
    return a->exists == b->exists && a->epoch == b->epoch && a->version == b->version &&
           a->clean == b->clean && strcmp(a->generation, b->generation) == 0 &&
           strcmp(a->cursor, b->cursor) == 0;
}

static bool agree(const struct position *row, const struct position *state)
{
    return row->exists && state->exists && row->epoch == state->epoch &&
           row->version == state->version && state->clean &&
           strcmp(row->generation, state->generation) == 0;
}

static void tell_positions(struct differences *found, uint32_t partition,
                           const struct position *row, const struct position *state)
{
    if (!state->exists) {
        differences_add(found,
                        "partition %" PRIu32 ": Redis has no state of it, Postgres is at"
                        " epoch %" PRId64 ", version %" PRId64,
                        partition, row->epoch, row->version);
        return;
    }
    if (row->epoch != state->epoch)
        differences_add(
            found, "partition %" PRIu32 ": epoch %" PRId64 " in Redis, %" PRId64 " in Postgres",
            partition, state->epoch, row->epoch);
    if (row->version != state->version)
        differences_add(
            found, "partition %" PRIu32 ": version %" PRId64 " in Redis, %" PRId64 " in Postgres",
            partition, state->version, row->version);
    if (strcmp(row->generation, state->generation) != 0)
        differences_add(found, "partition %" PRIu32 ": generation '%s' in Redis, '%s' in Postgres",
                        partition, state->generation, row->generation);
    if (!state->clean)
        differences_add(found,
                        "partition %" PRIu32 ": its state in Redis is not clean: a run of"
                        " the script has not ended",
                        partition);
}

/* All that hangs on the position. */

struct key comparison_key(const struct comparison *c, const char *kind, uint32_t number)
{
    struct key key = c->prefix;
    char digits[16] = "";
    if (number > 0)
        snprintf(digits, sizeof(digits), "%" PRIu32, number);
    key.len +=
        (size_t)snprintf(key.text + key.len, KEY_NAME_BYTES_MAX - key.len, "%s%s", kind, digits);
    return key;
}

enum err comparison_ask(struct comparison *c, size_t argc, const struct span *argv,
                        struct redis_reply **reply)
{
    enum err err = redis_do(c->redis, argc, argv, reply);
    if (err != ERR_REFUSED)
        return err;
    differences_add(c->found, "partition %" PRIu32 ": Redis says of %.*s: %s", c->partition,
                    (int)argv[1].len, argv[1].bytes, redis_why(c->redis));
    return ERR_NONE;
}

static enum err check_published(struct comparison *c)
{
    struct key key = key_state(c->partition);
    struct span get[] = {SPAN("HGET"), {key.text, key.len}, SPAN("published")};
    struct redis_reply *reply;
    TRY(comparison_ask(c, 3, get, &reply));
    if (reply == NULL)
        return ERR_NONE;
    uint64_t published = 0;
    bool is_number = text_u64(redis_text(reply), INT64_MAX, &published);
    if ((!is_number && c->version > 0) || (int64_t)published != c->version)
        differences_add(c->found,
                        "partition %" PRIu32 ": answers are published up to version %" PRIu64
                        " of %" PRId64,
                        c->partition, published, c->version);
    redis_reply_free(reply);
    return ERR_NONE;
}

/* Is stream id a behind b? Both are "ms-sequence". */
static bool is_behind(const char *a, const char *b)
{
    uint64_t a_ms = 0, a_sequence = 0, b_ms = 0, b_sequence = 0;
    sscanf(a, "%" SCNu64 "-%" SCNu64, &a_ms, &a_sequence);
    sscanf(b, "%" SCNu64 "-%" SCNu64, &b_ms, &b_sequence);
    return a_ms < b_ms || (a_ms == b_ms && a_sequence < b_sequence);
}

static enum err check_stream(struct comparison *c, const struct position *row)
{
    struct key key = key_requests(c->partition);
    struct span info[] = {SPAN("XINFO"), SPAN("STREAM"), {key.text, key.len}};
    struct redis_reply *reply;
    enum err err = redis_do(c->redis, 3, info, &reply);
    if (err == ERR_REFUSED) {
        differences_add(c->found, "partition %" PRIu32 ": its stream: %s", c->partition,
                        redis_why(c->redis));
        return ERR_NONE;
    }
    TRY(err);
    char last[TEXT_BYTES] = "0-0";
    for (size_t i = 0; i + 1 < redis_count(reply); i += 2)
        if (span_is(redis_text(redis_at(reply, i)), "last-generated-id"))
            copy_text(redis_text(redis_at(reply, i + 1)), last);
    if (is_behind(last, row->cursor))
        differences_add(c->found,
                        "partition %" PRIu32 ": its stream ends at %s, behind the"
                        " committed cursor %s",
                        c->partition, last, row->cursor);
    redis_reply_free(reply);
    return ERR_NONE;
}

static enum err check_generations(struct comparison *c, const struct position *row)
{
    struct key key = key_generations(c->partition);
    struct span ask[] = {SPAN("SISMEMBER"), {key.text, key.len}, span_of(row->generation)};
    struct redis_reply *reply;
    TRY(comparison_ask(c, 3, ask, &reply));
    if (reply != NULL && redis_integer(reply) != 1)
        differences_add(c->found,
                        "partition %" PRIu32 ": its generation '%s' is not among those"
                        " that may hold keys",
                        c->partition, row->generation);
    redis_reply_free(reply);
    return ERR_NONE;
}

static enum err compare(struct comparison *c, const struct position *row)
{
    c->version = row->version;
    c->prefix = key_generation(c->partition, row->generation);
    c->held_total = 0;
    TRY(check_published(c));
    TRY(check_stream(c, row));
    TRY(check_generations(c, row));
    struct key shows = comparison_key(c, "shows", 0);
    struct span members[] = {SPAN("SMEMBERS"), {shows.text, shows.len}};
    struct redis_reply *loaded;
    TRY(comparison_ask(c, 2, members, &loaded));
    enum err err = ERR_NONE;
    for (size_t i = 0; loaded != NULL && !err && i < redis_count(loaded); i++) {
        struct span text = redis_text(redis_at(loaded, i));
        uint64_t show;
        if (!text_u64(text, INT32_MAX, &show) || show == 0)
            differences_add(c->found, "partition %" PRIu32 ": '%.*s' is loaded, which is no show",
                            c->partition, (int)text.len, text.bytes);
        else
            err = verify_show(c, (uint32_t)show);
    }
    redis_reply_free(loaded);
    if (!err)
        err = verify_left_rooms(c);
    return err ? err : verify_holds(c);
}
