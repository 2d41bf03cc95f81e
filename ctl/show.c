#include "show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "context.h"
#include "databases.h"
#include "json.h"
#include "seat_maps.h"
#include "show_place.h"
#include "show_store.h"

static int create_run(struct context *context, const struct command *command, int argc,
                      char **argv);
static int list_run(struct context *context, const struct command *command, int argc, char **argv);

/* show create: the fields of a show (show_spec.h), and these. */
struct create_arguments {
    struct show_spec spec; /* first: the offsets of show_fields are its own */
    struct word_list tiers;
    struct word_list steps;
    const char *file;
    bool if_absent;
};

#define CREATE_FLAGS 4
static const struct flag create_own_flags[CREATE_FLAGS] = {
    {"--tier", FLAG_LIST, offsetof(struct create_arguments, tiers), 0, 0, "TIER",
     "CODE:PRICE:CAPACITY, the price in minor units; again for each; no capacity if the map has"
     " its seats"},
    {"--price-step", FLAG_LIST, offsetof(struct create_arguments, steps), 0, 0, "STEP",
     "CODE:N%:PRICE or CODE:TIME:PRICE: the price from N percent sold on, or from a time on; again "
     "for each, the last that holds counts"},
    {"--file", FLAG_TEXT, offsetof(struct create_arguments, file), 0, 0, "FILE",
     "one show or an array of them as JSON, instead of flags"},
    {"--if-absent", FLAG_SWITCH, offsetof(struct create_arguments, if_absent), 0, 0, "",
     "a slug that exists already is left as it is"},
};
const struct command show_create_command = {
    .name = "show create",
    .positional = "",
    .summary = "Create a show, or the shows of a file: all of them or none.",
    .run = create_run,
    .flags = {{show_fields, SHOW_FIELDS}, {create_own_flags, COUNT(create_own_flags)}},
};
const struct command show_list_command = {
    .name = "show list",
    .positional = "",
    .summary = "List the shows and what is left of them.",
    .run = list_run,
};
/* Create. */

static int create_in(struct postgres *postgres, const struct show_spec *specs, size_t count,
                     bool if_absent)
{
    struct show_made *made = calloc(count + 1, sizeof(*made));
    if (made == NULL)
        abort();
    size_t at;
    enum err err = shows_create(postgres, specs, count, if_absent, made, &at);
    int code = EXIT_SUCCESS;
    if (err == ERR_UNKNOWN)
        code = context_fail("Postgres went away during the commit: see usherctl show list");
    else if (err)
        code = context_fail("show %s: %s; nothing was created", count > 0 ? specs[at].slug : "-",
                            postgres_why(postgres));
    for (size_t i = 0; !code && i < count; i++)
        printf("show %s: number %u%s\n", specs[i].slug, made[i].number,
               made[i].existed ? " (was there already)" : "");
    free(made);
    return code;
}

static int create_all(struct context *context, const struct show_spec *specs, size_t count,
                      bool if_absent)
{
    struct databases databases;
    struct postgres *place = NULL;
    int code = show_place_find(context, &databases, specs, count, &place);
    if (code == EXIT_SUCCESS)
        code = create_in(place, specs, count, if_absent);
    databases_close(&databases);
    return code;
}

/* `file`: what named the maps, or NULL. */
static int create_with_maps(struct context *context, const struct command *command,
                            struct show_spec *specs, size_t count, const char *file, bool if_absent)
{
    char why[SHOW_WHY_BYTES];
    struct seat_map *maps = seat_maps_read(specs, count, file, why);
    if (maps == NULL)
        arguments_wrong(command, "%s", why);
    int code = create_all(context, specs, count, if_absent);
    seat_maps_free(maps, count);
    return code;
}

static int create_from_file(struct context *context, const struct command *command,
                            const struct create_arguments *arguments)
{
    struct show_list list;
    char why[SHOW_WHY_BYTES];
    if (!json_read_shows(arguments->file, &list, why))
        arguments_wrong(command, "%s", why);
    int code = create_with_maps(context, command, list.specs, list.count, arguments->file,
                                arguments->if_absent);
    json_free_shows(&list);
    return code;
}

static int create_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct create_arguments arguments = {.file = NULL};
    show_spec_init(&arguments.spec);
    arguments_read(command, argc, argv, &arguments, NULL);
    if (arguments.file != NULL &&
        (arguments.spec.slug != NULL || arguments.tiers.count > 0 || arguments.steps.count > 0))
        arguments_wrong(command, "--file stands instead of --slug, --tier and --price-step");
    if (arguments.file != NULL)
        return create_from_file(context, command, &arguments);
    char why[SHOW_WHY_BYTES];
    for (size_t i = 0; i < arguments.tiers.count; i++)
        if (!show_spec_add_tier(&arguments.spec, arguments.tiers.word[i], why))
            arguments_wrong(command, "%s", why);
    for (size_t i = 0; i < arguments.steps.count; i++)
        if (!show_spec_add_step(&arguments.spec, arguments.steps.word[i], why))
            arguments_wrong(command, "%s", why);
    if (!show_spec_check(&arguments.spec, why))
        arguments_wrong(command, "%s", why);
    return create_with_maps(context, command, &arguments.spec, 1, NULL, arguments.if_absent);
}

/* List. */

static void print_cell(const struct postgres_result *result, size_t row, size_t column, int width)
{
    struct span cell = postgres_cell(result, row, column);
    printf("%-*.*s", width, (int)cell.len, cell.bytes);
}

static const struct {
    const char *title;
    size_t column;
    int width;
} columns[] = {{"number", 0, 7}, {"slug", 1, 19},     {"partition", 4, 10},
               {"state", 5, 7},  {"category", 3, 11}, {"left of each tier", 6, 0}};

static int list_of(const struct database *database)
{
    struct postgres_result *result;
    if (!postgres_is_connected(database->postgres) || shows_list(database->postgres, &result))
        return context_fail("Postgres, listing the shows of %s: %s", database_name(database),
                            postgres_why(database->postgres));
    for (size_t row = 0; row < postgres_rows(result); row++)
        for (size_t i = 0; i < COUNT(columns); i++) {
            print_cell(result, row, columns[i].column, columns[i].width);
            printf(i + 1 < COUNT(columns) ? " " : "\n");
        }
    postgres_result_free(result);
    return EXIT_SUCCESS;
}

/* By number within each database; what can be reached is told. */
static int list_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct databases databases;
    int code = EXIT_SUCCESS;
    arguments_read(command, argc, argv, NULL, NULL);
    if (context_postgres(context) == NULL)
        return EXIT_FAILED;
    if (databases_open(context, &databases))
        return context_fail_postgres(context, "listing shows");
    for (size_t i = 0; i < COUNT(columns); i++)
        printf("%-*s%s", columns[i].width, columns[i].title, i + 1 < COUNT(columns) ? " " : "\n");
    for (size_t i = 0; i < databases.count; i++)
        if (list_of(&databases.each[i]) != EXIT_SUCCESS)
            code = EXIT_FAILED;
    databases_close(&databases);
    return code;
}
