#include "gateway/admin_access.h"

#include <string.h>

#include "base/digest.h"
#include "base/text.h"
#include "gateway/gateway.h"
#include "gateway/identity.h"
#include "gateway/problem.h"
#include "gateway/reply.h"

/* One entry of the list, "name:hash"; false: it is none. */
static bool read_entry(struct span entry, struct span *name, unsigned char hash[DIGEST_BYTES])
{
    struct span hex;
    const char *colon = entry.len > 0 ? memchr(entry.bytes, ':', entry.len) : NULL;

    if (colon == NULL)
        return false;
    *name = (struct span){entry.bytes, (size_t)(colon - entry.bytes)};
    hex = (struct span){colon + 1, entry.len - name->len - 1};
    return text_is_user(*name) && hex.len == 2 * DIGEST_BYTES && text_unhex(hex, hash);
}

static struct span next_entry(const char **at)
{
    struct span entry;

    *at += strspn(*at, ", ");
    entry = (struct span){*at, strcspn(*at, ", ")};
    *at += entry.len;
    return entry;
}

bool admin_hashes_are_right(const char *hashes, const char **why)
{
    unsigned char hash[DIGEST_BYTES];
    struct span entry, name;
    size_t count = 0;

    *why = "must be NAME:HASH, …, each HASH the SHA-256 of a token in 64 digits of hexadecimal; "
           "usherctl admin-token makes one";
    while ((entry = next_entry(&hashes)).len > 0)
        if (!read_entry(entry, &name, hash) || ++count > ADMIN_TOKENS_MAX)
            return false;
    return true;
}

/* All entries are looked at, whichever fits. */
static bool find_token(const char *hashes, struct span token, struct administrator *who)
{
    unsigned char shown[DIGEST_BYTES], hash[DIGEST_BYTES];
    struct span entry, name;
    bool found = false;

    digest_sha256(&token, 1, shown);
    while ((entry = next_entry(&hashes)).len > 0) {
        if (!read_entry(entry, &name, hash) || !digest_equal(shown, hash))
            continue;
        memcpy(who->name, name.bytes, name.len);
        who->name[name.len] = '\0';
        found = true;
    }
    return found;
}

static bool read_token(struct task *task, struct span *token)
{
    static const char scheme[] = "bearer ";
    struct span field;
    size_t at = 0;

    if (!exchange_header_next(task->exchange, "authorization", &at, &field) ||
        field.len < sizeof scheme || strncasecmp(field.bytes, scheme, sizeof scheme - 1) != 0)
        return false;
    *token = (struct span){field.bytes + sizeof scheme - 1, field.len - sizeof scheme + 1};
    return !exchange_header_next(task->exchange, "authorization", &at, &field);
}

static bool refuse(struct task *task, const char *challenge, const char *why)
{
    struct problem problem = {.status = 401,
                              .code = CODE_UNAUTHENTICATED,
                              .detail = why,
                              .instance = exchange_path(task->exchange)};
    struct buf *body = reply_open(task);

    reply_field(task, "WWW-Authenticate", challenge);
    problem_render(body, &problem);
    reply_send(task, problem.status, PROBLEM_TYPE);
    return false;
}

/* A user's token that has the role. What an administrator does, nobody's own: the task forgets its
 * caller, so that nothing is hidden from it as another's. */
static bool has_role(struct task *task, struct administrator *who)
{
    if (!identity_demands(task))
        return false;
    struct span user = identity_user(task);
    memcpy(who->name, user.bytes, user.len);
    who->name[user.len] = '\0';
    task->caller.len = 0;
    if (!task->caller.is_admin)
        reply_problem(task, 403, CODE_FORBIDDEN, NULL, "This token has not the role for it", 0);
    return task->caller.is_admin;
}

bool admin_access(struct task *task, struct administrator *who)
{
    const char *hashes = task->gateway->options->admin_token_hashes;
    struct span token;
    bool has_token = read_token(task, &token);

    if (has_token && find_token(hashes, token, who))
        return true;
    if (!identity_is_open(task->gateway))
        return has_role(task, who);
    if (hashes[0] == '\0') {
        reply_problem(task, 403, CODE_FORBIDDEN, NULL,
                      "No administrator's token is configured: admin_token_hashes", 0);
        return false;
    }
    if (!has_token)
        return refuse(task, "Bearer realm=\"usher admin\"", "An administrator's token is needed");
    return refuse(task, "Bearer realm=\"usher admin\", error=\"invalid_token\"",
                  "This token is no administrator's");
}
