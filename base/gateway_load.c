#include "gateway_load.h"

#include <string.h>

#include "text.h"

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
#define X(name) {#name, offsetof(struct gateway_load, name)},
    GATEWAY_LOADS(X)
#undef X
};
#define FIELDS (sizeof fields / sizeof fields[0])

static uint64_t *field_of(struct gateway_load *load, size_t at)
{
    return (uint64_t *)(void *)((char *)load + fields[at].offset);
}

void gateway_load_write(struct buf *out, const struct gateway_load *load)
{
    struct gateway_load copy = *load;

    for (size_t i = 0; i < FIELDS; i++)
        buf_putf(out, "%s%s=%llu", i > 0 ? " " : "", fields[i].name,
                 (unsigned long long)*field_of(&copy, i));
}

static void read_pair(struct span pair, struct gateway_load *load)
{
    const char *equals = memchr(pair.bytes, '=', pair.len);
    uint64_t n;

    if (equals == NULL)
        return;
    struct span name = {pair.bytes, (size_t)(equals - pair.bytes)};
    struct span figure = {equals + 1, pair.len - name.len - 1};
    for (size_t i = 0; i < FIELDS; i++)
        if (span_is(name, fields[i].name) && text_u64(figure, INT64_MAX, &n))
            *field_of(load, i) = n;
}

void gateway_load_read(struct span text, struct gateway_load *load)
{
    *load = (struct gateway_load){0};
    while (text.len > 0) {
        const char *space = memchr(text.bytes, ' ', text.len);
        size_t n = space != NULL ? (size_t)(space - text.bytes) : text.len;
        if (n > 0)
            read_pair((struct span){text.bytes, n}, load);
        n += space != NULL;
        text = (struct span){text.bytes + n, text.len - n};
    }
}
