#include "courier/outside.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

/* What is not anybody's on the public Internet (IANA's special-purpose registries), and ways
 * through which an IPv4 address can be meant by an IPv6 one. */
static const char *const closed[] = {
    "0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",
    "::/96",         "64:ff9b::/96",    "64:ff9b:1::/48", "100::/64",       "2001::/23",
    "2001:db8::/32", "2002::/16",       "fc00::/7",       "fe80::/10",      "fec0::/10",
    "ff00::/8",
};

const char *networks_read(struct span text, struct networks *networks)
{
    networks->count = 0;
    while (text.len > 0) {
        struct span one = text_cut(&text, ',');

        while (one.len > 0 && one.bytes[0] == ' ') {
            one.bytes++;
            one.len--;
        }
        if (networks->count == NETWORKS_MAX)
            return "has more than 16 networks";
        if (!network_read(one, &networks->network[networks->count++]))
            return "must be networks like 10.0.0.0/8, with commas between them";
    }
    return NULL;
}

bool outside_allows(const struct networks *allowed, struct address address)
{
    for (size_t i = 0; i < allowed->count; i++)
        if (network_has(&allowed->network[i], address))
            return true;
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
        struct network network;
        bool is_network = network_read(span_of(closed[i]), &network);

        assert(is_network);
        if (network_has(&network, address))
            return false;
    }
    return true;
}

static bool is_this_machine(struct span host)
{
    static const char loopback[] = "127.0.0.0/8", loopback6[] = "::1";
    struct network networks[2];
    struct address address;

    if (span_is(host, "localhost"))
        return true;
    return address_read(host, &address) && network_read(span_of(loopback), &networks[0]) &&
           network_read(span_of(loopback6), &networks[1]) &&
           (network_has(&networks[0], address) || network_has(&networks[1], address));
}

bool outside_hears_secret(const char *url)
{
    const char *scheme = strstr(url, "://"), *authority = scheme != NULL ? scheme + 3 : url;
    const char *at = strrchr(authority, '@'), *host = at != NULL ? at + 1 : authority;
    size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");

    return at != NULL && !is_this_machine((struct span){host, strnlen(host, n)});
}
