#include "differences.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void differences_add(struct differences *d, const char *format, ...)
{
    d->count++;
    if (d->kept == DIFFERENCES_KEPT_MAX)
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(d->line[d->kept++], DIFFERENCE_BYTES, format, list);
    va_end(list);
}

void differences_clear(struct differences *d)
{
    d->count = d->kept = 0;
}

void differences_move(struct differences *into, struct differences *from)
{
    for (size_t i = 0; i < from->kept && into->kept < DIFFERENCES_KEPT_MAX; i++)
        memcpy(into->line[into->kept++], from->line[i], DIFFERENCE_BYTES);
    into->count += from->count;
    differences_clear(from);
}

void differences_print(const struct differences *d)
{
    for (size_t i = 0; i < d->kept; i++)
        printf("verify: %s\n", d->line[i]);
    if (d->count > d->kept)
        printf("verify: and %zu more\n", d->count - d->kept);
}
