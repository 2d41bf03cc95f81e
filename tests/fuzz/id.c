/*
 * Request ids: as text from people, as bytes from Redis and Postgres, fresh and keyed. Text that is
 * an id is the id's text; bytes come back from their text; a fresh id says when it was made.
 */
#include "base/id.h"

#include <ctype.h>

#include "base/bounds.h"
#include "tests/fuzz/fuzz.h"

static void check_bytes(struct id id)
{
    char text[ID_TEXT_BYTES], upper[ID_TEXT_BYTES];
    struct id again;

    id_format(id, text);
    CHECK(strlen(text) == ID_TEXT_BYTES - 1 && text[0] >= '0' && text[0] <= '7');
    CHECK(id_parse(span_of(text), &again) == ERR_NONE && id_equal(id, again));
    for (size_t i = 0; i < ID_TEXT_BYTES; i++)
        upper[i] = (char)toupper((unsigned char)text[i]);
    CHECK(id_parse(span_of(upper), &again) == ERR_NONE && id_equal(id, again));
    CHECK(id_hash(id) == id_hash(again));
    CHECK(id_show(id) == ((uint32_t)id.bytes[0] << 24 | (uint32_t)id.bytes[1] << 16 |
                          (uint32_t)id.bytes[2] << 8 | id.bytes[3]));
    if (!id_is_keyed(id))
        CHECK(id_made_ms(id) >= ID_EPOCH_MS && id_deadline_ms(id) >= id_made_ms(id));
}

static void check_text(struct span text)
{
    struct id id;
    char again[ID_TEXT_BYTES];

    if (id_parse(text, &id) != ERR_NONE)
        return;
    id_format(id, again);
    CHECK(span_is_nocase(text, again));
    check_bytes(id);
}

static void check_fresh(const unsigned char seed[20])
{
    uint32_t show;
    uint64_t random, ms;
    int64_t deadline_ms;

    memcpy(&show, seed, 4);
    memcpy(&random, seed + 4, 8);
    memcpy(&ms, seed + 12, 8);
    ms %= UINT64_C(1) << 41;
    deadline_ms = (int64_t)(random % (DEADLINE_MS_MAX + 1));
    int64_t now_ms = ID_EPOCH_MS + (int64_t)ms;
    struct id id = id_fresh(show, now_ms, deadline_ms, random);
    CHECK(!id_is_keyed(id) && id_show(id) == show && id_made_ms(id) == now_ms);
    CHECK(id_deadline_ms(id) >= now_ms + deadline_ms);
    CHECK(id_deadline_ms(id) < now_ms + deadline_ms + ID_DEADLINE_UNIT_MS);
    check_bytes(id);
}

/* The same three words name the same request; the same bytes cut otherwise name another one. */
static void check_keyed(struct span words)
{
    struct span a = {words.bytes, words.len / 3}, b = {a.bytes + a.len, words.len / 3},
                c = {b.bytes + b.len, words.len - a.len - b.len};
    struct id id = id_keyed(7, a, b, c);

    CHECK(id_is_keyed(id) && id_show(id) == 7 && id_equal(id, id_keyed(7, a, b, c)));
    check_bytes(id);
    if (c.len > 0) {
        struct span longer = {b.bytes, b.len + 1}, shorter = {c.bytes + 1, c.len - 1};
        CHECK(!id_equal(id, id_keyed(7, a, longer, shorter)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char seed[20] = {0};
    struct id id = {{0}};

    check_text(fuzz_span(data, size));
    memcpy(id.bytes, data, size < ID_BYTES ? size : ID_BYTES);
    memcpy(seed, data, size < sizeof seed ? size : sizeof seed);
    check_bytes(id);
    check_fresh(seed);
    check_keyed(fuzz_span(data, size));
    return 0;
}
