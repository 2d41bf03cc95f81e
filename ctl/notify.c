#include "notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/text.h"
#include "context.h"

#define EVERYTHING "*"

struct arguments {
    struct word_list events;
    int64_t delivery, limit, partition;
    bool all;
};

static const struct flag where_flags[] = {
    {"--partition", FLAG_NUMBER, offsetof(struct arguments, partition), 1, INT32_MAX, "N",
     "of the database that this partition is in, which has its own [home]"},
};

static const struct flag event_flags[] = {
    {"--event", FLAG_LIST, offsetof(struct arguments, events), 0, 0, "TYPE",
     "booking.confirmed, booking.*, payment.*, waitlist.offered, sale.*, …; again for each [all]"},
};
static const struct flag replay_flags[] = {
    {"--delivery", FLAG_NUMBER, offsetof(struct arguments, delivery), 1, INT64_MAX, "N",
     "this one, also if it was delivered [all that were given up]"},
};
static const struct flag log_flags[] = {
    {"--all", FLAG_SWITCH, offsetof(struct arguments, all), 0, 0, "",
     "also what was delivered [what was not]"},
    {"--limit", FLAG_NUMBER, offsetof(struct arguments, limit), 1, 100, "N",
     "at most so many [100]"},
};

/* Which database is meant. */
static void put_where(const struct arguments *a, char path[ASK_PATH_BYTES_MAX])
{
    size_t len = strlen(path);

    if (a->partition > 0)
        snprintf(path + len, ASK_PATH_BYTES_MAX - len, "%cpartition=%" PRId64,
                 strchr(path, '?') != NULL ? '&' : '?', a->partition);
}

/* A path that is of no subscription. */
static void write_plain(const struct arguments *a, const char *plain, char path[ASK_PATH_BYTES_MAX])
{
    snprintf(path, ASK_PATH_BYTES_MAX, "%s", plain);
    put_where(a, path);
}

/* A subscription's path; what follows stands behind its number. */
static void write_path(const struct command *command, const struct arguments *a, const char *number,
                       const char *more, char path[ASK_PATH_BYTES_MAX])
{
    uint64_t n;

    if (!text_u64(span_of(number), INT64_MAX, &n))
        arguments_wrong(command, "'%s' is no number of a subscription; see usherctl webhook list",
                        number);
    snprintf(path, ASK_PATH_BYTES_MAX, "/v1/admin/webhooks/%" PRIu64 "%s", n, more);
    put_where(a, path);
}

/* A body with the events that are wanted, and perhaps a URL. Owned by the caller. */
static char *subscription(const struct command *command, const struct word_list *events,
                          const char *url)
{
    static const char *const all[] = {EVERYTHING};
    char *list = events->count > 0 ? json_list_of(events->word, events->count)
                                   : json_list_of(all, COUNT(all));
    const struct json_member members[] = {{"events", list, JSON_TREE}, {"url", url, JSON_TEXT}};
    char *body = ask_body(command, members, COUNT(members));

    free(list);
    return body;
}

/* The gateway tells it for an hour after it was made. */
static int print_secret(struct context *context, const struct command *command,
                        const struct arguments *a, const char *number)
{
    char path[ASK_PATH_BYTES_MAX];
    struct buf answer;

    write_path(command, a, number, "/secret", path);
    if (!ask_gateway(context, "GET", path, NULL, &answer))
        return EXIT_FAILED;
    printf("secret ");
    json_print_member(stdout, buf_span(&answer), "secret");
    buf_free(&answer);
    return EXIT_SUCCESS;
}

static int add_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct arguments a = {0};
    struct buf answer;
    const char *url;
    char number[24], path[ASK_PATH_BYTES_MAX];

    arguments_read(command, argc, argv, &a, &url);
    write_plain(&a, "/v1/admin/webhooks", path);
    char *body = subscription(command, &a.events, url);
    bool added = ask_gateway(context, "POST", path, body, &answer);
    free(body);
    if (!added)
        return EXIT_FAILED;
    int64_t n = json_read_result(buf_span(&answer), "webhook");
    buf_free(&answer);
    snprintf(number, sizeof(number), "%" PRId64, n);
    printf("subscription %s\n", number);
    return print_secret(context, command, &a, number);
}

static int list_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct arguments a = {0};
    char path[ASK_PATH_BYTES_MAX];

    arguments_read(command, argc, argv, &a, NULL);
    write_plain(&a, "/v1/admin/webhooks", path);
    return ask_for_list(context, path, "webhooks");
}

static int remove_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct arguments a = {0};
    char path[ASK_PATH_BYTES_MAX];
    const char *number;

    arguments_read(command, argc, argv, &a, &number);
    write_path(command, &a, number, "", path);
    return ask_to_change(context, "DELETE", path, "{}", "removed");
}

static int rotate_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct arguments a = {0};
    char path[ASK_PATH_BYTES_MAX];
    const char *number;

    arguments_read(command, argc, argv, &a, &number);
    write_path(command, &a, number, "/rotate", path);
    int code = ask_to_change(context, "POST", path, "{}", "rotated");
    return code == EXIT_SUCCESS ? print_secret(context, command, &a, number) : code;
}

static int replay_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct arguments a = {0};
    char path[ASK_PATH_BYTES_MAX], delivery[24];
    const char *number;

    arguments_read(command, argc, argv, &a, &number);
    write_path(command, &a, number, "/replay", path);
    snprintf(delivery, sizeof(delivery), "%" PRId64, a.delivery);
    const struct json_member members[] = {{"delivery", a.delivery > 0 ? delivery : NULL, JSON_ANY}};
    char *body = ask_body(command, members, COUNT(members));
    int code = ask_to_change(context, "POST", path, body, "to be delivered again");
    free(body);
    return code;
}

static int log_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct arguments a = {.limit = 100};
    char path[ASK_PATH_BYTES_MAX], more[64];
    const char *number;

    arguments_read(command, argc, argv, &a, &number);
    snprintf(more, sizeof(more), "/deliveries?limit=%" PRId64 "%s", a.limit,
             a.all ? "" : "&state=undelivered");
    write_path(command, &a, number, more, path);
    return ask_for_list(context, path, "deliveries");
}

static int mail_on_run(struct context *context, const struct command *command, int argc,
                       char **argv)
{
    struct arguments a = {0};
    char path[ASK_PATH_BYTES_MAX];

    arguments_read(command, argc, argv, &a, NULL);
    write_plain(&a, "/v1/admin/mail", path);
    char *body = subscription(command, &a.events, NULL);
    int code = ask_to_change(context, "POST", path, body, "mail");
    free(body);
    return code;
}

static int mail_off_run(struct context *context, const struct command *command, int argc,
                        char **argv)
{
    struct arguments a = {0};
    char path[ASK_PATH_BYTES_MAX];

    arguments_read(command, argc, argv, &a, NULL);
    write_plain(&a, "/v1/admin/mail", path);
    return ask_to_change(context, "DELETE", path, "{}", "mail");
}

/* With flags of its own, and which database is meant. */
#define OF_DATABASE(words, argument, text, function, rows)                                         \
    {                                                                                              \
        .name = words, .positional = argument, .summary = text, .run = function, .flags = {        \
            {rows, COUNT(rows)},                                                                   \
            {where_flags, COUNT(where_flags)}                                                      \
        }                                                                                          \
    }

const struct command webhook_add_command =
    OF_DATABASE("webhook add", "URL",
                "Tell a URL of what happens, by webhooks (Standard Webhooks 1.0). Prints the\n"
                "subscription's number and its secret, which is told for an hour.",
                add_run, event_flags);
const struct command webhook_list_command = {
    .name = "webhook list",
    .positional = "",
    .summary = "Who is told of what, and how much waits or was given up; one a line.",
    .run = list_run,
    .flags = {{where_flags, COUNT(where_flags)}},
};
const struct command webhook_remove_command = {
    .name = "webhook remove",
    .positional = "NUMBER",
    .summary = "Tell it no more, and forget what was not delivered.",
    .run = remove_run,
    .flags = {{where_flags, COUNT(where_flags)}},
};
const struct command webhook_rotate_command = {
    .name = "webhook rotate",
    .positional = "NUMBER",
    .summary = "Give it another secret. The one before signs beside it until the next change.",
    .run = rotate_run,
    .flags = {{where_flags, COUNT(where_flags)}},
};
const struct command webhook_replay_command =
    OF_DATABASE("webhook replay", "NUMBER",
                "Deliver again what was given up. A subscription that 410 had ended goes on.",
                replay_run, replay_flags);
const struct command webhook_log_command = OF_DATABASE(
    "webhook log", "NUMBER", "The last deliveries and what became of each attempt; one a line.",
    log_run, log_flags);
const struct command mail_on_command = OF_DATABASE(
    "mail on", "", "Write to users whose name is a mail address; couriers with smtp_url send it.",
    mail_on_run, event_flags);
const struct command mail_off_command = {
    .name = "mail off",
    .positional = "",
    .summary = "Write to nobody any more.",
    .run = mail_off_run,
    .flags = {{where_flags, COUNT(where_flags)}},
};
