#include "allocator/intake.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/spans.h"
#include "base/clock.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/text.h"

/* XREAD's replies come whole: so many entries that they hardly fill more than one batch. */
#define ENTRIES_MAX 512

void intake_init(struct intake *in, struct redis *redis)
{
    memset(in, 0, sizeof *in);
    in->redis = redis;
    in->requests_per_entry_milli = 1000;
}

void intake_set(struct intake *in, uint32_t partition, const struct cursor *cursor)
{
    in->partition = partition;
    in->after = *cursor;
}

static bool cursor_parts(const struct cursor *cursor, uint64_t *ms, uint64_t *sequence)
{
    const char *dash = strchr(cursor->text, '-');

    return dash != NULL &&
           text_u64((struct span){cursor->text, (size_t)(dash - cursor->text)}, UINT64_MAX, ms) &&
           text_u64(span_of(dash + 1), UINT64_MAX, sequence);
}

bool cursor_parse(struct span text, struct cursor *cursor)
{
    uint64_t ms, sequence;

    if (text.len >= sizeof cursor->text)
        return false;
    memcpy(cursor->text, text.bytes, text.len);
    cursor->text[text.len] = '\0';
    return cursor_parts(cursor, &ms, &sequence);
}

int cursor_compare(const struct cursor *a, const struct cursor *b)
{
    uint64_t a_ms = 0, a_sequence = 0, b_ms = 0, b_sequence = 0;

    cursor_parts(a, &a_ms, &a_sequence);
    cursor_parts(b, &b_ms, &b_sequence);
    if (a_ms != b_ms)
        return a_ms < b_ms ? -1 : 1;
    return a_sequence < b_sequence ? -1 : a_sequence > b_sequence;
}

static size_t entries_wanted(const struct intake *in)
{
    uint64_t per_entry = in->requests_per_entry_milli < 1000 ? 1000 : in->requests_per_entry_milli;
    uint64_t wanted = BATCH_REQUESTS_MAX * 1000ull / per_entry;

    if (in->single || wanted < 1)
        return 1;
    return wanted > ENTRIES_MAX ? ENTRIES_MAX : wanted;
}

static enum err read_entries(struct intake *in, int64_t wait_ms, struct redis_reply **reply)
{
    char count[24], block[24];
    struct key stream = key_requests(in->partition);

    snprintf(count, sizeof count, "%zu", entries_wanted(in));
    snprintf(block, sizeof block, "%" PRId64, wait_ms);
    struct span with_block[] = {SPAN("XREAD"),
                                SPAN("COUNT"),
                                span_of(count),
                                SPAN("BLOCK"),
                                span_of(block),
                                SPAN("STREAMS"),
                                {stream.text, stream.len},
                                span_of(in->after.text)};
    struct span without[] = {SPAN("XREAD"),
                             SPAN("COUNT"),
                             span_of(count),
                             SPAN("STREAMS"),
                             {stream.text, stream.len},
                             span_of(in->after.text)};

    if (wait_ms == 0) {
        TRY(redis_send(in->redis, sizeof without / sizeof *without, without));
        return redis_take(in->redis, reply);
    }
    TRY(redis_send(in->redis, sizeof with_block / sizeof *with_block, with_block));
    return redis_take_within(in->redis, wait_ms + 2000, reply);
}

/* The fields of an entry: b, and perhaps again. */
static struct span entry_body(const struct redis_reply *fields, bool *again)
{
    struct span body = {NULL, 0};

    for (size_t i = 0; i + 1 < redis_count(fields); i += 2) {
        struct span name = redis_text(redis_at(fields, i));
        if (span_is(name, "b"))
            body = redis_text(redis_at(fields, i + 1));
        else if (span_is(name, "again"))
            *again = true;
    }
    return body;
}

/* An id leads to its show; a request that says otherwise did not come from a gateway. */
static bool request_is_consistent(const struct request *r)
{
    return id_show(r->id) == r->show &&
           (!request_names_booking(r) || id_show(r->booking) == r->show);
}

/* False: the batch is full, the entry is for the next one. */
static bool take_entry(struct intake *in, const struct redis_reply *entry, struct batch *batch,
                       bool *again)
{
    struct cursor cursor;
    size_t count = 0;
    struct span id = redis_text(redis_at(entry, 0));
    struct span body = entry_body(redis_at(entry, 1), again);
    enum err err = body.bytes == NULL ? ERR_INPUT
                                      : entry_read(body, batch->request + batch->count,
                                                   BATCH_REQUESTS_MAX - batch->weight, &count);

    if (err == ERR_BOUND && batch->count > 0)
        return false;
    if (!cursor_parse(id, &cursor)) {
        log_event(LOG_ERROR, "entry_id_unreadable", NULL);
        return false;
    }
    for (size_t i = 0; !err && i < count; i++)
        if (!request_is_consistent(&batch->request[batch->count + i]))
            err = ERR_INPUT;
    if (err) {
        log_event(LOG_WARN, "entry_refused", "entry", cursor.text, "why", err_name(err), NULL);
        count = 0;
    }
    int64_t entered_ms = strtoll(cursor.text, NULL, 10);
    if (batch->oldest_ms == 0)
        batch->oldest_ms = entered_ms;
    batch->cursor = in->after = cursor;
    for (size_t i = 0; i < count; i++) {
        batch->weight += request_weight(&batch->request[batch->count + i]);
        batch->entered_ms[batch->count + i] = entered_ms;
        if (trace_is_sampled(batch->request[batch->count + i].trace))
            spans_take(batch, batch->count + i);
    }
    batch->count += count;
    return true;
}

static void find_repeated(const struct batch *in_flight, struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct id id = batch->request[i].id;
        long before = in_flight != NULL ? batch_find(in_flight, id) : -1;
        long here = batch_find(batch, id);

        batch->slot[i].origin = ORIGIN_UNDECIDED;
        /* What is under way and was moved has no answer: this one is moved after it. */
        if (before >= 0 && in_flight->slot[before].origin == ORIGIN_MOVED)
            before = -1;
        if (before >= 0) {
            batch_answer(batch, i, ORIGIN_REPEATED, batch_answer_of(in_flight, (size_t)before));
        } else if (here >= 0) {
            batch->slot[i].origin = ORIGIN_FOLLOWS;
            batch->slot[i].leader = (uint32_t)here;
        }
        batch_index(batch, i);
    }
}

enum err intake_read(struct intake *in, int64_t wait_ms, const struct batch *in_flight,
                     struct batch *batch, bool *again)
{
    const struct redis_reply *entries;
    size_t taken = 0;

    *again = false;
    batch->cursor = in->after;
    TRY(read_entries(in, wait_ms, &batch->entries));
    if (redis_kind_of(batch->entries) == REDIS_ERROR) {
        log_event(LOG_WARN, "stream_unreadable", "why", redis_text(batch->entries).bytes, NULL);
        return ERR_UNAVAILABLE;
    }
    if (redis_count(batch->entries) == 0)
        return ERR_NONE; /* nil: nothing came in time */
    batch->read_us = clock_mono_us();
    entries = redis_at(redis_at(batch->entries, 0), 1);
    while (taken < redis_count(entries) && take_entry(in, redis_at(entries, taken), batch, again))
        taken++;
    if (taken > 0)
        in->requests_per_entry_milli =
            (in->requests_per_entry_milli * 7 + batch->count * 1000 / taken) / 8;
    find_repeated(in_flight, batch);
    return ERR_NONE;
}
