/* What the files of the seeds' routes share. */
#ifndef USHER_GATEWAY_SEEDS_H
#define USHER_GATEWAY_SEEDS_H

#include "base/model.h"
#include "gateway/postgres_link.h"
#include "gateway/show.h"
#include "gateway/task.h"

/* Words for clients that have never heard of a code; NULL: the code's own will do. */
const char *seed_words(enum code code);

/* A list of shows, whose rows begin with SHOW_COLUMNS; the answer is open. */
void seed_tell_shows(struct task *task, struct buf *body, const struct postgres_rows *rows,
                     void (*put)(struct buf *body, const struct show *show));

#endif
