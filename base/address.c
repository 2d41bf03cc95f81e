#include "address.h"

#include <arpa/inet.h>
#include <string.h>

#include "text.h"

#define MAPPED_BYTES 12 /* in front of an IPv4 address */
#define CLIENT_BYTES 8  /* of an IPv6 address: its network of 64 bits */

static const unsigned char mapped[MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};

static bool is_four(struct address address)
{
    return memcmp(address.bytes, mapped, MAPPED_BYTES) == 0;
}

static bool read_bare(struct span text, struct address *address)
{
    char copy[ADDRESS_TEXT_BYTES];

    if (text.len == 0 || text.len >= sizeof copy || memchr(text.bytes, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.bytes, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET6, copy, address->bytes) == 1)
        return true;
    memcpy(address->bytes, mapped, MAPPED_BYTES);
    return inet_pton(AF_INET, copy, address->bytes + MAPPED_BYTES) == 1;
}

/* ":port", or nothing. */
static bool is_port(struct span text)
{
    uint64_t port;

    return text.len == 0 || (text.bytes[0] == ':' &&
                             text_u64((struct span){text.bytes + 1, text.len - 1}, 65535, &port));
}

bool address_read(struct span text, struct address *address)
{
    const char *end;

    if (text.len == 0)
        return false;
    if (text.bytes[0] == '[') {
        end = memchr(text.bytes, ']', text.len);
        if (end == NULL)
            return false;
        size_t len = (size_t)(end - text.bytes);
        return is_port((struct span){end + 1, text.len - len - 1}) &&
               memchr(text.bytes, ':', len) != NULL &&
               read_bare((struct span){text.bytes + 1, len - 1}, address);
    }
    end = memchr(text.bytes, ':', text.len);
    if (end != NULL && memchr(text.bytes, '.', (size_t)(end - text.bytes)) != NULL) {
        size_t len = (size_t)(end - text.bytes);
        return is_port((struct span){end, text.len - len}) &&
               read_bare((struct span){text.bytes, len}, address);
    }
    return read_bare(text, address);
}

bool address_equal(struct address a, struct address b)
{
    return memcmp(a.bytes, b.bytes, ADDRESS_BYTES) == 0;
}

struct address address_of_client(struct address address)
{
    if (!is_four(address))
        memset(address.bytes + CLIENT_BYTES, 0, ADDRESS_BYTES - CLIENT_BYTES);
    return address;
}

void address_format(struct address address, char text[ADDRESS_TEXT_BYTES])
{
    if (is_four(address))
        inet_ntop(AF_INET, address.bytes + MAPPED_BYTES, text, ADDRESS_TEXT_BYTES);
    else
        inet_ntop(AF_INET6, address.bytes, text, ADDRESS_TEXT_BYTES);
}

static bool bit_of(struct address address, unsigned bit)
{
    return (address.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

bool network_read(struct span text, struct network *network)
{
    const char *slash = text.len > 0 ? memchr(text.bytes, '/', text.len) : NULL;
    size_t len = slash != NULL ? (size_t)(slash - text.bytes) : text.len;
    uint64_t bits;

    if (!read_bare((struct span){text.bytes, len}, &network->address))
        return false;
    unsigned lead = memchr(text.bytes, ':', len) == NULL ? MAPPED_BYTES * 8 : 0;
    network->bits = ADDRESS_BYTES * 8;
    if (slash != NULL) {
        if (!text_u64((struct span){slash + 1, text.len - len - 1}, ADDRESS_BYTES * 8 - lead,
                      &bits))
            return false;
        network->bits = lead + (unsigned)bits;
    }
    for (unsigned bit = network->bits; bit < ADDRESS_BYTES * 8; bit++)
        if (bit_of(network->address, bit))
            return false;
    return true;
}

bool network_has(const struct network *network, struct address address)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    if (memcmp(network->address.bytes, address.bytes, whole) != 0)
        return false;
    return rest == 0 || (network->address.bytes[whole] ^ address.bytes[whole]) >> (8 - rest) == 0;
}
