#include "redis_url.h"

#include <limits.h>
#include <string.h>

#include "buf.h"
#include "keys.h"
#include "text.h"

#define PORT_DEFAULT 6379
#define DATABASE_MAX INT_MAX

static bool parse_unix(struct span rest, struct redis_url *url, const char **why);
static bool parse_tcp(struct span rest, struct redis_url *url, const char **why);
static bool parse_login(struct span login, struct redis_url *url, const char **why);
static bool parse_addresses(struct span addresses, struct redis_url *url, const char **why);
static bool parse_address(struct span text, struct redis_address *address, const char **why);
static bool parse_database(struct span text, struct redis_url *url, const char **why);
static bool take_prefix(struct span *s, const char *prefix);
static bool decode(struct span s, char part[REDIS_URL_PART_MAX]);
static int hex_value(char c);

bool redis_url_parse(const char *text, struct redis_url *url, const char **why)
{
    struct span rest = span_of(text);

    *url = (struct redis_url){.addresses = 0};
    if (take_prefix(&rest, "unix://"))
        return parse_unix(rest, url, why);
    if (take_prefix(&rest, "redis://"))
        return parse_tcp(rest, url, why);
    if (take_prefix(&rest, "redis+cluster://")) {
        url->is_cluster = true;
        return parse_tcp(rest, url, why);
    }
    *why = take_prefix(&rest, "rediss://")
               ? "TLS (rediss://) is not supported"
               : "it must begin with redis://, redis+cluster:// or unix://";
    return false;
}

static bool parse_unix(struct span rest, struct redis_url *url, const char **why)
{
    struct span path;
    /* The path begins with the first slash: what stands before it can only be a login. */
    const char *slash = rest.len == 0 ? NULL : memchr(rest.bytes, '/', rest.len);
    size_t login = slash == NULL ? 0 : (size_t)(slash - rest.bytes);

    url->is_unix = true;
    url->addresses = 1;
    if (login > 0 && rest.bytes[login - 1] == '@') {
        if (!parse_login((struct span){rest.bytes, login - 1}, url, why))
            return false;
        rest = (struct span){slash, rest.len - login};
    }
    path = text_cut(&rest, '?');
    if (path.len == 0 || path.bytes[0] != '/' || !decode(path, url->address[0].host)) {
        *why = "unix:// needs an absolute path of at most 255 bytes";
        return false;
    }
    if (rest.len == 0)
        return true;
    if (!take_prefix(&rest, "db=")) {
        *why = "only ?db=number may follow the path";
        return false;
    }
    return parse_database(rest, url, why);
}

static bool parse_tcp(struct span rest, struct redis_url *url, const char **why)
{
    struct span authority = text_cut(&rest, '/');
    const char *at = authority.len == 0 ? NULL : memrchr(authority.bytes, '@', authority.len);

    if (at != NULL) {
        size_t login = (size_t)(at - authority.bytes);

        if (!parse_login((struct span){authority.bytes, login}, url, why))
            return false;
        authority = (struct span){at + 1, authority.len - login - 1};
    }
    if (!parse_addresses(authority, url, why) || (rest.len > 0 && !parse_database(rest, url, why)))
        return false;
    if (url->is_cluster && url->database != 0) {
        *why = "a cluster has only the database 0";
        return false;
    }
    return true;
}

static bool parse_addresses(struct span addresses, struct redis_url *url, const char **why)
{
    size_t commas = 0;

    for (size_t i = 0; i < addresses.len; i++)
        commas += addresses.bytes[i] == ',';
    if (commas >= REDIS_ADDRESSES_MAX) {
        *why = "more than 8 hosts";
        return false;
    }
    for (size_t i = 0; i <= commas; i++)
        if (!parse_address(text_cut(&addresses, ','), &url->address[url->addresses++], why))
            return false;
    return true;
}

static bool parse_login(struct span login, struct redis_url *url, const char **why)
{
    struct span user = text_cut(&login, ':');

    if (!decode(user, url->user) || !decode(login, url->password)) {
        *why = "user and password must be percent-encoded and at most 255 bytes long";
        return false;
    }
    return true;
}

static bool parse_address(struct span text, struct redis_address *address, const char **why)
{
    struct span host;
    uint64_t port = PORT_DEFAULT;

    if (take_prefix(&text, "[")) {
        const char *end = text.bytes + text.len;

        host = text_cut(&text, ']');
        if (host.bytes + host.len == end || (text.len > 0 && !take_prefix(&text, ":"))) {
            *why = "after [address] comes :port";
            return false;
        }
    } else {
        host = text_cut(&text, ':');
    }
    if (host.len == 0 || !decode(host, address->host)) {
        *why = "the host is missing or too long";
        return false;
    }
    if (text.len > 0 && (!text_u64(text, 65535, &port) || port == 0)) {
        *why = "the port must be a number from 1 to 65535";
        return false;
    }
    address->port = (int)port;
    return true;
}

static bool parse_database(struct span text, struct redis_url *url, const char **why)
{
    uint64_t database;

    if (!text_u64(text, DATABASE_MAX, &database)) {
        *why = "the database must be a number";
        return false;
    }
    url->database = (int)database;
    return true;
}

static bool take_prefix(struct span *s, const char *prefix)
{
    size_t n = strlen(prefix);

    if (s->len < n || memcmp(s->bytes, prefix, n) != 0)
        return false;
    s->bytes += n;
    s->len -= n;
    return true;
}

static bool decode(struct span s, char part[REDIS_URL_PART_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < s.len; i++) {
        int byte = (unsigned char)s.bytes[i];

        if (s.bytes[i] == '%') {
            int high = s.len - i > 2 ? hex_value(s.bytes[i + 1]) : -1;
            int low = s.len - i > 2 ? hex_value(s.bytes[i + 2]) : -1;

            byte = high < 0 || low < 0 ? 0 : high * 16 + low;
            i += 2;
        }
        if (byte == 0 || len == REDIS_URL_PART_MAX - 1)
            return false;
        part[len++] = (char)byte;
    }
    part[len] = '\0';
    return true;
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef0123456789ABCDEF";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits) % 16;
}

bool redis_url_has_replicas(const struct redis_url *url)
{
    return url->addresses > 1 && !url->is_cluster;
}

enum redis_elsewhere redis_elsewhere(struct span error, const struct redis_address *asked,
                                     unsigned *slot, struct redis_address *address)
{
    enum redis_elsewhere where = REDIS_HERE;
    uint64_t number, port;

    if (take_prefix(&error, "MOVED "))
        where = REDIS_MOVED;
    else if (take_prefix(&error, "ASK "))
        where = REDIS_ASK;
    else
        return REDIS_HERE;
    const char *colon = NULL;
    if (!text_u64(text_cut(&error, ' '), KEY_SLOTS - 1, &number) || error.len == 0 ||
        (colon = memrchr(error.bytes, ':', error.len)) == NULL)
        return REDIS_HERE;
    struct span host = {error.bytes, (size_t)(colon - error.bytes)};
    struct span rest = {colon + 1, error.len - host.len - 1};
    if (!text_u64(rest, 65535, &port) || port == 0 || host.len >= REDIS_URL_PART_MAX)
        return REDIS_HERE;
    *address = *asked;
    if (host.len > 0) {
        memcpy(address->host, host.bytes, host.len);
        address->host[host.len] = '\0';
    }
    address->port = (int)port;
    *slot = (unsigned)number;
    return where;
}

static bool begins_with_one(struct span error, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (take_prefix(&error, words[i]))
            return true;
    return false;
}

bool redis_is_elsewhere(struct span error)
{
    static const char *const words[] = {"MOVED ", "ASK ", "TRYAGAIN"};

    return begins_with_one(error, words, sizeof words / sizeof words[0]);
}

bool redis_is_not_the_one(struct span error)
{
    static const char *const words[] = {"CLUSTERDOWN", "READONLY", "MASTERDOWN", "LOADING"};

    return redis_is_elsewhere(error) ||
           begins_with_one(error, words, sizeof words / sizeof words[0]);
}

bool redis_address_equal(const struct redis_address *a, const struct redis_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}
