/*
 * The allocator: stands by until a partition is free, takes it, and decides its requests turn by
 * turn. Whatever goes wrong in a turn ends the tenure; the next one begins by taking the partition
 * anew, which is also how a crash is mended. There is one way back, and it is used often.
 *
 *   stand by ──locked──▶ take ──▶ turn ⟲
 *      ▲                  │ ▲       │
 *      └──lost the lock───┴─┴─error─┘
 */
#ifndef USHER_ALLOCATOR_ALLOCATOR_H
#define USHER_ALLOCATOR_ALLOCATOR_H

#include <signal.h>

#include "allocator/options.h"

/* Run until *stop becomes non-zero; then finish the batch under way and let the partition go. */
void allocator_run(const struct options *options, const volatile sig_atomic_t *stop);

#endif
