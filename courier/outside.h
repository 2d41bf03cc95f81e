/*
 * Which addresses a webhook may go to. Whoever names a URL must not reach what only this machine
 * reaches: loopback, private networks, link-local ones (where clouds keep their metadata). It is
 * the address that is connected to which is looked at, so a name that means something else the
 * second time it is asked for gains nothing. Pure.
 */
#ifndef USHER_COURIER_OUTSIDE_H
#define USHER_COURIER_OUTSIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

#define NETWORKS_MAX 16

/* Networks that are allowed although they are not public. */
struct networks {
    size_t count;
    struct network network[NETWORKS_MAX];
};

/* "10.0.0.0/8, fd00::/8"; NULL, or a static sentence if it is no such list. */
const char *networks_read(struct span text, struct networks *networks);
bool outside_allows(const struct networks *allowed, struct address address);

/* Whether who connects to this URL tells a user or a password to another machine. A name is another
 * machine, whatever it leads to, unless it is localhost. */
bool outside_hears_secret(const char *url);

#endif
