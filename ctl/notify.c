#include "notify.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/random.h"
#include "base/text.h"
#include "context.h"

#define SECRET_BYTES 24
#define SECRET_TEXT_BYTES 64
#define EVENTS_BYTES_MAX 4096
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct arguments {
    struct word_list events;
    int64_t delivery;
    bool all;
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
};

static int add_run(struct context *context, const struct command *command, int argc, char **argv);
static int list_run(struct context *context, const struct command *command, int argc, char **argv);
static int remove_run(struct context *context, const struct command *command, int argc,
                      char **argv);
static int rotate_run(struct context *context, const struct command *command, int argc,
                      char **argv);
static int replay_run(struct context *context, const struct command *command, int argc,
                      char **argv);
static int log_run(struct context *context, const struct command *command, int argc, char **argv);
static int mail_on_run(struct context *context, const struct command *command, int argc,
                       char **argv);
static int mail_off_run(struct context *context, const struct command *command, int argc,
                        char **argv);

const struct command webhook_add_command = {
    .name = "webhook add",
    .positional = "URL",
    .summary = "Tell a URL of what happens, by webhooks (Standard Webhooks 1.0). Prints the\n"
               "subscription's number and its secret, which is told this once.",
    .run = add_run,
    .flags = {{event_flags, COUNT(event_flags)}},
};
const struct command webhook_list_command = {
    .name = "webhook list",
    .positional = "",
    .summary = "Who is told of what, and how much waits or was given up.",
    .run = list_run,
};
const struct command webhook_remove_command = {
    .name = "webhook remove",
    .positional = "NUMBER",
    .summary = "Tell it no more, and forget what was not delivered.",
    .run = remove_run,
};
const struct command webhook_rotate_command = {
    .name = "webhook rotate",
    .positional = "NUMBER",
    .summary = "Give it another secret. The one before signs beside it until the next change.",
    .run = rotate_run,
};
const struct command webhook_replay_command = {
    .name = "webhook replay",
    .positional = "NUMBER",
    .summary = "Deliver again what was given up. A subscription that 410 had ended goes on.",
    .run = replay_run,
    .flags = {{replay_flags, COUNT(replay_flags)}},
};
const struct command webhook_log_command = {
    .name = "webhook log",
    .positional = "NUMBER",
    .summary = "The last deliveries and what became of each attempt.",
    .run = log_run,
    .flags = {{log_flags, COUNT(log_flags)}},
};
const struct command mail_on_command = {
    .name = "mail on",
    .positional = "",
    .summary = "Write to users whose name is a mail address; couriers with smtp_url send it.",
    .run = mail_on_run,
    .flags = {{event_flags, COUNT(event_flags)}},
};
const struct command mail_off_command = {
    .name = "mail off",
    .positional = "",
    .summary = "Write to nobody any more.",
    .run = mail_off_run,
};

static struct postgres_parameter word(const char *text)
{
    return (struct postgres_parameter){text, text != NULL ? strlen(text) : 0, false};
}

/* Who it was, for the audit. */
static const char *actor(void)
{
    const char *user = getenv("SUDO_USER");

    user = user != NULL ? user : getenv("USER");
    return user != NULL && user[0] != '\0' ? user : "usherctl";
}

static void make_secret(char secret[SECRET_TEXT_BYTES])
{
    unsigned char bytes[SECRET_BYTES];
    struct buf text;

    for (size_t i = 0; i < SECRET_BYTES; i += sizeof(uint64_t)) {
        uint64_t random = random_u64();
        memcpy(bytes + i, &random, sizeof(random));
    }
    buf_init(&text, SECRET_TEXT_BYTES);
    buf_puts(&text, "whsec_");
    base64_write(&text, (struct span){(const char *)bytes, sizeof(bytes)});
    snprintf(secret, SECRET_TEXT_BYTES, "%s", buf_text(&text));
    buf_free(&text);
}

/* {"booking.*","sale.opened"}; the types have no character that would have to be quoted. */
static void write_events(const struct command *command, const struct word_list *events,
                         char text[EVENTS_BYTES_MAX])
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz_.*";
    struct buf b;

    buf_init(&b, EVENTS_BYTES_MAX);
    buf_putc(&b, '{');
    for (size_t i = 0; i < events->count; i++) {
        const char *event = events->word[i];
        if (event[0] == '\0' || event[strspn(event, allowed)] != '\0')
            arguments_wrong(command, "--event must be a type like booking.confirmed or sale.*");
        buf_putf(&b, "%s%s", i > 0 ? "," : "", event);
    }
    buf_puts(&b, events->count > 0 ? "}" : "*}");
    if (b.failed)
        arguments_wrong(command, "too many --event");
    snprintf(text, EVENTS_BYTES_MAX, "%s", buf_text(&b));
    buf_free(&b);
}

static const char *number_of(const struct command *command, const char *text)
{
    uint64_t number;

    if (!text_u64(span_of(text), INT64_MAX, &number))
        arguments_wrong(command, "'%s' is no number of a subscription; see usherctl webhook list",
                        text);
    return text;
}

static int ask(struct context *context, const char *doing, const char *sql, size_t count,
               const struct postgres_parameter *row, struct postgres_result **result)
{
    struct postgres *postgres = context_postgres(context);

    if (postgres == NULL)
        return EXIT_FAILED;
    if (postgres_query(postgres, sql, count, row, false, result))
        return context_fail_postgres(context, doing);
    return EXIT_SUCCESS;
}

static int subscribe(struct context *context, const char *kind, const char *url, const char *events,
                     const char *secret)
{
    const struct postgres_parameter row[] = {word(kind), word(url), word(events), word(secret),
                                             word(actor())};
    struct postgres_result *result;
    int code = ask(context, "subscribing", "SELECT subscribe($1, $2, $3::text[], $4, $5)", 5, row,
                   &result);

    if (code != EXIT_SUCCESS)
        return code;
    struct span number = postgres_cell(result, 0, 0);
    printf("subscription %.*s\n", (int)number.len, number.bytes);
    postgres_result_free(result);
    return EXIT_SUCCESS;
}

static int add_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct arguments a = {0};
    char secret[SECRET_TEXT_BYTES], events[EVENTS_BYTES_MAX];
    const char *url;

    arguments_read(command, argc, argv, &a, &url);
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        arguments_wrong(command, "the URL must begin with https:// or http://");
    write_events(command, &a.events, events);
    make_secret(secret);
    int code = subscribe(context, "webhook", url, events, secret);
    if (code == EXIT_SUCCESS)
        printf("secret %s\n", secret);
    return code;
}

static int mail_on_run(struct context *context, const struct command *command, int argc,
                       char **argv)
{
    struct arguments a = {0};
    char events[EVENTS_BYTES_MAX];

    arguments_read(command, argc, argv, &a, NULL);
    write_events(command, &a.events, events);
    return subscribe(context, "mail", "", events, "");
}

/* A function that says whether there was such a subscription. */
static int change(struct context *context, const char *sql, size_t count,
                  const struct postgres_parameter *row)
{
    struct postgres_result *result;
    int code = ask(context, "changing a subscription", sql, count, row, &result);

    if (code != EXIT_SUCCESS)
        return code;
    bool was_there = span_is(postgres_cell(result, 0, 0), "t");
    postgres_result_free(result);
    return was_there ? EXIT_SUCCESS : context_fail("there is no such subscription");
}

static int remove_run(struct context *context, const struct command *command, int argc, char **argv)
{
    const char *number;

    arguments_read(command, argc, argv, NULL, &number);
    const struct postgres_parameter row[] = {word(number_of(command, number)), word(actor())};
    return change(context, "SELECT unsubscribe($1::bigint, $2)", 2, row);
}

static int mail_off_run(struct context *context, const struct command *command, int argc,
                        char **argv)
{
    arguments_read(command, argc, argv, NULL, NULL);
    const struct postgres_parameter row[] = {word(actor())};
    return change(context,
                  "SELECT coalesce((SELECT unsubscribe(id, $1) FROM subscriptions"
                  " WHERE kind = 'mail'), false)",
                  1, row);
}

static int rotate_run(struct context *context, const struct command *command, int argc, char **argv)
{
    char secret[SECRET_TEXT_BYTES];
    const char *number;

    arguments_read(command, argc, argv, NULL, &number);
    make_secret(secret);
    const struct postgres_parameter row[] = {word(number_of(command, number)), word(secret),
                                             word(actor())};
    int code = change(context, "SELECT rotate_secret($1::bigint, $2, $3)", 3, row);
    if (code == EXIT_SUCCESS)
        printf("secret %s\n", secret);
    return code;
}

static int replay_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct arguments a = {0};
    struct postgres_result *result;
    char delivery[24];
    const char *number;

    arguments_read(command, argc, argv, &a, &number);
    snprintf(delivery, sizeof(delivery), "%" PRId64, a.delivery);
    const struct postgres_parameter row[] = {word(number_of(command, number)),
                                             word(a.delivery > 0 ? delivery : NULL), word(actor())};
    int code =
        ask(context, "replaying", "SELECT replay($1::bigint, $2::bigint, $3)", 3, row, &result);
    if (code != EXIT_SUCCESS)
        return code;
    int64_t count = postgres_cell_i64(result, 0, 0);
    postgres_result_free(result);
    if (count < 0)
        return context_fail("there is no such subscription");
    printf("%" PRId64 " to be delivered again\n", count);
    return EXIT_SUCCESS;
}

static void print_rows(const struct postgres_result *result, size_t columns)
{
    for (size_t row = 0; row < postgres_rows(result); row++)
        for (size_t column = 0; column < columns; column++) {
            struct span text = postgres_cell(result, row, column);
            printf("%.*s%s", (int)text.len, text.bytes, column + 1 < columns ? "\t" : "\n");
        }
}

static int list_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct postgres_result *result;

    arguments_read(command, argc, argv, NULL, NULL);
    int code = ask(context, "listing subscriptions",
                   "SELECT s.id, s.kind, CASE WHEN s.disabled_at IS NULL THEN 'on'"
                   " ELSE 'off: ' || s.disabled_why END, array_to_string(s.events, ','), s.url,"
                   " (SELECT count(*) FROM deliveries d WHERE d.subscription = s.id"
                   " AND d.next_at IS NOT NULL) || ' waiting',"
                   " (SELECT count(*) FROM deliveries d WHERE d.subscription = s.id"
                   " AND d.next_at IS NULL AND d.delivered_at IS NULL) || ' given up'"
                   " FROM subscriptions s ORDER BY s.id",
                   0, NULL, &result);
    if (code != EXIT_SUCCESS)
        return code;
    print_rows(result, 7);
    postgres_result_free(result);
    return EXIT_SUCCESS;
}

static int log_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct arguments a = {0};
    struct postgres_result *result;
    const char *number;

    arguments_read(command, argc, argv, &a, &number);
    const struct postgres_parameter row[] = {word(number_of(command, number)),
                                             word(a.all ? "t" : "f")};
    int code = ask(context, "reading deliveries",
                   "SELECT d.id, d.event, d.type, CASE WHEN d.delivered_at IS NOT NULL THEN"
                   " 'delivered' WHEN d.next_at IS NULL THEN 'given up' ELSE 'waiting' END,"
                   " coalesce((SELECT string_agg(a.status || ' ' || a.took_ms || 'ms'"
                   " || CASE a.why WHEN '' THEN '' ELSE ' ' || a.why END, '; ' ORDER BY a.attempt)"
                   " FROM delivery_attempts a WHERE a.delivery = d.id), '')"
                   " FROM deliveries d WHERE d.subscription = $1::bigint"
                   " AND ($2::boolean OR d.delivered_at IS NULL) ORDER BY d.id DESC LIMIT 1000",
                   2, row, &result);
    if (code != EXIT_SUCCESS)
        return code;
    print_rows(result, 5);
    postgres_result_free(result);
    return EXIT_SUCCESS;
}
