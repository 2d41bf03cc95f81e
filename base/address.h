/* Addresses of clients, and networks of them. Pure. */
#ifndef USHER_BASE_ADDRESS_H
#define USHER_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

#define ADDRESS_BYTES 16
#define ADDRESS_TEXT_BYTES 48

/* As IPv6; an IPv4 address is mapped (::ffff:a.b.c.d), so that each has one form. */
struct address {
    unsigned char bytes[ADDRESS_BYTES];
};

/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]", and either with ":port" behind it (an IPv6 one then
 * in brackets). False for names, zones and all else. */
bool address_read(struct span text, struct address *address);
bool address_equal(struct address a, struct address b);
/* Whom it stands for: the address if it is IPv4, its network of 64 bits if it is IPv6, since a
 * household has as many addresses as it likes. */
struct address address_of_client(struct address address);
void address_format(struct address address, char text[ADDRESS_TEXT_BYTES]);

struct network {
    struct address address;
    unsigned bits; /* of 128 */
};

/* "10.0.0.0/8", "fd00::/8", or an address alone. False too if bits behind the prefix are set. */
bool network_read(struct span text, struct network *network);
bool network_has(const struct network *network, struct address address);

#endif
