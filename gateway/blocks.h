/*
 * Which seats side by side are free in a show, for who wanted others: from a look at Redis that all
 * who ask share for a second or so. Old by as much, so a hint.
 */
#ifndef USHER_GATEWAY_BLOCKS_H
#define USHER_GATEWAY_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "gateway/task.h"

#define BLOCKS_MAX 5 /* found at once */

struct blocks;
struct gateway;

struct blocks *blocks_new(struct gateway *gateway); /* never NULL */
void blocks_free(struct blocks *blocks);

/* True: the task waits for the first look at its show's seats, and `then` is called after it.
 * False: there is one already, or there cannot be one now. */
bool blocks_wait(struct blocks *blocks, struct task *task, void (*then)(struct task *task));

/*
 * Where n free seats of the tier of the task's show stand side by side: the index of each first one
 * in the show's map, at most one for each block of seats, as seatmap_blocks orders them. `taken`
 * (packed positions) are not free whatever the look says. Returns how many.
 */
size_t blocks_find(struct blocks *blocks, const struct task *task, struct line line,
                   struct span taken, uint32_t first[BLOCKS_MAX]);

#endif
