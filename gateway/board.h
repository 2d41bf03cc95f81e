/*
 * A text that one worker writes and whichever is asked for /metrics tells: what is looked up for
 * all of them by the first one (scale.h). In memory that the workers share; a reader that meets the
 * writer looks again.
 */
#ifndef USHER_GATEWAY_BOARD_H
#define USHER_GATEWAY_BOARD_H

#include <stdint.h>

#include "base/buf.h"

#define BOARD_BYTES_MAX (1u << 20)

struct board; /* the shared memory */

struct board *board_map(void); /* before the workers are forked; NULL: no memory */
void board_unmap(struct board *board);

/* Only the first worker. A text that does not fit is not written. */
void board_write(struct board *board, struct span text, int64_t now_us);
/* Append what was written last, unless its writer has been silent for long. */
void board_read(const struct board *board, int64_t now_us, struct buf *out);

#endif
