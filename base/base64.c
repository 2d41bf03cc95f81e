#include "base64.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_read(struct span text, struct buf *bytes)
{
    uint32_t bits = 0;
    int count = 0;

    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.bytes[i]);
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

void base64url_write(struct buf *text, struct span bytes)
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
