#include "keys.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"

static void add(struct key *key, const char *text);
static void add_number(struct key *key, uint64_t n);
static struct key of_partition(uint32_t partition, const char *name);
static void add_id(struct key *key, struct id id);

struct key key_requests(uint32_t partition)
{
    return of_partition(partition, "requests");
}

struct key key_state(uint32_t partition)
{
    return of_partition(partition, "state");
}

struct key key_status(uint32_t partition)
{
    return of_partition(partition, "status");
}

struct key key_generations(uint32_t partition)
{
    return of_partition(partition, "generations");
}

struct key key_queued(uint32_t partition, struct id id)
{
    struct key key = of_partition(partition, "queued:");

    add_id(&key, id);
    return key;
}

struct key key_availability(uint32_t partition, uint32_t show)
{
    struct key key = of_partition(partition, "availability:");

    add_number(&key, show);
    return key;
}

struct key key_queue_news(uint32_t partition, uint32_t show)
{
    struct key key = of_partition(partition, "queue-news:");

    add_number(&key, show);
    return key;
}

struct key key_room(uint32_t partition, uint32_t show)
{
    struct key key = of_partition(partition, "room:");

    add_number(&key, show);
    return key;
}

struct key key_room_users(uint32_t partition, uint32_t show)
{
    struct key key = of_partition(partition, "room-users:");

    add_number(&key, show);
    return key;
}

struct key key_room_came(uint32_t partition, uint32_t show)
{
    struct key key = of_partition(partition, "room-came:");

    add_number(&key, show);
    return key;
}

struct key key_generation(uint32_t partition, const char *generation)
{
    struct key key = of_partition(partition, generation);

    add(&key, ":");
    return key;
}

struct key key_limit(char kind, uint64_t subject)
{
    struct key key = of_partition(1, "limit:");

    key.len += (size_t)snprintf(key.text + key.len, KEY_NAME_BYTES_MAX - key.len, "%c:%016" PRIx64,
                                kind, subject);
    return key;
}

struct key key_reports(const char *kind)
{
    struct key key = of_partition(1, "reports:");

    add(&key, kind);
    return key;
}

struct key key_report(const char *kind, const char *name)
{
    struct key key = of_partition(1, "report:");

    add(&key, kind);
    add(&key, ":");
    add(&key, name);
    return key;
}

struct key key_replies_channel(const char *gateway)
{
    struct key key = {.len = 0};

    add(&key, "usher:replies:");
    add(&key, gateway);
    return key;
}

struct key key_show_channel(uint32_t show)
{
    struct key key = {.len = 0};

    add(&key, "usher:show:");
    add_number(&key, show);
    return key;
}

struct key key_shows_channel(void)
{
    struct key key = {.len = 0};

    add(&key, "usher:shows");
    return key;
}

uint64_t key_answer_bucket(struct id id)
{
    if (id_is_keyed(id) || id_made_ms(id) == ID_EPOCH_MS)
        return 0;
    return (uint64_t)(id_made_ms(id) / ANSWER_BUCKET_MS);
}

struct key key_answer(uint32_t partition, struct id id)
{
    uint64_t bucket = key_answer_bucket(id);
    struct key key = of_partition(partition, bucket != 0 ? "answers:" : "reply:");

    if (bucket != 0)
        add_number(&key, bucket);
    else
        add_id(&key, id);
    return key;
}

size_t key_answer_get(const struct key *answer, const struct id *id, struct span argv[3])
{
    bool is_field = key_answer_bucket(*id) != 0;

    argv[0] = is_field ? SPAN("HGET") : SPAN("GET");
    argv[1] = (struct span){answer->text, answer->len};
    argv[2] = (struct span){(const char *)id->bytes, ID_BYTES};
    return is_field ? 3 : 2;
}

static struct key of_partition(uint32_t partition, const char *name)
{
    struct key key;

    key.len = 0;
    add(&key, "usher:{");
    add_number(&key, partition);
    add(&key, "}:");
    add(&key, name);
    return key;
}

/* Names are short by construction: one that does not fit is a programming error. */
static void add(struct key *key, const char *text)
{
    size_t n = strlen(text);

    assert(n < KEY_NAME_BYTES_MAX - key->len);
    memcpy(key->text + key->len, text, n + 1);
    key->len += n;
}

static void add_number(struct key *key, uint64_t n)
{
    char digits[21];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    add(key, digits + at);
}

static void add_id(struct key *key, struct id id)
{
    char text[ID_TEXT_BYTES];

    id_format(id, text);
    add(key, text);
}

/* CRC-16/XMODEM of what stands between the braces, as Redis Cluster's specification has it. */
unsigned key_slot(uint32_t partition)
{
    struct key tag = {.len = 0};
    unsigned crc = 0;

    add_number(&tag, partition);
    for (size_t i = 0; i < tag.len; i++) {
        crc ^= (unsigned)(unsigned char)tag.text[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1) ^ ((crc & 0x8000) ? 0x11021 : 0);
    }
    return crc % KEY_SLOTS;
}
