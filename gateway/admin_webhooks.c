/*
 * Who is told of what happens, for administrators: webhooks and letters. Changes are decided in the
 * queue like all that operators do (sql/0018_webhook_admin.sql); the lists are read from Postgres.
 * Each database has its own: ?partition=N means the one that has that partition, else home is
 * meant. A secret stands in no answer of the queue: it is fetched, within an hour after it was
 * made.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "gateway/admin.h"
#include "gateway/admin_access.h"
#include "gateway/handlers.h"
#include "gateway/postgres_link.h"
#include "gateway/reads.h"
#include "gateway/reply.h"

#define NUMBER_BYTES 24

static const struct statement all_webhooks = {"admin_webhooks", "SELECT see_subscriptions()"};
static const struct statement one_webhook = {"admin_webhook",
                                             "SELECT see_subscription($1::bigint)"};
static const struct statement webhook_secret = {"admin_secret", "SELECT see_secret($1::bigint)"};
static const struct statement webhook_deliveries = {
    "admin_deliveries",
    "SELECT see_deliveries($1::bigint, $2::bigint, $3::text IS NOT NULL, $4::integer)"};

/* The one row is the answer. */
static void on_text(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    struct span text;

    if (!task_resume(task))
        return;
    if (err) {
        reads_fail(task, err);
        return;
    }
    if (rows_count(rows) == 0) {
        reply_not_found(task, "There is no such webhook");
        return;
    }
    text = rows_text(rows, 0, 0);
    buf_put(reply_open_private(task), text.bytes, text.len);
    reply_send(task, 200, REPLY_JSON);
}

static void on_secret(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;

    if (!err && task->exchange != NULL && rows_count(rows) == 0) {
        if (task_resume(task))
            reply_not_found(task, "There is no such webhook, or its secret is older than an hour: "
                                  "it is told no more, but can be rotated");
        return;
    }
    on_text(context, err, rows);
}

/* The path's number. False: the task was answered. */
static bool read_number(struct task *task, uint64_t *number)
{
    if (text_u64(task->parameter[0], INT64_MAX, number) && *number > 0)
        return true;
    reply_not_found(task, "There is no such webhook");
    return false;
}

static void ask_about_one(struct task *task, const struct statement *statement,
                          void (*done)(void *, enum err, const struct postgres_rows *))
{
    struct administrator who;
    char number[NUMBER_BYTES];
    struct postgres_query query = {
        .statement = statement, .values = 1, .value = {number}, .done = done};
    uint64_t n;

    if (!admin_access(task, &who) || !read_number(task, &n) || !admin_give_database(task))
        return;
    snprintf(number, sizeof number, "%" PRIu64, n);
    reads_ask(task, &query);
}

void get_admin_webhooks(struct task *task)
{
    struct administrator who;
    struct postgres_query query = {.statement = &all_webhooks, .done = on_text};

    if (admin_access(task, &who) && admin_give_database(task))
        reads_ask(task, &query);
}

void get_admin_webhook(struct task *task)
{
    ask_about_one(task, &one_webhook, on_text);
}

void get_admin_webhook_secret(struct task *task)
{
    ask_about_one(task, &webhook_secret, on_secret);
}

/* All deliveries, or with ?state=undelivered those that wait or were given up. */
void get_admin_deliveries(struct task *task)
{
    struct administrator who;
    char number[NUMBER_BYTES], before[NUMBER_BYTES], many[NUMBER_BYTES], state[16];
    struct postgres_query query = {.statement = &webhook_deliveries,
                                   .values = 4,
                                   .value = {number, NULL, NULL, many},
                                   .done = on_text};
    uint64_t n, cursor = 0;
    int64_t limit;

    if (!admin_access(task, &who) || !admin_give_database(task) || !read_number(task, &n) ||
        !reads_limit(task, &limit) || !reads_number(task, "cursor", 1, INT64_MAX, &cursor) ||
        !reads_text(task, "state", state, sizeof state - 1, &query.value[2]))
        return;
    if (query.value[2] != NULL && strcmp(state, "undelivered") != 0) {
        reply_invalid(task, 400, "\"state\" can only be undelivered");
        return;
    }
    if (cursor > 0) {
        snprintf(before, sizeof before, "%" PRIu64, cursor);
        query.value[1] = before;
    }
    snprintf(number, sizeof number, "%" PRIu64, n);
    snprintf(many, sizeof many, "%" PRId64, limit);
    reads_ask(task, &query);
}

/* Which one it is about stands in the path. */
static void take_number(struct task *task, struct json *json)
{
    uint64_t number = 0;

    if (text_u64(task->parameter[0], INT64_MAX, &number))
        json_set_whole(json, json_root(json), "webhook", (int64_t)number);
}

static void send(struct task *task, const char *action, bool of_one)
{
    struct administrator who;
    uint64_t number;

    if (admin_access(task, &who) && (!of_one || read_number(task, &number)) &&
        admin_give_catalogue(task))
        admin_send(task, &who, action, NULL, of_one ? take_number : NULL);
}

void post_admin_webhooks(struct task *task)
{
    send(task, "webhook.add", false);
}

void delete_admin_webhook(struct task *task)
{
    send(task, "webhook.remove", true);
}

void post_admin_webhook_action(struct task *task)
{
    bool rotates = strstr(task->route->pattern, "/rotate") != NULL;

    send(task, rotates ? "webhook.rotate" : "webhook.replay", true);
}

void post_admin_mail(struct task *task)
{
    send(task, "mail.on", false);
}

void delete_admin_mail(struct task *task)
{
    send(task, "mail.off", false);
}
