/* An HTTP answer as it lies in a client's input. Pure. */
#ifndef USHER_BENCH_RESPONSE_H
#define USHER_BENCH_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct response_seen {
    int status;
    struct span head; /* status line and fields, borrowed */
    struct span body; /* borrowed */
    bool close;       /* the server will close the connection after it */
};

enum response_state { RESPONSE_PART, RESPONSE_WHOLE, RESPONSE_BAD };

/* Looks for one whole answer at the beginning of the bytes; *used says how many it took. An answer
 * without Content-Length is bad: neither usher nor its rivals send one here. */
enum response_state response_read(struct span bytes, struct response_seen *r, size_t *used);

/* A header field's value (any case of the name), or an empty span with bytes == NULL. */
struct span response_field(const struct response_seen *r, const char *name);

/* The text or number of the first member of that name in a JSON text, however deep; an empty span
 * with bytes == NULL if there is none. Good enough for answers whose shape is known. */
struct span json_member(struct span json, const char *name);
/* What stands between the brackets of the first list of that name; likewise. */
struct span json_list(struct span json, const char *name);

#endif
