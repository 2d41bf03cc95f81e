/*
 * What Redis has and Postgres has not. All that Postgres has was looked up already; so if Redis'
 * key holds no more than that, nothing of it is too much, and only else is the key read.
 */
#ifndef USHER_CTL_VERIFY_STRAYS_H
#define USHER_CTL_VERIFY_STRAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/keys.h"
#include "verify_redis.h"

/* `command` gives the size of a key, which should be this; *more: there is too much in it. */
enum err compare_size(struct comparison *c, const char *command, struct key key, int64_t expected,
                      const char *what, bool *more);
/*
 * Read a key by `scan` (HSCAN, ZSCAN) and ask by `sql` ($1: an array of its fields) which of them
 * have no business there; at most so many are told. are_ids: fields are ids, and $1 is uuid[].
 */
enum err find_strays(struct comparison *c, const char *scan, struct key key, const char *sql,
                     bool are_ids, const char *what);

#endif
