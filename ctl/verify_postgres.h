/* The invariants that Postgres alone can tell of (DESIGN.md, "Invariants"), recounted. */
#ifndef USHER_CTL_VERIFY_POSTGRES_H
#define USHER_CTL_VERIFY_POSTGRES_H

#include <stdint.h>

#include "base/err.h"
#include "differences.h"
#include "link/postgres.h"

struct verify_counts {
    int64_t shows, bookings, partitions;
};

/* All in one repeatable-read snapshot. An error is the link's: see postgres_why. */
enum err verify_postgres(struct postgres *postgres, struct differences *found,
                         struct verify_counts *counts);

#endif
