/* The seat maps of all shows that are to be created. */
#ifndef USHER_CTL_SEAT_MAPS_H
#define USHER_CTL_SEAT_MAPS_H

#include "seat_map.h"

/*
 * A map for each show, an empty one where it names none, laid out and given to the show. A relative
 * path begins where `file` lies, which named it (NULL: the working directory). NULL, and one
 * sentence in why, if something is wrong.
 */
struct seat_map *seat_maps_read(struct show_spec *specs, size_t count, const char *file,
                                char why[SHOW_WHY_BYTES]);
void seat_maps_free(struct seat_map *maps, size_t count); /* NULL is fine */

#endif
