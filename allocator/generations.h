/* The namespaces of a partition in Redis, one for each rebuild (base/keys.h). */
#ifndef USHER_ALLOCATOR_GENERATIONS_H
#define USHER_ALLOCATOR_GENERATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "allocator/tenure.h"
#include "base/err.h"
#include "link/redis.h"

/* Note the name of the tenure's own before anything is written below it. */
enum err generations_add(struct redis *redis, const struct tenure *t);

/*
 * Drop those that nobody uses any more; Redis frees them in the background. Only older ones: their
 * names are epochs, and an owner that slept between its switch and this must not take away what a
 * newer one goes on with.
 */
enum err generations_drop_older(struct redis *redis, const struct tenure *t);

/* Is the show loaded into the tenure's own? */
enum err generation_has_show(struct redis *redis, const struct tenure *t, uint32_t show, bool *has);

#endif
