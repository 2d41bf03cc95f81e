#include "gateway/csv.h"

#include <stdbool.h>
#include <string.h>

static bool has_any(struct span text, const char *bytes)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.bytes[i] != '\0' && strchr(bytes, text.bytes[i]) != NULL)
            return true;
    return false;
}

static bool is_formula(struct span text)
{
    return has_any((struct span){text.bytes, text.len > 0}, "=+-@\t\r\n");
}

void csv_text(struct buf *b, struct span text)
{
    bool is_quoted = has_any(text, ",\"\r\n") || is_formula(text);

    if (is_quoted)
        buf_putc(b, '"');
    if (is_formula(text))
        buf_putc(b, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.bytes[i] == '"')
            buf_putc(b, '"');
        buf_putc(b, text.bytes[i]);
    }
    if (is_quoted)
        buf_putc(b, '"');
}
