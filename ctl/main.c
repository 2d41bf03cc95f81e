/*
 * usherctl: what an operator does by hand. Global options, a subcommand, its own arguments; a
 * subcommand is a row.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "advise.h"
#include "analytics.h"
#include "arguments.h"
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

static const struct command *const commands[] = {
    &migrate_command,
    &show_create_command,
    &show_list_command,
    &show_open_command,
    &show_close_command,
    &series_create_command,
    &partition_add_command,
    &status_command,
    &advise_command,
    &show_pause_command,
    &show_change_command,
    &show_price_command,
    &show_move_command,
    &inventory_add_command,
    &inventory_remove_command,
    &inventory_block_command,
    &inventory_unblock_command,
    &booking_list_command,
    &booking_cancel_command,
    &partition_drain_command,
    &audit_command,
    &analytics_command,
    &admin_token_command,
    &verify_command,
    &room_set_command,
    &room_show_command,
    &draw_verify_command,
    &webhook_add_command,
    &webhook_list_command,
    &webhook_remove_command,
    &webhook_rotate_command,
    &webhook_replay_command,
    &webhook_log_command,
    &mail_on_command,
    &mail_off_command,
    &tier_add_command,
    &tier_rename_command,
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

static const struct program program = {
    .name = "usherctl",
    .section = "ctl",
    .summary =
        "Migrates, describes shows, shows how the system is, and verifies it. Commands:\n"
        "migrate, show create|list|open|pause|close|change|price|move, series create,\n"
        "tier add|rename, inventory add|remove|block|unblock, booking list|cancel, "
        "partition add|drain,\n"
        "room set|show, draw verify, status, advise, verify, audit, analytics, admin-token,\n"
        "webhook add|list|remove|rotate|replay|log, mail on|off;\n"
        "usherctl COMMAND --help tells about each.",
    .usage = "COMMAND [ARGUMENT …]",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .check = context_check,
};

static const struct command *command_find(int argc, char **argv, int *words);
_Noreturn static void command_unknown(int argc, char **argv);

int main(int argc, char **argv)
{
    struct context context = {0};
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
    if (fflush(stdout) != 0)
        return context_fail("standard output cannot be written");
    return code;
}

/* A command's name is one word or two; *words says how many. */
static const struct command *command_find(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
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
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(stderr, "%s %s", i > 0 ? "," : "", commands[i]->name);
    fprintf(stderr, "\n");
    exit(EXIT_USAGE);
}
