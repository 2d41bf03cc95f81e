/* redis://[user[:password]@]host[:port][/database] or
 * unix://[user[:password]@]/path/to/socket[?db=n]. Pure. */
#ifndef USHER_BASE_REDIS_URL_H
#define USHER_BASE_REDIS_URL_H

#include <stdbool.h>

#define REDIS_URL_PART_MAX 256

struct redis_url {
    bool is_unix;
    char host[REDIS_URL_PART_MAX]; /* or the socket's path; IPv6 without brackets */
    int port;                      /* 6379 unless given */
    char user[REDIS_URL_PART_MAX]; /* percent-decoded; empty if none */
    char password[REDIS_URL_PART_MAX];
    int database;
};

/* False and a static sentence in *why if the text is not such a URL. */
bool redis_url_parse(const char *text, struct redis_url *url, const char **why);

#endif
