#include "gateway/origin.h"

#include <string.h>

static struct span trimmed(struct span s)
{
    while (s.len > 0 && strchr(" \t", s.bytes[0]) != NULL) {
        s.bytes++;
        s.len--;
    }
    while (s.len > 0 && strchr(" \t", s.bytes[s.len - 1]) != NULL)
        s.len--;
    return s;
}

/* Take off the last element of a list. A comma within quotes is an element's own: but no address
 * has one, and an element that is cut is no address, which ends the reading. */
static struct span cut_last(struct span *list, char separator)
{
    const char *at = memrchr(list->bytes, separator, list->len);
    size_t len = at != NULL ? (size_t)(at - list->bytes) : 0;
    struct span last = at != NULL ? (struct span){at + 1, list->len - len - 1} : *list;

    list->len = len;
    return trimmed(last);
}

bool proxies_read(struct proxies *proxies, const char *list)
{
    struct span rest = span_of(list);

    proxies->count = 0;
    while (trimmed(rest).len > 0) {
        struct span one = cut_last(&rest, ',');
        if (proxies->count == PROXIES_MAX || !network_read(one, &proxies->network[proxies->count]))
            return false;
        proxies->count++;
    }
    return true;
}

static bool is_trusted(const struct proxies *proxies, struct address address)
{
    for (size_t i = 0; i < proxies->count; i++)
        if (network_has(&proxies->network[i], address))
            return true;
    return false;
}

/* The address in `for=192.0.2.1;proto=https` or `for="[2001:db8::1]:4711"`; its one `for`. */
static bool read_forwarded(struct span element, struct address *address)
{
    bool found = false;

    while (element.len > 0) {
        struct span pair = cut_last(&element, ';');
        if (pair.len < 4 || !span_is_nocase((struct span){pair.bytes, 4}, "for="))
            continue;
        struct span node = {pair.bytes + 4, pair.len - 4};
        if (node.len >= 2 && node.bytes[0] == '"' && node.bytes[node.len - 1] == '"')
            node = (struct span){node.bytes + 1, node.len - 2};
        if (found || !address_read(node, address))
            return false;
        found = true;
    }
    return found;
}

static bool read_element(enum forwarded_by by, struct span element, struct address *address)
{
    return by == FORWARDED ? read_forwarded(element, address) : address_read(element, address);
}

struct address origin_of(const struct proxies *proxies, struct address peer,
                         const struct span *fields, size_t count)
{
    struct address at = peer, before;

    while (count > 0) {
        struct span list = fields[--count];
        while (list.len > 0) {
            if (!is_trusted(proxies, at) ||
                !read_element(proxies->by, cut_last(&list, ','), &before))
                return at;
            at = before;
        }
    }
    return at;
}
