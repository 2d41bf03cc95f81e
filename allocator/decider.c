#include "allocator/decider.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "allocator/outcome.h"
#include "base/allocator_report.h"
#include "base/codec.h"
#include "base/keys.h"
#include "base/log.h"

#define BLOB_BYTES_MAX (8u << 20)
#define NUMBER_BYTES 24
#define MEND_ENTRIES_MAX "10000"

static const unsigned char decide_source[] = {
#include "lua/decide.lua.inc"
};
static const unsigned char take_source[] = {
#include "lua/take.lua.inc"
};
static const unsigned char load_source[] = {
#include "lua/load.lua.inc"
};
static const unsigned char switch_source[] = {
#include "lua/switch.lua.inc"
};
static const unsigned char mend_source[] = {
#include "lua/mend.lua.inc"
};
static const unsigned char stamp_source[] = {
#include "lua/stamp.lua.inc"
};
static const unsigned char report_source[] = {
#include "lua/report.lua.inc"
};
static const unsigned char room_look_source[] = {
#include "lua/room_look.lua.inc"
};
static const unsigned char room_tell_source[] = {
#include "lua/room_tell.lua.inc"
};
static const unsigned char room_arrive_source[] = {
#include "lua/room_arrive.lua.inc"
};

#define SOURCE(bytes)                                                                              \
    {                                                                                              \
        (const char *)(bytes), sizeof(bytes)                                                       \
    }
static const struct span sources[SCRIPTS] = {
    [SCRIPT_DECIDE] = SOURCE(decide_source),
    [SCRIPT_TAKE] = SOURCE(take_source),
    [SCRIPT_LOAD] = SOURCE(load_source),
    [SCRIPT_SWITCH] = SOURCE(switch_source),
    [SCRIPT_MEND] = SOURCE(mend_source),
    [SCRIPT_STAMP] = SOURCE(stamp_source),
    [SCRIPT_REPORT] = SOURCE(report_source),
    [SCRIPT_ROOM_LOOK] = SOURCE(room_look_source),
    [SCRIPT_ROOM_TELL] = SOURCE(room_tell_source),
    [SCRIPT_ROOM_ARRIVE] = SOURCE(room_arrive_source),
};

struct number {
    char text[NUMBER_BYTES];
};

static struct number number_of(int64_t n)
{
    struct number number;

    snprintf(number.text, sizeof number.text, "%" PRId64, n);
    return number;
}

static struct span key_span(const struct key *key)
{
    return (struct span){key->text, key->len};
}

void decider_init(struct decider *d, struct redis *redis)
{
    memset(d, 0, sizeof *d);
    d->redis = redis;
    for (size_t i = 0; i < BLOBS; i++)
        buf_init(&d->blob[i], BLOB_BYTES_MAX);
}

void decider_free(struct decider *d)
{
    for (size_t i = 0; i < BLOBS; i++)
        buf_free(&d->blob[i]);
}

enum err decider_load_scripts(struct decider *d)
{
    for (int i = 0; i < SCRIPTS; i++)
        TRY(redis_load_script(d->redis, sources[i], d->sha1[i]));
    return ERR_NONE;
}

bool redis_text_is_passing(struct span text)
{
    static const char *const passing[] = {"OOM",        "LOADING",     "READONLY",
                                          "MISCONF",    "BUSY",        "MASTERDOWN",
                                          "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN"};

    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (memmem(text.bytes, text.len, passing[i], strlen(passing[i])) != NULL)
            return true;
    return false;
}

enum err decider_run(struct decider *d, enum script script, size_t argc, struct span *argv,
                     struct redis_reply **reply)
{
    argv[0] = SPAN("EVALSHA");
    for (int attempt = 0; attempt < 2; attempt++) {
        argv[1] = (struct span){d->sha1[script], 40};
        TRY(redis_send(d->redis, argc, argv));
        TRY(redis_take(d->redis, reply));
        if (redis_kind_of(*reply) != REDIS_ERROR)
            return ERR_NONE;
        struct span text = redis_text(*reply);
        bool forgotten = text.len >= 8 && memcmp(text.bytes, "NOSCRIPT", 8) == 0;
        bool passing = redis_text_is_passing(text);
        if (!forgotten)
            log_event(passing ? LOG_WARN : LOG_ERROR, "script_failed", "why", text.bytes, NULL);
        redis_reply_free(*reply);
        *reply = NULL;
        if (!forgotten)
            return passing ? ERR_UNAVAILABLE : ERR_REFUSED;
        TRY(decider_load_scripts(d));
    }
    return ERR_UNAVAILABLE;
}

void decider_pack_booking(struct buf *b, const struct booking *booking, bool extended,
                          struct span payment)
{
    pack_array(b, 7 + 3 * booking->lines);
    pack_uint(b, booking->state);
    pack_str(b, booking->user.bytes, booking->user.len);
    pack_int(b, booking->expires_ms);
    pack_uint(b, extended);
    pack_int(b, booking->created_ms);
    pack_str(b, booking->seats.len > 0 ? booking->seats.bytes : "", booking->seats.len);
    pack_str(b, payment.bytes, payment.len);
    for (size_t i = 0; i < booking->lines; i++) {
        pack_uint(b, booking->line[i].tier);
        pack_uint(b, booking->line[i].quantity);
        pack_int(b, booking->line[i].price);
    }
}

static bool carries_admission(const struct batch *batch, size_t at)
{
    return batch->slot[at].origin == ORIGIN_UNDECIDED && batch->request[at].admission > 0;
}

static void pack_admissions(struct buf *b, const struct batch *batch)
{
    size_t count = 0;

    for (size_t i = 0; i < batch->count; i++)
        count += carries_admission(batch, i);
    pack_map(b, count);
    for (size_t i = 0; i < batch->count; i++) {
        if (!carries_admission(batch, i))
            continue;
        pack_str(b, batch->request[i].id.bytes, ID_BYTES);
        pack_array(b, 2);
        pack_uint(b, batch->request[i].admission);
        pack_int(b, batch->request[i].admitted_ms);
    }
}

static void pack_known(struct buf *b, const struct known *known, const struct batch *batch)
{
    pack_array(b, 3);
    pack_map(b, known->bookings);
    for (size_t i = 0; i < known->bookings; i++) {
        const struct known_booking *k = &known->booking[i];
        struct span payment = {(const char *)k->payment.bytes, k->has_payment ? ID_BYTES : 0};
        pack_str(b, k->booking.id.bytes, ID_BYTES);
        decider_pack_booking(b, &k->booking, false, payment);
    }
    pack_map(b, known->missing_shows);
    for (size_t i = 0; i < known->missing_shows; i++) {
        pack_uint(b, known->missing_show[i]);
        pack_uint(b, 1);
    }
    pack_admissions(b, batch);
}

static enum err read_need(struct value root, struct need *need)
{
    struct value shows = value_at(root, 1), bookings = value_at(root, 2);
    uint64_t number;
    struct span id;

    if (!value_is_array(shows, &need->shows) || !value_is_array(bookings, &need->bookings) ||
        need->shows > BATCH_REQUESTS_MAX || need->bookings > BATCH_REQUESTS_MAX)
        return ERR_REFUSED;
    for (size_t i = 0; i < need->shows; i++) {
        if (!value_uint(value_at(shows, i), &number))
            return ERR_REFUSED;
        need->show[i] = (uint32_t)number;
    }
    for (size_t i = 0; i < need->bookings; i++) {
        if (!value_str(value_at(bookings, i), &id) || id.len != ID_BYTES)
            return ERR_REFUSED;
        memcpy(need->booking[i].bytes, id.bytes, ID_BYTES);
    }
    return ERR_NONE;
}

static enum err read_done(struct decider *d, struct value root, size_t asked, struct batch *batch,
                          bool *later)
{
    uint64_t taken;

    if (!value_uint(value_at(root, 1), &taken) || !value_int(value_at(root, 2), &d->next_due_ms))
        return ERR_REFUSED;
    *later = taken < asked;
    if (*later)
        batch_forget_requests(batch);
    return outcome_read(batch, &(struct done){.decisions = value_at(root, 3),
                                              .expired = value_at(root, 4),
                                              .counters = value_at(root, 5),
                                              .seats = value_at(root, 6),
                                              .waits = value_at(root, 7)});
}

static enum err read_verdict(struct decider *d, struct span bytes, size_t asked,
                             struct batch *batch, struct need *need, bool *later)
{
    struct tree tree;
    struct span verdict;
    size_t count;
    enum err err = ERR_REFUSED;

    if (tree_read(&tree, bytes.bytes, bytes.len))
        return ERR_REFUSED;
    struct value root = tree_root(&tree);
    if (!value_is_array(root, &count) || count < 2 || !value_str(value_at(root, 0), &verdict)) {
        err = ERR_REFUSED;
    } else if (span_is(verdict, "FENCED")) {
        err = ERR_FENCED;
    } else if (span_is(verdict, "REBUILD") && value_str(value_at(root, 1), &verdict)) {
        char why[32];
        snprintf(why, sizeof why, "%.*s", (int)verdict.len, verdict.bytes);
        log_event(LOG_WARN, "redis_differs", "in", why, NULL);
        err = ERR_REBUILD;
    } else if (span_is(verdict, "NEED") && count == 3) {
        err = read_need(root, need);
    } else if (span_is(verdict, "DONE") && count == 8) {
        err = read_done(d, root, asked, batch, later);
    }
    tree_free(&tree);
    return err;
}

/* Where the answers of the undecided requests would lie: the hashes first, each once, and for each
 * request the number of its place. */
struct places {
    size_t hashes, count;
    uint64_t bucket[BATCH_REQUESTS_MAX];
    struct key key[BATCH_REQUESTS_MAX];
    size_t of[BATCH_REQUESTS_MAX];
};

static size_t place_of_bucket(struct places *p, uint32_t partition, struct id id)
{
    uint64_t bucket = key_answer_bucket(id);

    /* Who asks together was named together: the last bucket is nearly always the one. */
    for (size_t i = p->hashes; i-- > 0;)
        if (p->bucket[i] == bucket)
            return i;
    p->bucket[p->hashes] = bucket;
    p->key[p->hashes] = key_answer(partition, id);
    return p->hashes++;
}

static void find_places(struct places *p, uint32_t partition, const struct batch *batch)
{
    p->hashes = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->slot[i].origin == ORIGIN_UNDECIDED &&
            key_answer_bucket(batch->request[i].id) != 0)
            p->of[i] = place_of_bucket(p, partition, batch->request[i].id);
    p->count = p->hashes;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->slot[i].origin != ORIGIN_UNDECIDED ||
            key_answer_bucket(batch->request[i].id) != 0)
            continue;
        p->of[i] = p->count;
        p->key[p->count++] = key_answer(partition, batch->request[i].id);
    }
}

/* Returns how many requests are asked about. */
static size_t pack_places(struct buf *b, const struct places *p, const struct batch *batch)
{
    size_t asked = 0;

    for (size_t i = 0; i < batch->count; i++)
        asked += batch->slot[i].origin == ORIGIN_UNDECIDED;
    pack_array(b, 2);
    pack_uint(b, p->hashes);
    pack_array(b, asked);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->slot[i].origin == ORIGIN_UNDECIDED)
            pack_uint(b, p->of[i] + 1);
    return asked;
}

enum err decider_decide(struct decider *d, const struct tenure *t, struct batch *batch,
                        const struct known *known, struct need *need, bool *later)
{
    static struct places places;
    static struct span argv[BATCH_REQUESTS_MAX + 11];
    struct key state = key_state(t->partition);
    struct number epoch = number_of((int64_t)t->epoch), now = number_of(batch->now_ms);
    struct number version = number_of((int64_t)batch->version), key_count;
    struct redis_reply *reply = NULL;
    size_t asked, argc = 3;

    need->shows = need->bookings = 0;
    *later = false;
    find_places(&places, t->partition, batch);
    for (size_t i = 0; i < BLOBS; i++)
        buf_reset(&d->blob[i]);
    outcome_pack_requests(&d->blob[BLOB_BATCH], batch);
    pack_known(&d->blob[BLOB_KNOWN], known, batch);
    asked = pack_places(&d->blob[BLOB_PLACES], &places, batch);
    for (size_t i = 0; i < BLOBS; i++)
        if (d->blob[i].failed)
            return ERR_MEMORY;

    argv[argc++] = key_span(&state);
    for (size_t i = 0; i < places.count; i++)
        argv[argc++] = key_span(&places.key[i]);
    key_count = number_of((int64_t)places.count + 1);
    argv[2] = span_of(key_count.text);
    argv[argc++] = span_of(epoch.text);
    argv[argc++] = span_of(t->generation);
    argv[argc++] = span_of(version.text);
    argv[argc++] = span_of(now.text);
    for (size_t i = 0; i < BLOBS; i++)
        argv[argc++] = buf_span(&d->blob[i]);
    TRY(decider_run(d, SCRIPT_DECIDE, argc, argv, &reply));
    enum err err = read_verdict(d, redis_text(reply), asked, batch, need, later);
    redis_reply_free(reply);
    if (err == ERR_REFUSED)
        log_event(LOG_ERROR, "decisions_unreadable", NULL);
    return err;
}

static bool text_into(struct span text, char *into, size_t size)
{
    if (text.len >= size)
        return false;
    memcpy(into, text.bytes, text.len);
    into[text.len] = '\0';
    return true;
}

static uint64_t number_in(struct span text)
{
    uint64_t n = 0;

    for (size_t i = 0; i < text.len && text.bytes[i] >= '0' && text.bytes[i] <= '9'; i++)
        n = n * 10 + (uint64_t)(text.bytes[i] - '0');
    return n;
}

static enum err read_taken_state(const struct redis_reply *reply, struct taken *taken)
{
    if (redis_count(reply) == 2 && span_is(redis_text(redis_at(reply, 0)), "FENCED")) {
        taken->fenced_by = number_in(redis_text(redis_at(reply, 1)));
        return ERR_FENCED;
    }
    if (redis_count(reply) != 6)
        return ERR_REFUSED;
    taken->epoch = number_in(redis_text(redis_at(reply, 1)));
    /* A generation too long to be ours is not ours. */
    if (!text_into(redis_text(redis_at(reply, 2)), taken->generation, sizeof taken->generation))
        taken->generation[0] = '\0';
    taken->version = number_in(redis_text(redis_at(reply, 3)));
    taken->clean = span_is(redis_text(redis_at(reply, 4)), "1");
    taken->published = number_in(redis_text(redis_at(reply, 5)));
    return ERR_NONE;
}

enum err decider_take(struct decider *d, const struct tenure *t, struct taken *taken)
{
    struct key state = key_state(t->partition);
    struct number epoch = number_of((int64_t)t->epoch);
    struct span argv[] = {{NULL, 0}, {NULL, 0}, SPAN("1"), key_span(&state), span_of(epoch.text)};
    struct redis_reply *reply = NULL;

    memset(taken, 0, sizeof *taken);
    d->next_due_ms = 0;
    TRY(decider_run(d, SCRIPT_TAKE, sizeof argv / sizeof *argv, argv, &reply));
    enum err err = read_taken_state(reply, taken);
    redis_reply_free(reply);
    return err;
}

enum err decider_find_next_due(struct decider *d, const struct tenure *t)
{
    struct key prefix = key_generation(t->partition, t->generation);
    char name[KEY_NAME_BYTES_MAX + 8];
    struct redis_reply *reply = NULL;

    snprintf(name, sizeof name, "%sholds", prefix.text);
    TRY(redis_do_words(d->redis, &reply, "ZRANGE", name, "0", "0", "WITHSCORES", NULL));
    d->next_due_ms =
        redis_count(reply) == 2 ? (int64_t)number_in(redis_text(redis_at(reply, 1))) : 0;
    redis_reply_free(reply);
    snprintf(name, sizeof name, "%soffers", prefix.text);
    TRY(redis_do_words(d->redis, &reply, "EXISTS", name, NULL));
    if (redis_integer(reply) == 1)
        d->next_due_ms = 1;
    redis_reply_free(reply);
    return ERR_NONE;
}

enum err decider_load_send(struct decider *d, const struct tenure *t, const char *what,
                           size_t count, const struct span *pairs)
{
    static struct span argv[7 + LOAD_PAIRS_MAX];
    struct key state = key_state(t->partition);
    struct number epoch = number_of((int64_t)t->epoch);
    size_t argc = 0;

    argv[argc++] = SPAN("EVALSHA");
    argv[argc++] = (struct span){d->sha1[SCRIPT_LOAD], 40};
    argv[argc++] = SPAN("1");
    argv[argc++] = key_span(&state);
    argv[argc++] = span_of(epoch.text);
    argv[argc++] = span_of(t->generation);
    argv[argc++] = span_of(what);
    for (size_t i = 0; i < count; i++)
        argv[argc++] = pairs[i];
    return redis_send(d->redis, argc, argv);
}

/* What load and switch say: a word. */
static enum err read_word(struct redis_reply *reply, const char *wanted)
{
    enum err err = ERR_NONE;

    if (redis_kind_of(reply) == REDIS_ERROR) {
        log_event(LOG_ERROR, "script_failed", "why", redis_text(reply).bytes, NULL);
        err = redis_text_is_passing(redis_text(reply)) ? ERR_UNAVAILABLE : ERR_REBUILD;
    } else if (!span_is(redis_text(reply), wanted)) {
        err = ERR_FENCED;
    }
    redis_reply_free(reply);
    return err;
}

enum err decider_load_taken(struct decider *d)
{
    struct redis_reply *reply = NULL;

    TRY(redis_take(d->redis, &reply));
    return read_word(reply, "LOADED");
}

enum err decider_switch(struct decider *d, const struct tenure *t)
{
    struct key state = key_state(t->partition);
    struct number epoch = number_of((int64_t)t->epoch), version = number_of((int64_t)t->version);
    struct number now = number_of(t->now_ms);
    struct span argv[] = {{NULL, 0},
                          {NULL, 0},
                          SPAN("1"),
                          key_span(&state),
                          span_of(epoch.text),
                          span_of(t->generation),
                          span_of(version.text),
                          span_of(now.text)};
    struct redis_reply *reply = NULL;

    TRY(decider_run(d, SCRIPT_SWITCH, sizeof argv / sizeof *argv, argv, &reply));
    return read_word(reply, "SWITCHED");
}

enum err decider_mend(struct decider *d, const struct tenure *t, bool *created, int64_t *appended)
{
    struct key stream = key_requests(t->partition);
    struct span argv[] = {{NULL, 0},
                          {NULL, 0},
                          SPAN("1"),
                          key_span(&stream),
                          span_of(t->cursor.text),
                          SPAN(MEND_ENTRIES_MAX)};
    struct redis_reply *reply = NULL;
    enum err err = ERR_REFUSED;

    TRY(decider_run(d, SCRIPT_MEND, sizeof argv / sizeof *argv, argv, &reply));
    if (redis_count(reply) == 2) {
        *created = redis_integer(redis_at(reply, 0)) == 1;
        *appended = redis_integer(redis_at(reply, 1));
        err = ERR_NONE;
    }
    redis_reply_free(reply);
    return err;
}

/* The spans lie in `packed`, which is complete before the first is taken. */
static enum err pack_records(struct buf *packed, size_t shows, const struct availability *show,
                             struct span *record)
{
    size_t from = 0;

    buf_reset(packed);
    for (size_t i = 0; i < shows; i++) {
        availability_pack(packed, &show[i]);
        record[i].len = packed->len;
    }
    if (packed->failed)
        return ERR_MEMORY;
    for (size_t i = 0; i < shows; i++) {
        size_t end = record[i].len;
        record[i] = (struct span){packed->bytes + from, end - from};
        from = end;
    }
    return ERR_NONE;
}

enum err decider_stamp_send(struct decider *d, const struct tenure *t, uint64_t version,
                            const struct cursor *cursor, size_t shows,
                            const struct availability *show)
{
    static struct key keys[BATCH_SHOWS_MAX];
    static struct span record[BATCH_SHOWS_MAX], argv[8 + 2 * BATCH_SHOWS_MAX];
    struct key state = key_state(t->partition), stream = key_requests(t->partition);
    struct number epoch = number_of((int64_t)t->epoch), stamp = number_of((int64_t)version);
    struct number key_count = number_of((int64_t)shows + 2);
    char keep[CURSOR_BYTES_MAX + NUMBER_BYTES];
    uint64_t ms = 0, sequence = 0;
    size_t argc = 0;

    TRY(pack_records(&d->blob[0], shows, show, record));
    sscanf(cursor->text, "%" SCNu64 "-%" SCNu64, &ms, &sequence);
    snprintf(keep, sizeof keep, "%" PRIu64 "-%" PRIu64, ms, sequence + 1);

    argv[argc++] = SPAN("EVALSHA");
    argv[argc++] = (struct span){d->sha1[SCRIPT_STAMP], 40};
    argv[argc++] = span_of(key_count.text);
    argv[argc++] = key_span(&state);
    argv[argc++] = key_span(&stream);
    for (size_t i = 0; i < shows; i++) {
        keys[i] = key_availability(t->partition, show[i].show);
        argv[argc++] = key_span(&keys[i]);
    }
    argv[argc++] = span_of(epoch.text);
    argv[argc++] = span_of(stamp.text);
    argv[argc++] = span_of(keep);
    for (size_t i = 0; i < shows; i++)
        argv[argc++] = record[i];
    return redis_send(d->redis, argc, argv);
}

enum err decider_report_send(struct decider *d, const struct tenure *t, size_t count,
                             const struct span *fields)
{
    struct span argv[8 + REPORT_SPANS_MAX];
    struct key state = key_state(t->partition), status = key_status(t->partition);
    struct key generations = key_generations(t->partition);
    struct number epoch = number_of((int64_t)t->epoch), kept = number_of(ALLOCATOR_REPORT_SECONDS);
    size_t argc = 0;

    assert(count <= REPORT_SPANS_MAX);
    argv[argc++] = SPAN("EVALSHA");
    argv[argc++] = (struct span){d->sha1[SCRIPT_REPORT], 40};
    argv[argc++] = SPAN("3");
    argv[argc++] = key_span(&state);
    argv[argc++] = key_span(&status);
    argv[argc++] = key_span(&generations);
    argv[argc++] = span_of(epoch.text);
    argv[argc++] = span_of(kept.text);
    for (size_t i = 0; i < count; i++)
        argv[argc++] = fields[i];
    return redis_send(d->redis, argc, argv);
}
