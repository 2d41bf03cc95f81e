/*
 * Who may administrate. An administrator shows a bearer token whose SHA-256 stands in the
 * configuration beside a name: `admin_token_hashes = olga:HASH,night-shift:HASH`. The token is
 * random and long, so a plain hash of it is as good as the token is; hashes are compared in a time
 * that does not tell where they differ, and all of them are looked at. With auth = jwt a token of
 * that kind serves too, if it has the role jwt_admin_role; the name is its user.
 */
#ifndef USHER_GATEWAY_ADMIN_ACCESS_H
#define USHER_GATEWAY_ADMIN_ACCESS_H

#include <stdbool.h>

#include "base/bounds.h"
#include "base/buf.h"
#include "gateway/task.h"

#define ADMIN_TOKENS_MAX 32

struct administrator {
    char name[USER_BYTES_MAX + 1]; /* as the audit has it */
};

/* May this request administrate, and as whom? False: the task was answered, 401 or 403. */
bool admin_access(struct task *task, struct administrator *who);

/* Whether the option's value can be read; the sentence is static. */
bool admin_hashes_are_right(const char *hashes, const char **why);

#endif
