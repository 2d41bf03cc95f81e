#include "base64.h"

#include <stdint.h>

#define DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
static const char plain[] = DIGITS "+/", url[] = DIGITS "-_";

static int value_of(char c, const char *digits)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == digits[62] ? 62 : c == digits[63] ? 63 : -1;
}

static bool read_digits(struct span text, const char *digits, struct buf *bytes)
{
    uint32_t bits = 0;
    int count = 0;

    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.bytes[i], digits);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_putc(bytes, (char)(bits >> count & 0xff));
        }
    }
    return (bits & ((1U << count) - 1)) == 0 && !bytes->failed;
}

static void write_digits(struct buf *text, struct span bytes, const char *digits)
{
    uint32_t bits = 0;
    int count = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | (unsigned char)bytes.bytes[i];
        for (count += 8; count >= 6;) {
            count -= 6;
            buf_putc(text, digits[bits >> count & 63]);
        }
    }
    if (count > 0)
        buf_putc(text, digits[bits << (6 - count) & 63]);
}

bool base64url_read(struct span text, struct buf *bytes)
{
    return read_digits(text, url, bytes);
}

void base64url_write(struct buf *text, struct span bytes)
{
    write_digits(text, bytes, url);
}

bool base64_read(struct span text, struct buf *bytes)
{
    size_t len = text.len;

    while (len > 0 && text.len - len < 2 && text.bytes[len - 1] == '=')
        len--;
    if (len != text.len && text.len % 4 != 0)
        return false;
    return read_digits((struct span){text.bytes, len}, plain, bytes);
}

void base64_write(struct buf *text, struct span bytes)
{
    write_digits(text, bytes, plain);
    for (size_t n = bytes.len % 3; n > 0 && n < 3; n++)
        buf_putc(text, '=');
}
