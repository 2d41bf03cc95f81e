/*
 * Who takes the money. A provider knows a payment by its id: asked twice to make the same one, it
 * makes it once. Another provider is another `struct provider`.
 */
#ifndef USHER_COURIER_PROVIDER_H
#define USHER_COURIER_PROVIDER_H

#include <stdint.h>

#include "courier/job.h"
#include "courier/options.h"

/* Called once for each job that was begun, from within `wait`. */
typedef void provider_done(void *context, struct job *job, const struct verdict *verdict);

struct provider {
    /* The job is borrowed until it is done. */
    void (*begin)(void *self, struct job *job);
    /* Let the jobs under way go on, for so long at most; comes back early when one is done. */
    void (*wait)(void *self, int64_t ms);
    void (*free)(void *self);
    void *self;
};

/* Never fail (they abort without memory). */
struct provider simulated_new(const struct options *options, provider_done *done, void *context);
struct provider stripe_new(const struct options *options, provider_done *done, void *context);

#endif
