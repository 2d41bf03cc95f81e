/* Names to addresses without holding up the loop: glibc looks them up on a thread of its own. */
#ifndef USHER_GATEWAY_RESOLVE_H
#define USHER_GATEWAY_RESOLVE_H

struct ev_loop;
struct resolve;

/*
 * `done` is called once, later or before this returns: with an address as text, or with NULL and a
 * sentence. An address is its own name and is answered at once. Returns what resolve_cancel takes,
 * or NULL if `done` was called already.
 */
struct resolve *resolve_begin(struct ev_loop *loop, const char *host,
                              void (*done)(void *context, const char *address, const char *why),
                              void *context);
void resolve_cancel(struct resolve *resolve); /* `done` is not called any more */

#endif
