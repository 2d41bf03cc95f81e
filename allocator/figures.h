/*
 * What is counted for analytics (tally.h): taken from each committed batch, handed to Postgres
 * while house is kept. Figures are never worth a sale: what Postgres will not take now is kept, as
 * far as there is room, and tried again; only a fence or a broken session ends a tenure, as it
 * would have anyway.
 */
#ifndef USHER_ALLOCATOR_FIGURES_H
#define USHER_ALLOCATOR_FIGURES_H

#include "allocator/tenure.h"

/* A committed batch: what people asked for in it. Not what operators, couriers and usher ask. */
void figures_count(struct allocator *a, const struct batch *committed);

/* Hand some over, if there are any. */
enum err figures_hand(struct allocator *a);
/* Some of the minutes of days ago become hours. */
enum err figures_roll_up(struct allocator *a);

#endif
