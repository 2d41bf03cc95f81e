#include "allocator/batch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERS_BYTES_MAX (16u << 20)

#define FIELDS_BYTES_MAX 65536

void preview_reset(struct preview *p)
{
    p->code = CODE_GRANTED;
    buf_reset(&p->told);
    buf_reset(&p->fields);
}

struct batch *batch_new(void)
{
    struct batch *b = calloc(1, sizeof *b);

    if (b == NULL) {
        fputs("no memory for a batch\n", stderr);
        abort();
    }
    buf_init(&b->answers, ANSWERS_BYTES_MAX);
    buf_init(&b->journal, ANSWERS_BYTES_MAX);
    buf_init(&b->preview.told, SETTINGS_BYTES_MAX);
    buf_init(&b->preview.fields, FIELDS_BYTES_MAX);
    columns_init(&b->columns);
    return b;
}

void batch_free(struct batch *b)
{
    if (b == NULL)
        return;
    redis_reply_free(b->entries);
    buf_free(&b->answers);
    buf_free(&b->journal);
    buf_free(&b->preview.told);
    buf_free(&b->preview.fields);
    columns_free(&b->columns);
    free(b);
}

void batch_reset(struct batch *b)
{
    batch_forget_requests(b);
    redis_reply_free(b->entries);
    b->entries = NULL;
    b->shows = 0;
    b->expired = b->payments = 0;
    b->repeated = 0;
    b->oldest_ms = 0;
    memset(b->outcomes, 0, sizeof b->outcomes);
    buf_reset(&b->answers);
    buf_reset(&b->journal);
    preview_reset(&b->preview);
    columns_reset(&b->columns);
}

void batch_forget_requests(struct batch *b)
{
    b->count = b->weight = b->traceds = 0;
    memset(b->index, 0, sizeof b->index);
}

/* Where the id stands in the index, or the free place where it would. */
static size_t find_place(const struct batch *b, struct id id)
{
    size_t place = id_hash(id) % BATCH_INDEX_SLOTS;

    while (b->index[place] != 0 && !id_equal(b->request[b->index[place] - 1].id, id))
        place = (place + 1) % BATCH_INDEX_SLOTS;
    return place;
}

long batch_find(const struct batch *b, struct id id)
{
    return (long)b->index[find_place(b, id)] - 1;
}

void batch_index(struct batch *b, size_t at)
{
    size_t place = find_place(b, b->request[at].id);

    assert(at < BATCH_REQUESTS_MAX);
    if (b->index[place] == 0)
        b->index[place] = (uint16_t)(at + 1);
}

void batch_answer(struct batch *b, size_t at, enum origin origin, struct span bytes)
{
    b->slot[at].origin = origin;
    b->slot[at].answer_at = (uint32_t)b->answers.len;
    b->slot[at].answer_len = (uint32_t)bytes.len;
    buf_put(&b->answers, bytes.bytes, bytes.len);
}

struct span batch_answer_of(const struct batch *b, size_t at)
{
    const struct slot *slot = &b->slot[at];

    assert(slot->origin == ORIGIN_DECIDED || slot->origin == ORIGIN_REPEATED);
    return (struct span){b->answers.bytes + slot->answer_at, slot->answer_len};
}
