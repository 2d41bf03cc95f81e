#include "secrecy.h"

#include <assert.h>
#include <string.h>
#include <sys/prctl.h>

void secrecy_keep(bool is_kept)
{
    int failed = prctl(PR_SET_DUMPABLE, is_kept ? 0 : 1, 0, 0, 0);

    assert(!failed);
}

/* libpq: an @ begins the name of an abstract socket; elsewhere it ends a login. */
const char *secrecy_check_address(const char *hosts, const char *ports)
{
    if (ports != NULL && ports[strspn(ports, "0123456789,")] != '\0')
        return "has a port that is no number: is all of the password percent-encoded?";
    for (const char *at = hosts; at != NULL && (at = strchr(at, '@')) != NULL; at++)
        if (at > hosts && at[-1] != ',')
            return "has an @ in a host's name: is all of the password percent-encoded?";
    return NULL;
}

void secrecy_erase(char *text)
{
    explicit_bzero(text, strlen(text));
}
