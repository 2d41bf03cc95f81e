/* Shows and partitions in Postgres: what the subcommands write and read. */
#ifndef USHER_CTL_SHOW_STORE_H
#define USHER_CTL_SHOW_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "link/postgres.h"
#include "show_spec.h"

/* What became of one show: created, or (with if_absent) there already. */
struct show_made {
    uint32_t number;
    bool existed;
};

/*
 * All of them or none, in one transaction; partitions that are not there yet are added.
 * ERR_REFUSED, ERR_UNAVAILABLE and ERR_UNKNOWN as link/postgres.h says; *failed is then the index
 * of the show that was being written.
 */
enum err shows_create(struct postgres *postgres, const struct show_spec *specs, size_t count,
                      bool if_absent, struct show_made *made, size_t *failed);

/* A show of a series, and the partition that it is on. */
struct show_where {
    uint32_t partition; /* 0: there is none */
    char slug[SLUG_BYTES_MAX + 1];
};

/*
 * The same for the shows of one series (at least one; all of one series and one partition), which
 * stays on one partition: where a part of it is on another, that part is told and nothing created.
 */
enum err series_create(struct postgres *postgres, const struct show_spec *specs, size_t count,
                       bool if_absent, struct show_made *made, size_t *failed,
                       struct show_where *elsewhere);

/* Just where a part of the series is that is on another partition than this spec's. */
enum err series_find_elsewhere(struct postgres *postgres, const struct show_spec *spec,
                               struct show_where *elsewhere);

enum err partition_add(struct postgres *postgres, int64_t partition, bool *existed);

/* number, slug, name, category, partition, state, "CODE available/capacity, …" by number. */
enum err shows_list(struct postgres *postgres, struct postgres_result **result);

#endif
