#include "gateway/signature.h"

#include <string.h>

#include "base/digest.h"
#include "base/text.h"

#define SIGNED_BYTES_MAX (1100 << 10)
#define ELEMENTS_MAX 16

/* The next element of a list with commas, without the spaces before it. */
static struct span next(struct span *rest)
{
    struct span part = text_cut(rest, ',');

    while (part.len > 0 && part.bytes[0] == ' ') {
        part.bytes++;
        part.len--;
    }
    return part;
}

static bool has_name(struct span *element, const char *name)
{
    size_t n = strlen(name);

    if (element->len < n || memcmp(element->bytes, name, n) != 0)
        return false;
    element->bytes += n;
    element->len -= n;
    return true;
}

static bool find_time(struct span field, struct span *text, int64_t now_s)
{
    uint64_t at_s;

    for (int i = 0; i < ELEMENTS_MAX && field.len > 0; i++) {
        struct span element = next(&field);
        if (!has_name(&element, "t="))
            continue;
        *text = element;
        return text_u64(element, INT64_MAX / 2, &at_s) &&
               (int64_t)at_s >= now_s - SIGNATURE_AGE_S_MAX &&
               (int64_t)at_s <= now_s + SIGNATURE_AGE_S_MAX;
    }
    return false;
}

/* All are compared, whichever is right: the time it takes tells nothing. */
static bool is_any(struct span field, const unsigned char wanted[DIGEST_BYTES])
{
    unsigned char given[DIGEST_BYTES];
    bool right = false;

    for (int i = 0; i < ELEMENTS_MAX && field.len > 0; i++) {
        struct span element = next(&field);
        if (has_name(&element, "v1=") && element.len == 2 * DIGEST_BYTES &&
            text_unhex(element, given))
            right |= digest_equal(given, wanted);
    }
    return right;
}

bool signature_is_right(struct span field, struct span body, struct span secrets, int64_t now_s)
{
    unsigned char wanted[DIGEST_BYTES];
    struct span time;
    struct buf text;
    bool right = false;

    if (!find_time(field, &time, now_s))
        return false;
    buf_init(&text, SIGNED_BYTES_MAX);
    buf_put(&text, time.bytes, time.len);
    buf_putc(&text, '.');
    buf_put(&text, body.bytes, body.len);
    while (!text.failed && secrets.len > 0) {
        struct span secret = next(&secrets);
        if (secret.len == 0)
            continue;
        digest_hmac_sha256(secret, buf_span(&text), wanted);
        right |= is_any(field, wanted);
    }
    buf_free(&text);
    return right;
}
