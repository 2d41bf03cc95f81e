#include "show_place.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "base/buf.h"

#define SLUGS_BYTES_MAX (8 << 20)

static const char taken_sql[] =
    "SELECT slug FROM shows WHERE slug = ANY ($1::text[]) ORDER BY slug LIMIT 1";

static int find_database(struct context *context, struct databases *databases,
                         const struct show_spec *spec, size_t *at)
{
    char dsn[DSN_BYTES_MAX + 1];
    bool exists;
    if (databases_find(context->postgres, spec->partition, dsn, &exists))
        return context_fail_postgres(context, "looking for the partition");
    for (*at = 0; *at < databases->count; (*at)++)
        if (strcmp(databases->each[*at].dsn, dsn) == 0)
            return EXIT_SUCCESS;
    return context_fail("partition %" PRId64 " has come just now; try again", spec->partition);
}

static int fail_away(const struct database *database)
{
    return context_fail("%s: %s", database_name(database), postgres_why(database->postgres));
}

/* Slugs have letters, digits and "-" alone. */
static void put_slugs(struct buf *b, const struct show_spec *specs, size_t count)
{
    buf_putc(b, '{');
    for (size_t i = 0; i < count; i++)
        buf_putf(b, "%s%s", i > 0 ? "," : "", specs[i].slug);
    buf_putc(b, '}');
}

static int look_for_slugs(const struct database *database, struct span slugs)
{
    const struct postgres_parameter one = {slugs.bytes, slugs.len, false};
    struct postgres_result *row;
    if (!postgres_is_connected(database->postgres) ||
        postgres_query(database->postgres, taken_sql, 1, &one, false, &row))
        return fail_away(database);
    struct span slug = postgres_rows(row) > 0 ? postgres_cell(row, 0, 0) : SPAN("");
    int code = slug.len == 0 ? EXIT_SUCCESS
                             : context_fail("show %.*s: there is one in another database (%s);"
                                            " nothing was created",
                                            (int)slug.len, slug.bytes, database_name(database));
    postgres_result_free(row);
    return code;
}

static int look_elsewhere(const struct databases *databases, size_t at,
                          const struct show_spec *specs, size_t count)
{
    struct buf slugs;
    int code = EXIT_SUCCESS;
    buf_init(&slugs, SLUGS_BYTES_MAX);
    put_slugs(&slugs, specs, count);
    if (slugs.failed)
        abort();
    for (size_t i = 0; i < databases->count && code == EXIT_SUCCESS; i++)
        if (i != at)
            code = look_for_slugs(&databases->each[i], (struct span){slugs.bytes, slugs.len});
    buf_free(&slugs);
    return code;
}

int show_place_find(struct context *context, struct databases *databases,
                    const struct show_spec *specs, size_t count, struct postgres **place)
{
    size_t at = 0, other = 0;
    databases->count = 0;
    *place = context_postgres(context);
    if (*place == NULL)
        return EXIT_FAILED;
    if (databases_open(context, databases))
        return context_fail_postgres(context, "looking for the databases");
    if (databases->count == 1 || count == 0)
        return EXIT_SUCCESS;
    int code = find_database(context, databases, &specs[0], &at);
    for (size_t i = 1; i < count && code == EXIT_SUCCESS; i++) {
        code = find_database(context, databases, &specs[i], &other);
        if (code == EXIT_SUCCESS && other != at)
            code = context_fail("shows %s and %s are of different databases; make each by itself",
                                specs[0].slug, specs[i].slug);
    }
    if (code != EXIT_SUCCESS)
        return code;
    *place = databases->each[at].postgres;
    return postgres_is_connected(*place) ? look_elsewhere(databases, at, specs, count)
                                         : fail_away(&databases->each[at]);
}
