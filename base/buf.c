#include "buf.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAP_MIN 256
#define U64_DIGITS_MAX 20

static bool buf_reserve(struct buf *b, size_t n, size_t behind);

void buf_init(struct buf *b, size_t bytes_max)
{
    assert(bytes_max < SIZE_MAX / 2); /* so that doubling and the NUL cannot wrap */
    *b = (struct buf){.max = bytes_max};
}

void buf_free(struct buf *b)
{
    free(b->bytes);
    *b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

void buf_put(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0 || !buf_reserve(b, n, 0))
        return;
    memcpy(b->bytes + b->len, bytes, n);
    b->len += n;
}

void buf_puts(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void buf_putc(struct buf *b, char c)
{
    if (!buf_reserve(b, 1, 0))
        return;
    b->bytes[b->len++] = c;
}

void buf_put_u64(struct buf *b, unsigned long long n)
{
    char digits[U64_DIGITS_MAX];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    buf_put(b, digits + at, sizeof(digits) - at);
}

void buf_putf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_list again;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    assert(n >= 0);
    /* vsnprintf writes a NUL, so one byte more than the text must be there. */
    if (buf_reserve(b, (size_t)n, 1)) {
        vsnprintf(b->bytes + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

char *buf_room(struct buf *b, size_t n)
{
    return buf_reserve(b, n, 0) ? b->bytes + b->len : NULL;
}

void buf_grew(struct buf *b, size_t n)
{
    assert(!b->failed && n <= b->max - b->len && n <= b->cap - b->len);
    b->len += n;
}

void buf_drop(struct buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->bytes, b->bytes + n, b->len);
}

const char *buf_text(struct buf *b)
{
    if (!buf_reserve(b, 0, 1))
        return NULL;
    b->bytes[b->len] = '\0';
    return b->bytes;
}

struct span span_of(const char *text)
{
    return (struct span){text, text == NULL ? 0 : strlen(text)};
}

struct span buf_span(const struct buf *b)
{
    return (struct span){b->bytes, b->len};
}

bool span_is(struct span s, const char *text)
{
    return span_equal(s, span_of(text));
}

bool span_is_nocase(struct span s, const char *text)
{
    size_t i;

    for (i = 0; i < s.len; i++) {
        unsigned char a = (unsigned char)s.bytes[i];
        unsigned char b = (unsigned char)text[i];

        if (a >= 'A' && a <= 'Z')
            a = (unsigned char)(a | 0x20);
        if (b >= 'A' && b <= 'Z')
            b = (unsigned char)(b | 0x20);
        if (b == '\0' || a != b)
            return false;
    }
    return text[i] == '\0';
}

bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}

/*
 * Make sure that n more bytes may be put and that `behind` further ones lie behind them in memory
 * (a NUL is no content: it does not count against the bound). Subtraction cannot wrap: len <= max.
 */
static bool buf_reserve(struct buf *b, size_t n, size_t behind)
{
    size_t need;
    size_t cap;
    char *grown;

    if (b->failed || n > b->max - b->len) {
        b->failed = true;
        return false;
    }
    need = b->len + n + behind;
    if (need <= b->cap && b->bytes != NULL)
        return true;

    cap = b->cap < CAP_MIN ? CAP_MIN : b->cap * 2;
    if (cap > b->max + 1)
        cap = b->max + 1;
    if (cap < need)
        cap = need;
    grown = realloc(b->bytes, cap);
    if (grown == NULL) {
        b->failed = true;
        return false;
    }
    b->bytes = grown;
    b->cap = cap;
    return true;
}
