#include "id.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "bounds.h"
#include "digest.h"
#include "text.h"

#define MS_BITS 41
#define MS_MAX ((INT64_C(1) << MS_BITS) - 1)
#define RANDOM_BITS 46
#define RANDOM_MASK ((UINT64_C(1) << RANDOM_BITS) - 1)
#define DEADLINE_SHIFT RANDOM_BITS
/* The milliseconds' lowest ten bits stand at the top of the last eight bytes. */
#define MS_SHIFT 54
#define MS_LOW_BITS 10
#define OWNER_AT 12 /* the last four bytes */
/* The other 26 random bits tell apart what one person asks within a millisecond. */
#define OWNER_MASK_FRESH 0xfffff
#define KEYED_BIT 0x80 /* in the fifth byte */

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void id_format_uuid(struct id id, char text[UUID_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    char *at = text;

    for (size_t i = 0; i < ID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = hex[id.bytes[i] >> 4];
        *at++ = hex[id.bytes[i] & 15];
    }
    *at = '\0';
}

enum err id_from_uuid(struct span text, struct id *id)
{
    char hex[2 * ID_BYTES];
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.bytes[i] == '-')
            continue;
        if (n == sizeof(hex))
            return ERR_INPUT;
        hex[n++] = text.bytes[i];
    }
    if (n != sizeof(hex) || !text_unhex((struct span){hex, n}, id->bytes))
        return ERR_INPUT;
    return ERR_NONE;
}

static void put_u32(unsigned char *at, uint32_t n);
static void put_u64(unsigned char *at, uint64_t n);
static uint32_t get_u32(const unsigned char *at);
static uint64_t get_u64(const unsigned char *at);
static int digit_value(char c);

struct id id_fresh(uint32_t show, int64_t now_ms, int64_t deadline_ms, uint64_t random)
{
    struct id id = {{0}};
    int64_t ms = now_ms - ID_EPOCH_MS;
    uint64_t units;

    /* A deadline cut short would call a request dead that may still be granted. */
    assert(deadline_ms >= 0 && deadline_ms <= DEADLINE_MS_MAX);
    units = (uint64_t)(deadline_ms + ID_DEADLINE_UNIT_MS - 1) / ID_DEADLINE_UNIT_MS;
    ms = ms < 0 ? 0 : ms > MS_MAX ? MS_MAX : ms;
    put_u32(id.bytes, show);
    put_u32(id.bytes + 4, (uint32_t)(ms >> MS_LOW_BITS));
    put_u64(id.bytes + 8,
            (uint64_t)ms << MS_SHIFT | units << DEADLINE_SHIFT | (random & RANDOM_MASK));
    return id;
}

/* Each part is hashed behind its length, so that no two triples give the same bytes. */
struct id id_keyed(uint32_t show, struct span caller, struct span route, struct span key)
{
    struct id id;
    unsigned char digest[DIGEST_BYTES];
    unsigned char lengths[3][4];
    struct span parts[6] = {{(char *)lengths[0], 4}, caller, {(char *)lengths[1], 4}, route,
                            {(char *)lengths[2], 4}, key};

    for (int i = 0; i < 3; i++)
        put_u32(lengths[i], (uint32_t)parts[2 * i + 1].len);
    digest_sha256(parts, 6, digest);
    put_u32(id.bytes, show);
    memcpy(id.bytes + 4, digest, ID_BYTES - 4);
    id.bytes[4] |= KEYED_BIT;
    return id;
}

struct id id_part(struct id of, uint32_t show)
{
    unsigned char number[4], digest[DIGEST_BYTES];
    struct span parts[2] = {{(char *)of.bytes, ID_BYTES}, {(char *)number, 4}};
    struct id id = of;

    put_u32(number, show);
    memcpy(id.bytes, number, sizeof number);
    if (id_is_keyed(of)) {
        digest_sha256(parts, 2, digest);
        memcpy(id.bytes + 4, digest, ID_BYTES - 4);
        id.bytes[4] |= KEYED_BIT;
    }
    return id;
}

struct id id_owned(struct id id, struct span owner)
{
    unsigned char digest[DIGEST_BYTES];
    uint32_t mask = id_is_keyed(id) ? UINT32_MAX : OWNER_MASK_FRESH;
    uint32_t last = get_u32(id.bytes + OWNER_AT);

    digest_sha256(&owner, 1, digest);
    put_u32(id.bytes + OWNER_AT, (last & ~mask) | (get_u32(digest) & mask));
    return id;
}

bool id_is_owned(struct id id, struct span owner)
{
    return id_equal(id, id_owned(id, owner));
}

uint32_t id_show(struct id id)
{
    return get_u32(id.bytes);
}

bool id_is_keyed(struct id id)
{
    return (id.bytes[4] & KEYED_BIT) != 0;
}

int64_t id_made_ms(struct id id)
{
    uint64_t high = get_u32(id.bytes + 4) & 0x7fffffff;
    uint64_t low = get_u64(id.bytes + 8) >> MS_SHIFT;

    return (int64_t)(high << MS_LOW_BITS | low) + ID_EPOCH_MS;
}

int64_t id_deadline_ms(struct id id)
{
    int64_t units = (int64_t)(get_u64(id.bytes + 8) >> DEADLINE_SHIFT & 0xff);

    return id_made_ms(id) + units * ID_DEADLINE_UNIT_MS;
}

bool id_equal(struct id a, struct id b)
{
    return memcmp(a.bytes, b.bytes, ID_BYTES) == 0;
}

/* The last eight bytes hold nearly all that differs; the multiplication spreads it over the word.
 */
uint64_t id_hash(struct id id)
{
    uint64_t n = get_u64(id.bytes + 8) ^ get_u64(id.bytes) * UINT64_C(0x9e3779b97f4a7c15);

    n = (n ^ n >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return n ^ n >> 32;
}

/* The first digit holds three bits, so that the other 25 hold 125. */
void id_format(struct id id, char text[ID_TEXT_BYTES])
{
    uint64_t high = get_u64(id.bytes);
    uint64_t low = get_u64(id.bytes + 8);

    text[ID_TEXT_BYTES - 1] = '\0';
    for (int i = ID_TEXT_BYTES - 2; i >= 0; i--) {
        text[i] = digits[low & 31];
        low = low >> 5 | high << 59;
        high >>= 5;
    }
}

enum err id_parse(struct span text, struct id *id)
{
    uint64_t high = 0;
    uint64_t low = 0;

    if (text.len != ID_TEXT_BYTES - 1 || text.bytes[0] < '0' || text.bytes[0] > '7')
        return ERR_INPUT;
    for (size_t i = 0; i < text.len; i++) {
        int value = digit_value(text.bytes[i]);

        if (value < 0)
            return ERR_INPUT;
        high = high << 5 | low >> 59;
        low = low << 5 | (uint64_t)value;
    }
    put_u64(id->bytes, high);
    put_u64(id->bytes + 8, low);
    return ERR_NONE;
}

static void put_u32(unsigned char *at, uint32_t n)
{
    n = htobe32(n);
    memcpy(at, &n, sizeof(n));
}

static void put_u64(unsigned char *at, uint64_t n)
{
    n = htobe64(n);
    memcpy(at, &n, sizeof(n));
}

static uint32_t get_u32(const unsigned char *at)
{
    uint32_t n;

    memcpy(&n, at, sizeof(n));
    return be32toh(n);
}

static uint64_t get_u64(const unsigned char *at)
{
    uint64_t n;

    memcpy(&n, at, sizeof(n));
    return be64toh(n);
}

/* Crockford's alphabet has no i, l, o and u. */
static int digit_value(char c)
{
    /* From '0' to 'z', by c - '0'. */
    static const signed char values['z' - '0' + 1] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  -1, -1, -1, -1, -1, -1, -1, 10, 11,
        12, 13, 14, 15, 16, 17, -1, 18, 19, -1, 20, 21, -1, 22, 23, 24, 25, 26, -1,
        27, 28, 29, 30, 31, -1, -1, -1, -1, -1, -1, 10, 11, 12, 13, 14, 15, 16, 17,
        -1, 18, 19, -1, 20, 21, -1, 22, 23, 24, 25, 26, -1, 27, 28, 29, 30, 31};

    return c < '0' || c > 'z' ? -1 : values[c - '0'];
}
