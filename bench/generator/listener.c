#include "bench/generator/listener.h"

#include <stdlib.h>
#include <string.h>

static const char *find(struct span s, const char *what)
{
    return memmem(s.bytes, s.len, what, strlen(what));
}

static bool number_after(struct span event, const char *name, uint64_t *n)
{
    const char *at = find(event, name);

    if (at == NULL)
        return false;
    *n = strtoull(at + strlen(name), NULL, 10); /* an event ends in a brace */
    return true;
}

/* When somebody was first told anything newer than this version. */
static int64_t behind_since(const struct listener_moments *m, uint64_t version, uint64_t newest,
                            int64_t now_us)
{
    for (uint64_t v = version + 1; v <= newest; v++) {
        int64_t first_us = atomic_load(&m->first_us[v]);
        if (first_us != 0)
            return first_us;
    }
    return now_us;
}

static int64_t note_version(struct listener *l, struct listener_moments *m, uint64_t version,
                            int64_t now_us)
{
    int64_t none = 0, behind_us = 0;
    bool is_first = l->version == 0;

    if (version < LISTENER_VERSIONS_MAX) {
        atomic_compare_exchange_strong(&m->first_us[version], &none, now_us);
        behind_us = now_us - behind_since(m, l->version, version, now_us);
    }
    l->version = version;
    return is_first ? -1 : behind_us > 0 ? behind_us : 0;
}

static bool take_head(struct listener *l, struct buf *in)
{
    const char *end = find(buf_span(in), "\r\n\r\n");

    if (end == NULL)
        return true; /* it is to come */
    if (memcmp(in->bytes, "HTTP/1.1 200 ", 13) != 0 ||
        find(buf_span(in), "text/event-stream") == NULL)
        return false;
    buf_drop(in, (size_t)(end - in->bytes) + 4);
    l->has_head = true;
    return true;
}

bool listener_read(struct listener *l, struct buf *in, struct listener_moments *moments,
                   int64_t now_us, void (*told)(void *context, int64_t behind_us), void *context)
{
    const char *end;

    if (!l->has_head && !take_head(l, in))
        return false;
    while (l->has_head && (end = find(buf_span(in), "\n\n")) != NULL) {
        struct span event = {in->bytes, (size_t)(end - in->bytes)};
        uint64_t version = 0;

        if (find(event, "\"type\":\"availability\"") != NULL) {
            if (!number_after(event, "\"version\":", &version) ||
                !number_after(event, "\"available\":", &l->available))
                return false;
            if (version > l->version)
                told(context, note_version(l, moments, version, now_us));
        }
        l->is_over = l->is_over || find(event, "\"state\":\"sold_out\"") != NULL;
        buf_drop(in, event.len + 2);
    }
    return true;
}
