#include "series.h"

#include <stdio.h>
#include <stdlib.h>

#include "context.h"
#include "json.h"
#include "seat_maps.h"
#include "show_place.h"
#include "show_store.h"

static int create_run(struct context *context, const struct command *command, int argc,
                      char **argv);

struct create_arguments {
    const char *file;
    bool if_absent;
};

static const struct flag create_flags[] = {
    {"--file", FLAG_TEXT, offsetof(struct create_arguments, file), 0, 0, "FILE",
     "the schedule as JSON"},
    {"--if-absent", FLAG_SWITCH, offsetof(struct create_arguments, if_absent), 0, 0, "",
     "a slug that exists already is left as it is"},
};

const struct command series_create_command = {
    .name = "series create",
    .positional = "",
    .summary = "Create the shows of a schedule (rooms by days by slots) on one partition: all of\n"
               "them or none.",
    .run = create_run,
    .flags = {{create_flags, sizeof(create_flags) / sizeof(create_flags[0])}},
};

static int fail_elsewhere(const char *series, const struct show_where *elsewhere)
{
    return context_fail("series %s: show %s is on partition %u; a series stays on one partition,"
                        " so give \"partition\": %u; nothing was created",
                        series, elsewhere->slug, elsewhere->partition, elsewhere->partition);
}

static int create_in(struct postgres *postgres, const struct show_list *list, bool if_absent)
{
    struct show_made *made = calloc(list->count, sizeof(*made));
    if (made == NULL)
        abort();
    const struct show_spec *first = &list->specs[0];
    struct show_where elsewhere;
    size_t at, fresh = 0;
    enum err err =
        series_create(postgres, list->specs, list->count, if_absent, made, &at, &elsewhere);
    for (size_t i = 0; i < list->count; i++)
        fresh += made[i].existed ? 0 : 1;
    free(made);
    if (err == ERR_UNKNOWN)
        return context_fail("Postgres went away during the commit: see usherctl show list");
    if (err)
        return context_fail("show %s: %s; nothing was created", list->specs[at].slug,
                            postgres_why(postgres));
    if (elsewhere.partition != 0)
        return fail_elsewhere(first->series, &elsewhere);
    printf("series %s on partition %lld: %zu shows created, %zu were there already\n",
           first->series, (long long)first->partition, fresh, list->count - fresh);
    return EXIT_SUCCESS;
}

/* In the databases that the shows will not be in; all have answered before. */
static int look_elsewhere(const struct databases *databases, const struct postgres *place,
                          const struct show_spec *spec)
{
    struct show_where elsewhere = {.partition = 0};
    for (size_t i = 0; i < databases->count; i++) {
        struct postgres *other = databases->each[i].postgres;
        if (other == place)
            continue;
        if (series_find_elsewhere(other, spec, &elsewhere))
            return context_fail("%s: %s", database_name(&databases->each[i]), postgres_why(other));
        if (elsewhere.partition != 0)
            return fail_elsewhere(spec->series, &elsewhere);
    }
    return EXIT_SUCCESS;
}

static int create_all(struct context *context, const struct show_list *list, bool if_absent)
{
    struct databases databases;
    struct postgres *place = NULL;
    int code = show_place_find(context, &databases, list->specs, list->count, &place);
    if (code == EXIT_SUCCESS)
        code = look_elsewhere(&databases, place, &list->specs[0]);
    if (code == EXIT_SUCCESS)
        code = create_in(place, list, if_absent);
    databases_close(&databases);
    return code;
}

static int create_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct create_arguments arguments = {.file = NULL};
    struct show_list list;
    char why[SHOW_WHY_BYTES];
    arguments_read(command, argc, argv, &arguments, NULL);
    if (arguments.file == NULL)
        arguments_wrong(command, "--file is missing");
    if (!json_read_series(arguments.file, &list, why))
        arguments_wrong(command, "%s", why);
    struct seat_map *maps = seat_maps_read(list.specs, list.count, arguments.file, why);
    if (maps == NULL)
        arguments_wrong(command, "%s", why);
    int code = create_all(context, &list, arguments.if_absent);
    seat_maps_free(maps, list.count);
    json_free_shows(&list);
    return code;
}
