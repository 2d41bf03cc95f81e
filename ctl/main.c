/*
 * usherctl: what an operator does by hand. Global options, a subcommand, its own arguments; a
 * subcommand is a row.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "advise.h"
#include "analytics.h"
#include "arguments.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/log.h"
#include "base/secrecy.h"
#include "context.h"
#include "migrate.h"
#include "notify.h"
#include "partition.h"
#include "room.h"
#include "series.h"
#include "show.h"
#include "status.h"
#include "verify.h"

#define SUMMARY_BYTES_MAX 2048

/* In the order of --help and the manual page; those of one first word stand together. */
static const struct command *const commands[] = {
    /* The tables, and what is sold. */
    &migrate_command,
    &show_create_command,
    &show_list_command,
    &show_change_command,
    &show_open_command,
    &show_pause_command,
    &show_close_command,
    &show_price_command,
    &show_move_command,
    &tier_add_command,
    &tier_rename_command,
    &series_create_command,
    &inventory_add_command,
    &inventory_remove_command,
    &inventory_block_command,
    &inventory_unblock_command,
    /* Who buys. */
    &booking_list_command,
    &booking_cancel_command,
    &room_set_command,
    &room_show_command,
    &draw_verify_command,
    /* How it runs. */
    &partition_add_command,
    &partition_drain_command,
    &status_command,
    &advise_command,
    &verify_command,
    /* What was, and who is told. */
    &analytics_command,
    &audit_command,
    &webhook_add_command,
    &webhook_list_command,
    &webhook_remove_command,
    &webhook_rotate_command,
    &webhook_replay_command,
    &webhook_log_command,
    &mail_on_command,
    &mail_off_command,
    &admin_token_command,
};

static const struct option_row options[] = {
    {"redis", OPTION_SECRET, offsetof(struct options, redis), "redis://127.0.0.1:6379", 0, 0,
     REDIS_URL_HELP},
    {"postgres", OPTION_SECRET, offsetof(struct options, postgres), "postgresql:///usher", 0, 0,
     "Postgres: a libpq URL, several hosts and target_session_attrs included"},
    {"admin_url", OPTION_TEXT, offsetof(struct options, admin_url), "http://127.0.0.1:8080", 0, 0,
     "the gateway's administrators' routes: its address, or that of admin_listen"},
    {"admin_token", OPTION_SECRET, offsetof(struct options, admin_token), "", 0, 0,
     "an administrator's token, which the gateway knows the hash of"},
    {"core_dumps", OPTION_FLAG, offsetof(struct options, core_dumps), "no", 0, 0, CORE_DUMPS_HELP},
    {"log_format", OPTION_TEXT, offsetof(struct options, log_format), "logfmt", 0, 0,
     LOG_FORMAT_HELP},
    {"timeout_ms", OPTION_NUMBER, offsetof(struct options, timeout_ms), "60000", 100, 2000000,
     "longest wait for one answer of either (ms)"},
};

static struct program program = {
    .name = "usherctl",
    .section = "ctl",
    .summary = NULL, /* summary_write */
    .usage = "COMMAND [ARGUMENT …]",
    .options = options,
    .option_count = COUNT(options),
    .check = context_check,
};

static const char *summary_write(struct buf *text);
static const struct command *command_find(int argc, char **argv, int *words);
_Noreturn static void command_unknown(int argc, char **argv);

int main(int argc, char **argv)
{
    struct context context = {0};
    struct buf summary;
    buf_init(&summary, SUMMARY_BYTES_MAX);
    program.summary = summary_write(&summary);
    assert(program.summary != NULL);
    int words, first = config_load(&program, argc, argv, &context.options);
    secrecy_keep(!context.options.core_dumps);
    const struct command *command = command_find(argc - first, argv + first, &words);
    if (command == NULL)
        command_unknown(argc - first, argv + first);
    enum log_format format = LOG_LOGFMT;
    log_format_from(context.options.log_format, &format);
    log_open("usherctl", LOG_WARN, format);
    int code = command->run(&context, command, argc - first - words, argv + first + words);
    context_close(&context);
    config_free(&program, &context.options);
    buf_free(&summary);
    if (fflush(stdout) != 0)
        return context_fail("standard output cannot be written");
    return code;
}

/* What --help says of the commands: a line for each first word, like "show create|list". */
static const char *summary_write(struct buf *text)
{
    const char *before = "";

    buf_puts(text, "What an operator does by hand. Commands:\n");
    for (size_t i = 0; i < COUNT(commands); i++) {
        const char *name = commands[i]->name;
        size_t first = strcspn(name, " ");
        if (name[first] == ' ' && strncmp(before, name, first + 1) == 0)
            buf_putf(text, "|%s", name + first + 1);
        else
            buf_putf(text, "%s  %s", i > 0 ? "\n" : "", name);
        before = name;
    }
    buf_puts(text, "\nusherctl COMMAND --help tells about each.");
    return buf_text(text);
}

/* A command's name is one word or two; *words says how many. */
static const struct command *command_find(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < COUNT(commands); i++) {
        const char *name = commands[i]->name, *space = strchr(name, ' ');
        size_t n = space != NULL ? (size_t)(space - name) : strlen(name);
        *words = space != NULL ? 2 : 1;
        if (argc >= *words && strlen(argv[0]) == n && strncmp(argv[0], name, n) == 0 &&
            (space == NULL || strcmp(argv[1], space + 1) == 0))
            return commands[i];
    }
    return NULL;
}

static void command_unknown(int argc, char **argv)
{
    fprintf(stderr, "usherctl: ");
    if (argc > 0)
        fprintf(stderr, "there is no command '%s%s%s'; ", argv[0], argc > 1 ? " " : "",
                argc > 1 ? argv[1] : "");
    fprintf(stderr, "give one of:");
    for (size_t i = 0; i < COUNT(commands); i++)
        fprintf(stderr, "%s %s", i > 0 ? "," : "", commands[i]->name);
    fprintf(stderr, "\n");
    exit(EXIT_USAGE);
}
