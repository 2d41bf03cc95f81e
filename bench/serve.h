/* What bare and the rivals share: usher's own HTTP server, with fixed bounds, until SIGTERM. */
#ifndef USHER_BENCH_SERVE_H
#define USHER_BENCH_SERVE_H

#include "http/exchange.h"

struct ev_loop;

/* Serves until SIGTERM or SIGINT, then closes at once. Prints "listening <port>" on standard output
 * when it is. Returns the process' exit status. */
int serve(struct ev_loop *loop, const char *listen, const struct http_application *application);

/* For http_application: nothing to do when a client goes, bodies of 4 KiB, plain refusals. */
void serve_gone(void *context, struct exchange *x);
size_t serve_body_bytes_max(void *context, struct exchange *x);
const char *serve_render_error(void *context, int status, const char *detail, struct buf *headers,
                               struct buf *body);

#endif
