/*
 * Checks on text, against slower ones of another kind; and the hiding of passwords, which must not
 * need to be done twice.
 */
#include "base/text.h"

#include <errno.h>

#include "base/bounds.h"
#include "tests/fuzz/fuzz.h"

/* By the number that the bytes make, not by ranges of bytes. */
static bool is_utf8(struct span s)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    for (size_t i = 0; i < s.len;) {
        unsigned char lead = (unsigned char)s.bytes[i];
        size_t n = lead < 0x80       ? 1
                   : lead >> 5 == 6  ? 2
                   : lead >> 4 == 14 ? 3
                   : lead >> 3 == 30 ? 4
                                     : 0;
        uint32_t code = n == 1 ? lead : lead & (0x7fu >> n);
        if (n == 0 || s.len - i < n)
            return false;
        for (size_t j = 1; j < n; j++) {
            unsigned char c = (unsigned char)s.bytes[i + j];
            if (c >> 6 != 2)
                return false;
            code = code << 6 | (c & 0x3f);
        }
        if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        i += n;
    }
    return true;
}

static void check_number(struct span s)
{
    char *text = fuzz_text(s);
    uint64_t n = 42;
    bool digits = s.len > 0 && strspn(text, "0123456789") == s.len;
    bool fits = text_u64(s, UINT64_MAX, &n);

    errno = 0;
    unsigned long long expected = strtoull(text, NULL, 10);
    CHECK(fits == (digits && errno == 0));
    CHECK(fits ? n == expected : n == 42);
    if (fits && n > 0) {
        CHECK(text_u64(s, n, &n) && n == expected);
        CHECK(!text_u64(s, n - 1, &n) && n == expected);
    }
    free(text);
}

static void check_masked(struct buf *setting, const char *expected)
{
    struct buf masked;

    buf_init(&masked, 1 << 22);
    text_put_masked(&masked, buf_span(setting));
    CHECK(!setting->failed && span_is(buf_span(&masked), expected));
    buf_free(&masked);
    buf_free(setting);
}

/* The input as a password, written as it may stand in a setting, is not shown. */
static void check_masking(struct span secret)
{
    struct buf masked, url, keywords;

    buf_init(&masked, 1 << 22);
    text_put_masked(&masked, secret); /* whatever it is, it may be shown to no harm */
    CHECK(!masked.failed && masked.len <= 4 * secret.len + 3);
    buf_free(&masked);
    if (secret.len == 0)
        return;
    buf_init(&url, 1 << 22);
    buf_puts(&url, "redis://me:");
    for (size_t i = 0; i < secret.len; i++)
        buf_putf(&url, "%%%02x", (unsigned char)secret.bytes[i]);
    buf_puts(&url, "@host/0");
    check_masked(&url, "redis://me:***@host/0");

    if (memmem(secret.bytes, secret.len, "://", 3) != NULL)
        return; /* then it is all read as a URL, and more is hidden */
    buf_init(&keywords, 1 << 22);
    buf_puts(&keywords, "host=a Password='");
    for (size_t i = 0; i < secret.len; i++) {
        if (secret.bytes[i] == '\'' || secret.bytes[i] == '\\')
            buf_putc(&keywords, '\\');
        buf_putc(&keywords, secret.bytes[i]);
    }
    buf_puts(&keywords, "' dbname=b");
    check_masked(&keywords, "host=a Password=***' dbname=b");
}

/* In a JSON string it is one line of UTF-8 without controls, and ends only where it is ended. */
static void check_json(struct span s)
{
    char piece[TEXT_JSON_BYTES_MAX];
    struct span rest = s;
    size_t n;

    while ((n = text_put_json(&rest, piece)) > 0) {
        struct span one = {piece, n};
        CHECK(n <= sizeof piece && is_utf8(one) && !text_has_control(one));
        CHECK(n > 1 ? piece[0] == '\\' || (piece[0] & 0x80) != 0
                    : piece[0] != '"' && piece[0] != '\\');
    }
    CHECK(rest.len == 0 && rest.bytes == s.bytes + s.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = fuzz_span(data, size);

    CHECK(text_is_utf8(s) == is_utf8(s));
    if (text_is_user(s))
        CHECK(size >= 1 && size <= USER_BYTES_MAX && is_utf8(s) && !text_has_control(s));
    if (text_is_slug(s))
        CHECK(size >= 1 && size <= SLUG_BYTES_MAX && text_is_user(s));
    check_number(s);
    check_masking(s);
    check_json(s);
    return 0;
}
