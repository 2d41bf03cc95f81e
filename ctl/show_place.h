/* In which database a show belongs, and whether its name is free in the others. */
#ifndef USHER_CTL_SHOW_PLACE_H
#define USHER_CTL_SHOW_PLACE_H

#include "databases.h"
#include "show_spec.h"

/*
 * The database of these shows' partitions, which is one, since they are made together or not at
 * all; a partition that is nowhere yet will be home's. Slugs are unique over all databases as far
 * as somebody looks: another that has one is told, and so is one that cannot be asked.
 * EXIT_SUCCESS, and *place is borrowed from `databases`; else the exit code, after one line.
 * `databases` are opened here; databases_close follows in any case.
 */
int show_place_find(struct context *context, struct databases *databases,
                    const struct show_spec *specs, size_t count, struct postgres **place);

#endif
