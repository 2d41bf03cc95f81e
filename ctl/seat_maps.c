#include "seat_maps.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"

/* Where a show's map lies: beside the file that names it, unless its path begins at the root. */
static void map_path(const char *file, const char *map, char *path, size_t size)
{
    const char *slash = file != NULL ? strrchr(file, '/') : NULL;
    bool beside = slash != NULL && map[0] != '/';
    snprintf(path, size, "%.*s%s", beside ? (int)(slash - file + 1) : 0, beside ? file : "", map);
}

static bool read_map(struct show_spec *spec, struct seat_map *map, const char *file,
                     char why[SHOW_WHY_BYTES])
{
    char path[PATH_MAX];
    if (spec->map_path != NULL) {
        map_path(file, spec->map_path, path, sizeof(path));
        size_t n = strlen(path);
        bool is_csv = n > 4 && strcasecmp(path + n - 4, ".csv") == 0;
        if (!(is_csv ? seat_map_read_csv(map, spec, path, why)
                     : json_read_seat_map(map, spec, path, why)))
            return false;
    }
    spec->map = map;
    return seat_map_finish(map, spec, why);
}

struct seat_map *seat_maps_read(struct show_spec *specs, size_t count, const char *file,
                                char why[SHOW_WHY_BYTES])
{
    struct seat_map *maps = calloc(count + 1, sizeof(*maps));
    char clause[SHOW_WHY_BYTES];
    if (maps == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        if (read_map(&specs[i], &maps[i], file, clause))
            continue;
        snprintf(why, SHOW_WHY_BYTES, "show %.40s: %.150s", specs[i].slug, clause);
        seat_maps_free(maps, count);
        return NULL;
    }
    return maps;
}

void seat_maps_free(struct seat_map *maps, size_t count)
{
    for (size_t i = 0; maps != NULL && i < count; i++)
        seat_map_free(&maps[i]);
    free(maps);
}
