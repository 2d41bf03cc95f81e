/*
 * The databases that partitions lie in: home, which the option `postgres` names, and those that
 * home's partitions point to (sql/0016_databases.sql), opened as the list of partitions tells of
 * them. A question about a show goes to the one that has its partition. One that does not know
 * where is asked of home first and then of the others; a list over everything is asked of all and
 * merged.
 */
#ifndef USHER_GATEWAY_DATABASES_H
#define USHER_GATEWAY_DATABASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/database.h"
#include "gateway/merge.h"

struct databases;
struct ev_loop;
struct task;

/* Never NULL. `home` as database_open has it; what it names is borrowed for good. */
struct databases *databases_open(struct ev_loop *loop, const struct database_options *home);
void databases_close(struct databases *databases); /* questions under way: ERR_UNAVAILABLE */

struct database *databases_home(const struct databases *databases);
/* Home first; NULL behind the last. */
struct database *databases_at(const struct databases *databases, size_t index);
bool databases_are_several(const struct databases *databases);
/* "": home. Lives as long as the database. */
const char *databases_dsn(const struct databases *databases, const struct database *database);

/* The one with this DSN, opened if it is new; NULL if it cannot be or there are too many. */
struct database *databases_named(struct databases *databases, struct span dsn);
/* After a list of partitions: those that none of them names any more are closed. */
void databases_keep(struct databases *databases,
                    bool (*is_named)(void *context, const struct database *database),
                    void *context);

bool databases_are_ready(const struct databases *databases); /* one of them, at least */
struct database_counts databases_counts(const struct databases *databases); /* of all, ever */

/* As database_query, for a row that is in one of them: `done` has the rows of the first that has
 * any. Only if none has it, and one could not be asked, is that an error. */
bool databases_find(struct databases *databases, const struct postgres_query *query);

/* As database_query, for rows of all of them in `order`. If one cannot be asked, that is an error,
 * and told before this returns where it is known to be away; with may_lack, one that is not home
 * only lacks its rows. */
bool databases_gather(struct databases *databases, const struct postgres_query *query,
                      const struct merge_order *order, bool may_lack);

/* Where the task's show lies; home, if it has none. */
struct database *databases_of(const struct task *task);

#endif
