#include "text.h"

#include <string.h>

#include "bounds.h"

static size_t utf8_length(const unsigned char *at, size_t have);
static size_t find(struct span s, size_t from, const char *word);
static size_t end_of_password(struct span s, size_t from);

bool text_is_utf8(struct span s)
{
    const unsigned char *at = (const unsigned char *)s.bytes;
    size_t left = s.len;

    while (left > 0) {
        size_t n = utf8_length(at, left);

        if (n == 0)
            return false;
        at += n;
        left -= n;
    }
    return true;
}

bool text_has_control(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.bytes[i];

        if (c < 0x20 || c == 0x7f)
            return true;
        /* C1 is U+0080 to U+009F, which is C2 80 to C2 9F. */
        if (c == 0xc2 && i + 1 < s.len && (unsigned char)s.bytes[i + 1] < 0xa0)
            return true;
    }
    return false;
}

bool text_is_user(struct span s)
{
    return s.len >= 1 && s.len <= USER_BYTES_MAX && !text_has_control(s) && text_is_utf8(s);
}

bool text_is_slug(struct span s)
{
    if (s.len < 1 || s.len > SLUG_BYTES_MAX || s.bytes[0] < 'a' || s.bytes[0] > 'z')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.bytes[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

bool text_u64(struct span s, uint64_t max, uint64_t *n)
{
    uint64_t sum = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint64_t digit = (uint64_t)(unsigned char)s.bytes[i] - '0';

        if (digit > 9 || digit > max || sum > (max - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *n = sum;
    return true;
}

struct span text_cut(struct span *rest, char separator)
{
    const char *end = rest->len > 0 ? memchr(rest->bytes, separator, rest->len) : NULL;
    struct span part = {rest->bytes, end != NULL ? (size_t)(end - rest->bytes) : rest->len};
    size_t used = part.len + (end != NULL);

    if (used > 0)
        rest->bytes += used; /* nothing may be added to NULL */
    rest->len -= used;
    return part;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_unhex(struct span s, void *into)
{
    unsigned char *bytes = into;

    for (size_t i = 0; i + 1 < s.len; i += 2) {
        int high = hex_digit(s.bytes[i]), low = hex_digit(s.bytes[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (unsigned char)(high << 4 | low);
    }
    return s.len % 2 == 0;
}

/* Of the characters that text_put_json escapes, those of more than one byte: C1, and the line and
 * paragraph separators. */
static unsigned code_to_escape(const unsigned char *at, size_t len)
{
    if (len == 2 && at[0] == 0xc2 && at[1] < 0xa0)
        return at[1];
    if (len == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9))
        return 0x2000U + (at[2] & 0x3f);
    return 0;
}

size_t text_put_json(struct span *rest, char into[TEXT_JSON_BYTES_MAX])
{
    const unsigned char *at = (const unsigned char *)rest->bytes;
    size_t len = rest->len > 0 ? utf8_length(at, rest->len) : 0;
    unsigned code = len == 0 ? 0xfffd : len == 1 ? at[0] : code_to_escape(at, len);

    if (rest->len == 0)
        return 0;
    rest->bytes += len > 0 ? len : 1;
    rest->len -= len > 0 ? len : 1;
    if (len == 1 && (code == '"' || code == '\\')) {
        into[0] = '\\';
        into[1] = (char)code;
        return 2;
    }
    if ((len == 1 && code >= ' ' && code != 0x7f) || (len > 1 && code == 0)) {
        memcpy(into, at, len);
        return len;
    }
    memcpy(into, "\\u", 2);
    for (size_t i = 0; i < 4; i++)
        into[2 + i] = "0123456789abcdef"[code >> (12 - 4 * i) & 15];
    return 6;
}

/*
 * Rather hide too much than too little: a password may itself hold '@', '/' or '?', so in a URL
 * all from the user's colon to the last '@' goes.
 */
void text_put_masked(struct buf *b, struct span s)
{
    if (s.len == 0)
        return;
    size_t from = find(s, 0, "://");
    size_t at = from == 0 ? 0 : s.len;
    size_t shown = 0;

    while (at > from && s.bytes[at - 1] != '@')
        at--;
    if (at > from) {
        const char *colon = memchr(s.bytes + from, ':', at - 1 - from);

        if (colon != NULL) {
            buf_put(b, s.bytes, (size_t)(colon - s.bytes) + 1);
            buf_puts(b, "***");
            shown = at - 1;
        }
    }
    while ((from = find(s, shown, "password=")) > 0) {
        buf_put(b, s.bytes + shown, from - shown);
        buf_puts(b, "***");
        shown = end_of_password(s, from);
    }
    buf_put(b, s.bytes + shown, s.len - shown);
}

/*
 * The bytes of the character at `at`, or 0 if there is no whole and well-formed one: table 3-7 of
 * the Unicode standard, in which only the second byte has ranges of its own.
 */
static size_t utf8_length(const unsigned char *at, size_t have)
{
    unsigned char lead = at[0];
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t n;

    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (have < n)
        return 0;
    if (lead == 0xe0)
        low = 0xa0; /* below: overlong */
    else if (lead == 0xed)
        high = 0x9f; /* above: surrogates */
    else if (lead == 0xf0)
        low = 0x90; /* below: overlong */
    else if (lead == 0xf4)
        high = 0x8f; /* above: beyond U+10FFFF */
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    }
    return n;
}

/* Where the word ends that is found first at or behind `from`, or 0. */
static size_t find(struct span s, size_t from, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = from; i + n <= s.len; i++) {
        if (span_is_nocase((struct span){s.bytes + i, n}, word))
            return i + n;
    }
    return 0;
}

/* As libpq reads its keyword strings, where quotes protect spaces; in a URL, up to the next '&'. */
static size_t end_of_password(struct span s, size_t from)
{
    bool quoted = from < s.len && s.bytes[from] == '\'';
    size_t i = quoted ? from + 1 : from;

    while (i < s.len && (quoted ? s.bytes[i] != '\'' : strchr("& \t", s.bytes[i]) == NULL))
        i += s.bytes[i] == '\\' && i + 1 < s.len ? 2 : 1;
    return i;
}
