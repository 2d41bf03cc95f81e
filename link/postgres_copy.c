/* The text that COPY writes: columns and escapes. Pure. */
#include <string.h>

#include "postgres.h"

size_t postgres_copy_split(struct span line, struct span *fields, size_t max)
{
    size_t count = 0;
    const char *at = line.bytes, *end = line.bytes + line.len;
    while (count < max) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        fields[count++] = (struct span){at, (size_t)((tab != NULL ? tab : end) - at)};
        if (tab == NULL)
            break;
        at = tab + 1;
    }
    return count;
}

size_t postgres_copy_unescape(struct span field, char *into)
{
    static const char letters[] = "bfnrtv", meanings[] = "\b\f\n\r\t\v";
    size_t n = 0;
    for (size_t i = 0; i < field.len; i++) {
        char c = field.bytes[i];
        if (c == '\\' && i + 1 < field.len) {
            c = field.bytes[++i];
            const char *letter = memchr(letters, c, sizeof(letters) - 1);
            if (letter != NULL)
                c = meanings[letter - letters];
        }
        into[n++] = c;
    }
    return n;
}
