#include "admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/digest.h"
#include "base/random.h"
#include "base/text.h"
#include "context.h"
#include "web_json.h"

#define TOKEN_DIGITS 64 /* 32 random bytes */

struct admin_arguments {
    struct word_list set, seats;
    const char *tier, *code, *steps, *reason, *status, *user, *show;
    int64_t price, quantity, to, limit;
};
#define AT(field) offsetof(struct admin_arguments, field)

/* show open, pause, close. */
static int state_run(struct context *context, const struct command *command, int argc, char **argv)
{
    char path[ASK_PATH_BYTES_MAX];
    const char *show;

    arguments_read(command, argc, argv, NULL, &show);
    snprintf(path, sizeof(path), "/v1/admin/shows/%.64s/%s", ask_word(command, show),
             ask_second_word(command));
    return ask_to_change(context, "POST", path, "{}", show);
}

static int change_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct admin_arguments a = {.price = -1};
    struct json_member members[LIST_WORDS_MAX];
    char path[ASK_PATH_BYTES_MAX], names[LIST_WORDS_MAX][64];
    const char *show;

    arguments_read(command, argc, argv, &a, &show);
    if (a.set.count == 0)
        arguments_wrong(command, "nothing is to be set: give --set");
    for (size_t i = 0; i < a.set.count; i++) {
        const char *word = a.set.word[i];
        size_t n = strcspn(word, "=");
        if (n == 0 || n >= sizeof(names[i]) || word[n] == '\0')
            arguments_wrong(command, "'%s' is not NAME=VALUE", word);
        snprintf(names[i], sizeof(names[i]), "%.*s", (int)n, word);
        members[i] = (struct json_member){names[i], word + n + 1, JSON_ANY};
    }
    char *body = ask_body(command, members, a.set.count);
    snprintf(path, sizeof(path), "/v1/admin/shows/%.64s", ask_word(command, show));
    int code = ask_to_change(context, "PATCH", path, body, show);
    free(body);
    return code;
}

static int price_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct admin_arguments a = {.price = -1};
    char path[ASK_PATH_BYTES_MAX], price[24];
    const char *show;

    arguments_read(command, argc, argv, &a, &show);
    if (a.tier == NULL || (a.price < 0 && a.steps == NULL))
        arguments_wrong(command, "give --tier, and --price or --steps or both");
    snprintf(price, sizeof(price), "%lld", (long long)a.price);
    const struct json_member members[] = {{"tier", a.tier, JSON_TEXT},
                                          {"price", a.price >= 0 ? price : NULL, JSON_ANY},
                                          {"steps", a.steps, JSON_TREE}};
    char *body = ask_body(command, members, COUNT(members));
    snprintf(path, sizeof(path), "/v1/admin/shows/%.64s/prices", ask_word(command, show));
    int code = ask_to_change(context, "POST", path, body, show);
    free(body);
    return code;
}

static int tier_add_run(struct context *context, const struct command *command, int argc,
                        char **argv)
{
    struct admin_arguments a = {.price = -1, .quantity = -1};
    char path[ASK_PATH_BYTES_MAX], price[24], capacity[24];
    const char *show;

    arguments_read(command, argc, argv, &a, &show);
    if (a.code == NULL || a.price < 0 || a.quantity < 0)
        arguments_wrong(command, "give --code, --price and --capacity");
    snprintf(price, sizeof(price), "%lld", (long long)a.price);
    snprintf(capacity, sizeof(capacity), "%lld", (long long)a.quantity);
    const struct json_member members[] = {{"code", a.code, JSON_TEXT},
                                          {"price", price, JSON_ANY},
                                          {"capacity", capacity, JSON_ANY},
                                          {"steps", a.steps, JSON_TREE}};
    char *body = ask_body(command, members, COUNT(members));
    snprintf(path, sizeof(path), "/v1/admin/shows/%.64s/tiers", ask_word(command, show));
    int code = ask_to_change(context, "POST", path, body, show);
    free(body);
    return code;
}

static int tier_rename_run(struct context *context, const struct command *command, int argc,
                           char **argv)
{
    struct admin_arguments a = {.tier = NULL};
    char path[ASK_PATH_BYTES_MAX], tier[3 * TIER_BYTES_MAX + 1];
    const char *show;

    arguments_read(command, argc, argv, &a, &show);
    if (a.tier == NULL || a.code == NULL)
        arguments_wrong(command, "give --tier, and --code for its new name");
    if (!ask_quote(a.tier, tier, sizeof(tier)))
        arguments_wrong(command, "the tier's code is too long");
    const struct json_member members[] = {{"code", a.code, JSON_TEXT}};
    char *body = ask_body(command, members, COUNT(members));
    snprintf(path, sizeof(path), "/v1/admin/shows/%.64s/tiers/%s", ask_word(command, show), tier);
    int code = ask_to_change(context, "PATCH", path, body, show);
    free(body);
    return code;
}

static int move_show(struct context *context, const char *show, int64_t to)
{
    char path[ASK_PATH_BYTES_MAX], body[48];

    snprintf(path, sizeof(path), "/v1/admin/shows/%.64s/move", show);
    snprintf(body, sizeof(body), "{\"to\":%lld}", (long long)to);
    return ask_to_change(context, "POST", path, body, show);
}

static int move_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct admin_arguments a = {.to = 0};
    const char *show;

    arguments_read(command, argc, argv, &a, &show);
    if (a.to == 0)
        arguments_wrong(command, "--to says which partition");
    return move_show(context, ask_word(command, show), a.to);
}

/* One page of all shows; those of the partition move. `cursor` is the next page's, or empty. */
static int drain_page(struct context *context, int64_t from, int64_t to, char cursor[24],
                      size_t *moved)
{
    struct json_show shows[JSON_SHOWS_MAX];
    char path[ASK_PATH_BYTES_MAX];
    struct buf answer;
    size_t count;

    snprintf(path, sizeof(path), "/v1/admin/shows?limit=%d%s%s", JSON_SHOWS_MAX,
             cursor[0] != '\0' ? "&cursor=" : "", cursor);
    if (!ask_gateway(context, "GET", path, NULL, &answer))
        return EXIT_FAILED;
    bool read = json_read_page(buf_span(&answer), shows, &count, cursor);
    buf_free(&answer);
    if (!read)
        return context_fail("the gateway's answer cannot be read");
    for (size_t i = 0; i < count; i++) {
        if (shows[i].partition != from)
            continue;
        int code = move_show(context, shows[i].slug, to);
        if (code)
            return code;
        (*moved)++;
    }
    return EXIT_SUCCESS;
}

static int drain_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct admin_arguments a = {.to = 0};
    const char *word;
    uint64_t from;
    char cursor[24] = "";
    size_t moved = 0;

    arguments_read(command, argc, argv, &a, &word);
    if (!text_u64(span_of(word), INT32_MAX, &from) || a.to == 0 || a.to == (int64_t)from)
        arguments_wrong(command, "give a partition, and --to another one");
    do {
        int code = drain_page(context, (int64_t)from, a.to, cursor, &moved);
        if (code)
            return code;
    } while (cursor[0] != '\0');
    printf("partition %s: %zu shows moved to %lld\n", word, moved, (long long)a.to);
    return EXIT_SUCCESS;
}

static int inventory_run(struct context *context, const struct command *command, int argc,
                         char **argv)
{
    struct admin_arguments a = {.quantity = 0};
    char path[ASK_PATH_BYTES_MAX], quantity[24];
    const char *show;
    char *seats = NULL;

    arguments_read(command, argc, argv, &a, &show);
    if ((a.seats.count > 0) == (a.tier != NULL) || (a.tier != NULL && a.quantity == 0))
        arguments_wrong(command, "give --tier and --quantity, or --seat for each seat");
    snprintf(quantity, sizeof(quantity), "%lld", (long long)a.quantity);
    if (a.seats.count > 0)
        seats = json_list_of(a.seats.word, a.seats.count);
    const struct json_member members[] = {{"tier", a.tier, JSON_TEXT},
                                          {"quantity", a.tier != NULL ? quantity : NULL, JSON_ANY},
                                          {"seats", seats, JSON_TREE}};
    char *body = ask_body(command, members, COUNT(members));
    free(seats);
    snprintf(path, sizeof(path), "/v1/admin/shows/%.64s/inventory/%s", ask_word(command, show),
             ask_second_word(command));
    int code = ask_to_change(context, "POST", path, body, show);
    free(body);
    return code;
}

static int cancel_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct admin_arguments a = {.reason = NULL};
    char path[ASK_PATH_BYTES_MAX];
    const char *booking;
    struct buf answer;

    arguments_read(command, argc, argv, &a, &booking);
    const struct json_member members[] = {{"reason", a.reason, JSON_TEXT}};
    char *body = ask_body(command, members, 1);
    snprintf(path, sizeof(path), "/v1/admin/bookings/%.64s/cancel", ask_word(command, booking));
    bool done = ask_gateway(context, "POST", path, body, &answer);
    free(body);
    if (!done)
        return EXIT_FAILED;
    printf("%s: ", booking);
    json_print_member(stdout, buf_span(&answer), "status");
    buf_free(&answer);
    return EXIT_SUCCESS;
}

static int bookings_run(struct context *context, const struct command *command, int argc,
                        char **argv)
{
    struct admin_arguments a = {.limit = 100};
    char path[ASK_PATH_BYTES_MAX];
    const char *show;

    arguments_read(command, argc, argv, &a, &show);
    snprintf(path, sizeof(path), "/v1/admin/shows/%.64s/bookings?limit=%lld%s%s",
             ask_word(command, show), (long long)a.limit, a.status != NULL ? "&status=" : "",
             a.status != NULL ? ask_word(command, a.status) : "");
    return ask_for_list(context, path, "bookings");
}

static int audit_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct admin_arguments a = {.limit = 20};
    char path[ASK_PATH_BYTES_MAX];

    arguments_read(command, argc, argv, &a, NULL);
    snprintf(path, sizeof(path), "/v1/admin/audit?limit=%lld%s%s", (long long)a.limit,
             a.show != NULL ? "&show=" : "", a.show != NULL ? ask_word(command, a.show) : "");
    return ask_for_list(context, path, "audit");
}

/* The token is shown once and kept nowhere; the gateway needs its hash alone. */
static int token_run(struct context *context, const struct command *command, int argc, char **argv)
{
    unsigned char hash[DIGEST_BYTES];
    char token[TOKEN_DIGITS + 1];
    struct span text = {token, TOKEN_DIGITS};
    const char *name;

    (void)context;
    arguments_read(command, argc, argv, NULL, &name);
    if (!text_is_user(span_of(name)) || name[strcspn(name, ":, ")] != '\0')
        arguments_wrong(command, "a name has no spaces, colons and commas");
    random_hex(token, TOKEN_DIGITS);
    digest_sha256(&text, 1, hash);
    printf("token: %s\nadmin_token_hashes = %s:", token, name);
    for (size_t i = 0; i < sizeof(hash); i++)
        printf("%02x", hash[i]);
    printf("\n");
    return EXIT_SUCCESS;
}

static const struct flag set_flags[] = {
    {"--set", FLAG_LIST, AT(set), 0, 0, "NAME=VALUE",
     "what is to be so from now on, like max_per_user=4, name=\"Late show\", sales_close_at=null"},
};
static const struct flag price_flags[] = {
    {"--tier", FLAG_TEXT, AT(tier), 0, 0, "CODE", "of this tier"},
    {"--price", FLAG_NUMBER, AT(price), 0, PRICE_MAX, "N", "minor units"},
    {"--steps", FLAG_TEXT, AT(steps), 0, 0, "JSON",
     "instead of those that it has, like [{\"sold_permille\":500,\"price\":1200}]"},
};
static const struct flag tier_add_flags[] = {
    {"--code", FLAG_TEXT, AT(code), 0, 0, "CODE", "what it is called"},
    {"--price", FLAG_NUMBER, AT(price), 0, PRICE_MAX, "N", "minor units"},
    {"--capacity", FLAG_NUMBER, AT(quantity), 0, CAPACITY_MAX, "N", "so many places"},
    {"--steps", FLAG_TEXT, AT(steps), 0, 0, "JSON", "of its price, like those of show price"},
};
static const struct flag tier_rename_flags[] = {
    {"--tier", FLAG_TEXT, AT(tier), 0, 0, "CODE", "this tier"},
    {"--code", FLAG_TEXT, AT(code), 0, 0, "CODE", "what it is called from now on"},
};
static const struct flag move_flags[] = {
    {"--to", FLAG_NUMBER, AT(to), 1, INT32_MAX, "N", "the partition; an allocator must have it"},
};
static const struct flag inventory_flags[] = {
    {"--tier", FLAG_TEXT, AT(tier), 0, 0, "CODE", "of this tier"},
    {"--quantity", FLAG_NUMBER, AT(quantity), 1, CAPACITY_MAX, "N", "so many places"},
    {"--seat", FLAG_LIST, AT(seats), 0, 0, "ID", "this seat (block, unblock); again for each"},
};
static const struct flag cancel_flags[] = {
    {"--reason", FLAG_TEXT, AT(reason), 0, 0, "TEXT", "for the audit"},
};
static const struct flag bookings_flags[] = {
    {"--status", FLAG_TEXT, AT(status), 0, 0, "STATUS", "only these, like CONFIRMED"},
    {"--limit", FLAG_NUMBER, AT(limit), 1, 100, "N", "at most so many [100]"},
};
static const struct flag audit_flags[] = {
    {"--show", FLAG_TEXT, AT(show), 0, 0, "SHOW", "of this show alone: slug or number"},
    {"--limit", FLAG_NUMBER, AT(limit), 1, 100, "N", "at most so many [20]"},
};

const struct command show_open_command = {
    .name = "show open", .positional = "SHOW", .summary = "Open a sale.", .run = state_run};
const struct command show_pause_command = {
    .name = "show pause",
    .positional = "SHOW",
    .summary = "Pause a sale: no new bookings; what is held can be confirmed and paid.",
    .run = state_run};
const struct command show_close_command = {
    .name = "show close", .positional = "SHOW", .summary = "Close a sale.", .run = state_run};
const struct command show_change_command = COMMAND(
    "show change", "SHOW", "Change a show's rules, times and names.", change_run, set_flags);
const struct command show_price_command = COMMAND(
    "show price", "SHOW", "Set a tier's price, its steps, or both.", price_run, price_flags);
const struct command tier_add_command = COMMAND(
    "tier add", "SHOW", "Give a show another tier, while it sells.", tier_add_run, tier_add_flags);
const struct command tier_rename_command =
    COMMAND("tier rename", "SHOW", "Give a tier another code.", tier_rename_run, tier_rename_flags);
const struct command show_move_command =
    COMMAND("show move", "SHOW",
            "Move a show to another partition, while it sells; its waiting room goes along.",
            move_run, move_flags);
const struct command inventory_add_command =
    COMMAND("inventory add", "SHOW", "Add places to a tier.", inventory_run, inventory_flags);
const struct command inventory_remove_command = COMMAND(
    "inventory remove", "SHOW", "Take free places away; never what is sold, held or blocked.",
    inventory_run, inventory_flags);
const struct command inventory_block_command =
    COMMAND("inventory block", "SHOW", "Block free places, or seats by their ids.", inventory_run,
            inventory_flags);
const struct command inventory_unblock_command =
    COMMAND("inventory unblock", "SHOW", "Unblock places, or seats by their ids.", inventory_run,
            inventory_flags);
const struct command booking_list_command =
    COMMAND("booking list", "SHOW", "List the bookings of a show, one a line.", bookings_run,
            bookings_flags);
const struct command booking_cancel_command =
    COMMAND("booking cancel", "ID", "Cancel a booking, whoever has it; what was paid goes back.",
            cancel_run, cancel_flags);
const struct command partition_drain_command = COMMAND(
    "partition drain", "N", "Move all shows of a partition to another one.", drain_run, move_flags);
const struct command audit_command = COMMAND(
    "audit", "", "What operators did, the latest first, one a line.", audit_run, audit_flags);
const struct command admin_token_command = {
    .name = "admin-token",
    .positional = "NAME",
    .summary = "Make an administrator's token, and the hash that the gateway is configured with.",
    .run = token_run};
