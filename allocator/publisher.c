#include "allocator/publisher.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "allocator/intake.h"
#include "base/bounds.h"
#include "base/codec.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/news.h"
#include "base/settlement.h"

#define MESSAGE_BYTES_MAX (16u << 20)
#define RECORD_BYTES_MAX 65536
#define REPLAY_PENDING_MAX 2000
#define ITEMS_MAX (2 * BATCH_REQUESTS_MAX)
#define DECIMAL_BYTES 24
#define GATEWAYS_MAX 64 /* told in one go; those beyond find their answers where they are kept */

void publisher_init(struct publisher *p, struct redis *redis, struct decider *decider)
{
    p->redis = redis;
    p->decider = decider;
    buf_init(&p->message, MESSAGE_BYTES_MAX);
    buf_init(&p->record, RECORD_BYTES_MAX);
}

void publisher_free(struct publisher *p)
{
    buf_free(&p->message);
    buf_free(&p->record);
}

/* Answers of a batch or of a journal row, as the gateways get them and Redis keeps them. */
struct item {
    struct id id;
    struct span reply_to;
    struct span answer;
    bool repeated;
    int64_t seconds; /* to be kept from now on; not at all unless positive */
};

static enum err send_message(struct publisher *p, uint32_t partition, struct span gateway,
                             const struct item *items, size_t count)
{
    char name[GATEWAY_NAME_BYTES_MAX + 1];
    size_t for_it = 0;

    if (gateway.len == 0 || gateway.len > GATEWAY_NAME_BYTES_MAX)
        return ERR_NONE;
    memcpy(name, gateway.bytes, gateway.len);
    name[gateway.len] = '\0';
    for (size_t i = 0; i < count; i++)
        for_it += span_equal(items[i].reply_to, gateway);
    buf_reset(&p->message);
    pack_array(&p->message, 2);
    pack_uint(&p->message, partition);
    pack_array(&p->message, for_it);
    for (size_t i = 0; i < count; i++) {
        if (!span_equal(items[i].reply_to, gateway))
            continue;
        pack_array(&p->message, 3);
        pack_str(&p->message, items[i].id.bytes, ID_BYTES);
        pack_uint(&p->message, items[i].repeated);
        pack_str(&p->message, items[i].answer.bytes, items[i].answer.len);
    }
    if (p->message.failed)
        return ERR_MEMORY;
    struct key channel = key_replies_channel(name);
    struct span argv[] = {SPAN("PUBLISH"), {channel.text, channel.len}, buf_span(&p->message)};
    return redis_send(p->redis, 3, argv);
}

/* The message goes first: who awaits need not wait for Redis to keep the answers. */
static enum err send_messages(struct publisher *p, uint32_t partition, const struct item *items,
                              size_t count)
{
    struct span told[GATEWAYS_MAX];
    size_t gateways = 0;

    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < gateways && !span_equal(told[at], items[i].reply_to))
            at++;
        if (at < gateways || gateways == GATEWAYS_MAX)
            continue;
        told[gateways++] = items[i].reply_to;
        TRY(send_message(p, partition, items[i].reply_to, items, count));
    }
    return ERR_NONE;
}

static struct span decimal(int64_t n, char text[DECIMAL_BYTES])
{
    int len = snprintf(text, DECIMAL_BYTES, "%" PRId64, n);

    return (struct span){text, (size_t)len};
}

static enum err keep_alone(struct publisher *p, uint32_t partition, const struct item *item)
{
    struct key key = key_answer(partition, item->id);
    char ttl[DECIMAL_BYTES];
    struct span argv[] = {
        SPAN("SET"), {key.text, key.len}, item->answer, SPAN("EX"), decimal(item->seconds, ttl)};

    return redis_send(p->redis, 5, argv);
}

/* A hash lives as long as the answer in it that is kept longest: its life is given (NX) or made
 * longer (GT), never shorter; and in one step with the answers, so that none lives for ever. */
static enum err keep_together(struct publisher *p, const struct key *key, size_t argc,
                              struct span *hset, int64_t seconds)
{
    char ttl[DECIMAL_BYTES];
    struct span expire[] = {
        SPAN("EXPIRE"), {key->text, key->len}, decimal(seconds, ttl), SPAN("NX")};

    TRY(redis_send(p->redis, 1, &SPAN("MULTI")));
    TRY(redis_send(p->redis, argc, hset));
    TRY(redis_send(p->redis, 4, expire));
    expire[3] = SPAN("GT");
    TRY(redis_send(p->redis, 4, expire));
    return redis_send(p->redis, 1, &SPAN("EXEC"));
}

/* One bucket's answers, from the first of them on. Redis keeps a hash of few short fields as one
 * list, which it searches from end to end for each of hundreds of fields. A field that is too long
 * for that makes it a table at once: 0.3 µs an answer instead of 1.5. */
static enum err keep_bucket(struct publisher *p, uint32_t partition, const struct item *items,
                            size_t count, const uint64_t *bucket)
{
    static struct span hset[4 + 2 * BATCH_REQUESTS_MAX];
    static const char wide[] = "This field makes Redis keep the answers beside it in a hash table.";
    struct key key = key_answer(partition, items[0].id);
    int64_t seconds = 0;
    size_t argc = 4;

    hset[0] = SPAN("HSET");
    hset[1] = (struct span){key.text, key.len};
    hset[2] = SPAN("");
    hset[3] = SPAN(wide);
    for (size_t i = 0; i < count; i++) {
        if (bucket[i] != bucket[0] || items[i].seconds <= 0)
            continue;
        hset[argc++] = (struct span){(const char *)items[i].id.bytes, ID_BYTES};
        hset[argc++] = items[i].answer;
        if (items[i].seconds > seconds)
            seconds = items[i].seconds;
    }
    return argc == 4 ? ERR_NONE : keep_together(p, &key, argc, hset, seconds);
}

static enum err keep_answers(struct publisher *p, uint32_t partition, const struct item *items,
                             size_t count)
{
    uint64_t bucket[ITEMS_MAX];

    for (size_t i = 0; i < count; i++)
        bucket[i] = key_answer_bucket(items[i].id);
    for (size_t i = 0; i < count; i++) {
        size_t first = 0;
        while (bucket[i] != 0 && bucket[first] != bucket[i])
            first++;
        if (bucket[i] == 0 && items[i].seconds > 0)
            TRY(keep_alone(p, partition, &items[i]));
        else if (bucket[i] != 0 && first == i)
            TRY(keep_bucket(p, partition, items + i, count - i, bucket + i));
    }
    return ERR_NONE;
}

/* From its publication on. What a gateway takes silence for hangs on this (gateway/requests.c). */
static int64_t seconds_kept(struct id id, int64_t now_ms)
{
    const int64_t most = (AHEAD_MS_MAX + DEADLINE_MS_MAX) / 1000 + ANSWER_AFTER_DEADLINE_SECONDS;
    int64_t past_deadline;

    if (id_is_keyed(id))
        return ANSWER_KEYED_SECONDS;
    past_deadline = (id_deadline_ms(id) - now_ms) / 1000 + 1 + ANSWER_AFTER_DEADLINE_SECONDS;
    past_deadline = past_deadline < most ? past_deadline : most; /* a clock that is far ahead */
    return past_deadline > ANSWER_SECONDS ? past_deadline : ANSWER_SECONDS;
}

static enum err tell(struct publisher *p, const struct news *news)
{
    struct key channel = key_show_channel(news->show);

    buf_reset(&p->record);
    news_pack(&p->record, news);
    if (p->record.failed)
        return ERR_MEMORY;
    struct span argv[] = {SPAN("PUBLISH"), {channel.text, channel.len}, buf_span(&p->record)};
    return redis_send(p->redis, 3, argv);
}

static enum err tell_availability(struct publisher *p, const struct batch *batch)
{
    for (size_t i = 0; i < batch->shows; i++)
        TRY(tell(p, &(struct news){.kind = NEWS_AVAILABILITY,
                                   .show = batch->show[i].show,
                                   .availability = batch->show[i]}));
    return ERR_NONE;
}

/* Behind the stamp, which is what makes these changes visible to whoever looks for them now. A show
 * of the batch that has no numbered seats is told too: nobody looks then. */
static enum err tell_seats(struct publisher *p, const struct batch *batch)
{
    if (columns_rows(&batch->columns, COLUMN_M_SHOW) == 0)
        return ERR_NONE;
    for (size_t i = 0; i < batch->shows; i++)
        TRY(tell(p, &(struct news){.kind = NEWS_SEATS,
                                   .show = batch->show[i].show,
                                   .seats_version = batch->version}));
    return ERR_NONE;
}

/* What an operator has done may be anything: readers look at the show anew. */
static enum err tell_sales(struct publisher *p, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct request *r = &batch->request[i];
        if (r->op == OP_ADMIN || r->op == OP_REFRESH)
            TRY(tell(
                p, &(struct news){.kind = NEWS_SALE, .show = r->show, .sale = NEWS_SALE_CHANGED}));
    }
    return ERR_NONE;
}

/* Whoever waits for a payment's settlement does not know the request that brings it: its answer is
 * told again under an id that the booking gives. */
static size_t add_told_as(struct item *items, size_t count, const struct item *settled,
                          int64_t now_ms)
{
    struct answer answer;

    if (answer_read(settled->answer, &answer) || answer.op != OP_SETTLE || !answer.has_booking)
        return count;
    items[count] = *settled;
    items[count].id = settlement_told_as(answer.booking.id);
    items[count].repeated = false;
    items[count].seconds = seconds_kept(items[count].id, now_ms);
    return count + 1;
}

/* Who still looks here for a show that has moved away finds nothing, rather than what is old. */
static enum err forget_moved(struct publisher *p, const struct tenure *t, const struct batch *batch)
{
    struct answer answer;

    if (batch->count != 1 || batch->request[0].op != OP_ADMIN ||
        !span_is(batch->request[0].action, "show.move") ||
        batch->slot[0].origin != ORIGIN_DECIDED ||
        answer_read(batch_answer_of(batch, 0), &answer) || answer.code != CODE_GRANTED)
        return ERR_NONE;
    struct key key = key_availability(t->partition, batch->request[0].show);
    struct span argv[] = {SPAN("UNLINK"), {key.text, key.len}};
    return redis_send(p->redis, 2, argv);
}

enum err publisher_send(struct publisher *p, const struct tenure *t, const struct batch *batch)
{
    static struct item items[ITEMS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < batch->count; i++)
        if (batch->slot[i].origin != ORIGIN_MOVED)
            items[count++] = (struct item){
                .id = batch->request[i].id,
                .reply_to = batch->request[i].reply_to,
                .answer = batch_answer_of(batch, i),
                .repeated = batch->slot[i].origin == ORIGIN_REPEATED,
                .seconds = seconds_kept(batch->request[i].id, batch->now_ms),
            };
    for (size_t i = 0, at = 0; i < batch->count; i++) {
        if (batch->request[i].op == OP_SETTLE && batch->slot[i].origin != ORIGIN_MOVED)
            count = add_told_as(items, count, &items[at], batch->now_ms);
        at += batch->slot[i].origin != ORIGIN_MOVED;
    }
    TRY(send_messages(p, t->partition, items, count));
    TRY(keep_answers(p, t->partition, items, count));
    TRY(tell_availability(p, batch));
    TRY(decider_stamp_send(p->decider, t, batch->version, &batch->cursor, batch->shows,
                           batch->show));
    TRY(tell_seats(p, batch));
    TRY(tell_sales(p, batch));
    TRY(forget_moved(p, t, batch));
    return redis_flush(p->redis);
}

/* Of one command, or of one that stood between MULTI and EXEC. NULL: there is none. */
static const struct redis_reply *error_in(const struct redis_reply *reply)
{
    if (redis_kind_of(reply) == REDIS_ERROR)
        return reply;
    for (size_t i = 0; i < redis_count(reply); i++)
        if (redis_kind_of(redis_at(reply, i)) == REDIS_ERROR)
            return redis_at(reply, i);
    return NULL;
}

enum err publisher_finish(struct publisher *p)
{
    enum err err = ERR_NONE;

    while (redis_pending(p->redis) > 0) {
        struct redis_reply *reply = NULL;
        TRY(redis_take(p->redis, &reply));
        const struct redis_reply *error = error_in(reply);
        if (error != NULL && !err) {
            log_event(LOG_WARN, "publication_failed", "why", redis_text(error).bytes, NULL);
            err = ERR_UNAVAILABLE;
        }
        if (span_is(redis_text(reply), "FENCED"))
            err = ERR_FENCED;
        redis_reply_free(reply);
    }
    return err;
}

struct replay {
    struct publisher *p;
    const struct tenure *t;
    bool is_told; /* the gateways are; else the answers are kept only */
    uint64_t batches;
};

static bool read_item(struct value v, struct item *item)
{
    struct span id;
    size_t count;

    if (!value_is_array(v, &count) || count != 3 || !value_str(value_at(v, 0), &id) ||
        id.len != ID_BYTES || !value_str(value_at(v, 1), &item->reply_to) ||
        !value_str(value_at(v, 2), &item->answer))
        return false;
    memcpy(item->id.bytes, id.bytes, ID_BYTES);
    item->repeated = true;
    return true;
}

/* One row: what is still to be kept of it. Whoever waited may still be waiting. */
static enum err replay_row(void *context, int64_t now_ms, struct span answers)
{
    static struct item items[ITEMS_MAX];
    struct replay *r = context;
    int64_t age = (r->t->now_ms - now_ms) / 1000;
    struct tree tree;
    size_t count;
    enum err err = ERR_NONE;

    if (tree_read(&tree, answers.bytes, answers.len))
        return ERR_INPUT;
    if (!value_is_array(tree_root(&tree), &count) || count > BATCH_REQUESTS_MAX)
        count = 0;
    size_t told = count;
    for (size_t i = 0; !err && i < count; i++) {
        if (!read_item(value_at(tree_root(&tree), i), &items[i]))
            err = ERR_INPUT;
        else
            told = add_told_as(items, told, &items[i], now_ms);
    }
    count = told;
    for (size_t i = 0; !err && i < count; i++) {
        items[i].seconds = seconds_kept(items[i].id, now_ms) - age;
    }
    if (!err)
        err = keep_answers(r->p, r->t->partition, items, count);
    if (!err && r->is_told && age < ANSWER_SECONDS)
        err = send_messages(r->p, r->t->partition, items, count);
    tree_free(&tree);
    r->batches++;
    if (!err && redis_pending(r->p->redis) > REPLAY_PENDING_MAX)
        err = publisher_finish(r->p);
    return err;
}

enum err publisher_replay(struct publisher *p, struct ledger *ledger, const struct tenure *t,
                          uint64_t published, int64_t batches_max)
{
    struct replay replay = {.p = p, .t = t, .is_told = true};

    if (published < t->version)
        TRY(ledger_read_journal(ledger, t, published, batches_max, replay_row, &replay));
    TRY(decider_stamp_send(p->decider, t, t->version, &t->cursor, 0, NULL));
    if (replay.batches > 0)
        log_event(LOG_INFO, "journal_published", "partition", log_u64(t->partition), "batches",
                  log_u64(replay.batches), NULL);
    return publisher_finish(p);
}

enum err publisher_adopt(struct publisher *p, struct ledger *ledger, const struct tenure *t,
                         uint32_t from)
{
    const struct tenure there = {.partition = from, .now_ms = t->now_ms};
    struct replay replay = {.p = p, .t = t};

    TRY(ledger_read_journal(ledger, &there, 0, JOURNAL_REPLAY_BATCHES, replay_row, &replay));
    log_event(LOG_INFO, "journal_adopted", "partition", log_u64(t->partition), "from",
              log_u64(from), "batches", log_u64(replay.batches), NULL);
    return publisher_finish(p);
}
