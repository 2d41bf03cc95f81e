#include "ticket.h"

#include <assert.h>
#include <string.h>

#include "digest.h"
#include "text.h"

enum { AT_KIND, AT_KEY, AT_SHOW = 2, AT_NUMBER = 6, AT_EXPIRES = 10, AT_USER = 16, AT_MAC = 24 };
#define BYTES (AT_MAC + DIGEST_BYTES)
#define CHARACTERS (TICKET_TEXT_BYTES - 1)
_Static_assert(CHARACTERS == (BYTES * 8 + 5) / 6, "a ticket's text holds its bytes");

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void put_number(unsigned char *bytes, size_t count, uint64_t n)
{
    for (size_t i = count; i-- > 0; n >>= 8)
        bytes[i] = (unsigned char)n;
}

static uint64_t number_at(const unsigned char *bytes, size_t count)
{
    uint64_t n = 0;

    for (size_t i = 0; i < count; i++)
        n = n << 8 | bytes[i];
    return n;
}

static void to_text(const unsigned char bytes[BYTES], char text[TICKET_TEXT_BYTES])
{
    for (size_t i = 0; i < CHARACTERS; i++) {
        size_t bit = i * 6, at = bit / 8, shift = bit % 8;
        unsigned two = (unsigned)bytes[at] << 8 | (at + 1 < BYTES ? bytes[at + 1] : 0);
        text[i] = alphabet[two >> (10 - shift) & 63];
    }
    text[CHARACTERS] = '\0';
}

/* Only the one text that these bytes have: what is left over of the last character is 0. */
static bool from_text(struct span text, unsigned char bytes[BYTES])
{
    unsigned bits = 0, held = 0;
    size_t at = 0;

    if (text.len != CHARACTERS)
        return false;
    for (size_t i = 0; i < CHARACTERS; i++) {
        const char *found = text.bytes[i] != '\0' ? strchr(alphabet, text.bytes[i]) : NULL;
        if (found == NULL)
            return false;
        bits = bits << 6 | (unsigned)(found - alphabet);
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        bytes[at++] = (unsigned char)(bits >> held);
        bits &= (1u << held) - 1;
    }
    return bits == 0;
}

static void mac_of(const unsigned char secret[TICKET_SECRET_BYTES],
                   const unsigned char bytes[BYTES], unsigned char mac[DIGEST_BYTES])
{
    digest_hmac_sha256((struct span){(const char *)secret, TICKET_SECRET_BYTES},
                       (struct span){(const char *)bytes, AT_MAC}, mac);
}

void ticket_write(const struct ticket_keys *keys, const struct ticket *t,
                  char text[TICKET_TEXT_BYTES])
{
    unsigned char bytes[BYTES];

    assert(keys->count > 0);
    bytes[AT_KIND] = (unsigned char)t->kind;
    bytes[AT_KEY] = keys->key[0].id;
    put_number(bytes + AT_SHOW, 4, t->show);
    put_number(bytes + AT_NUMBER, 4, t->number);
    put_number(bytes + AT_EXPIRES, 6, (uint64_t)t->expires_ms);
    memcpy(bytes + AT_USER, t->user, TICKET_USER_BYTES);
    mac_of(keys->key[0].secret, bytes, bytes + AT_MAC);
    to_text(bytes, text);
}

static bool is_signed(const struct ticket_keys *keys, const unsigned char bytes[BYTES])
{
    unsigned char mac[DIGEST_BYTES];

    for (size_t i = 0; i < keys->count; i++) {
        if (keys->key[i].id != bytes[AT_KEY])
            continue;
        mac_of(keys->key[i].secret, bytes, mac);
        return digest_equal(mac, bytes + AT_MAC);
    }
    return false;
}

enum err ticket_read(const struct ticket_keys *keys, struct span text, struct ticket *t)
{
    unsigned char bytes[BYTES];

    if (!from_text(text, bytes) || !is_signed(keys, bytes))
        return ERR_INPUT;
    if (bytes[AT_KIND] < TICKET_PLACE || bytes[AT_KIND] > TICKET_STREAM)
        return ERR_INPUT;
    t->kind = (enum ticket_kind)bytes[AT_KIND];
    t->show = (uint32_t)number_at(bytes + AT_SHOW, 4);
    t->number = (uint32_t)number_at(bytes + AT_NUMBER, 4);
    t->expires_ms = (int64_t)number_at(bytes + AT_EXPIRES, 6);
    memcpy(t->user, bytes + AT_USER, TICKET_USER_BYTES);
    return ERR_NONE;
}

void ticket_set_user(struct ticket *t, struct span user)
{
    unsigned char digest[DIGEST_BYTES] = {0};

    if (user.len > 0)
        digest_sha256(&user, 1, digest);
    memcpy(t->user, digest, TICKET_USER_BYTES);
}

bool ticket_is_for(const struct ticket *t, struct span user)
{
    static const unsigned char nobody[TICKET_USER_BYTES];
    struct ticket other;

    ticket_set_user(&other, user);
    return memcmp(t->user, nobody, sizeof nobody) == 0 ||
           memcmp(t->user, other.user, TICKET_USER_BYTES) == 0;
}

static bool read_key(struct span line, struct ticket_keys *keys, const char **why)
{
    const char *space = memchr(line.bytes, ' ', line.len);
    size_t id_len = space != NULL ? (size_t)(space - line.bytes) : line.len;
    uint64_t id;

    *why = "a line is not an id from 1 to 255, a space and 64 hexadecimal digits";
    if (!text_u64((struct span){line.bytes, id_len}, 255, &id) || id == 0 ||
        line.len != id_len + 1 + 2 * (size_t)TICKET_SECRET_BYTES ||
        !text_unhex((struct span){space + 1, 2 * (size_t)TICKET_SECRET_BYTES},
                    keys->key[keys->count].secret))
        return false;
    *why = "two keys have the same id";
    for (size_t i = 0; i < keys->count; i++)
        if (keys->key[i].id == id)
            return false;
    keys->key[keys->count++].id = (unsigned char)id;
    return true;
}

bool ticket_keys_read(struct span text, struct ticket_keys *keys, const char **why)
{
    memset(keys, 0, sizeof *keys);
    while (text.len > 0) {
        struct span line = text_cut(&text, '\n');
        if (line.len == 0 || line.bytes[0] == '#')
            continue;
        *why = "there are more than 8 keys";
        if (keys->count == TICKET_KEYS_MAX || !read_key(line, keys, why))
            return false;
    }
    *why = "there is no key in it";
    return keys->count > 0;
}
