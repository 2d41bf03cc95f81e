/*
 * A strict decoder of chunked bodies. Pure. Debian's http-parser, built without its strict mode,
 * lets other bytes stand for the CRLF behind a chunk and bare LFs inside extensions; requests have
 * been smuggled through less, so bodies never reach it.
 *
 * Extensions and trailers are checked, bounded and forgotten.
 */
#ifndef USHER_HTTP_CHUNKED_H
#define USHER_HTTP_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define CHUNK_LINE_BYTES_MAX 256 /* a chunk's size with its extensions */
#define TRAILER_BYTES_MAX 4096   /* all trailer fields together */

enum chunked_state {
    CHUNKED_SIZE_FIRST,
    CHUNKED_SIZE,
    CHUNKED_EXTENSION,
    CHUNKED_SIZE_LF,
    CHUNKED_DATA,
    CHUNKED_DATA_CR,
    CHUNKED_DATA_LF,
    CHUNKED_TRAILER_START,
    CHUNKED_TRAILER_NAME,
    CHUNKED_TRAILER_VALUE,
    CHUNKED_TRAILER_LF,
    CHUNKED_LAST_LF,
    CHUNKED_DONE,
    CHUNKED_BAD,
};

/* All zero is a decoder at the beginning of a body. */
struct chunked {
    enum chunked_state state;
    uint32_t line_bytes; /* of the size line or of the trailers, against their bounds */
    uint64_t left;       /* of the chunk's data */
};

enum chunked_verdict { CHUNKED_WANTS_MORE, CHUNKED_HAS_DATA, CHUNKED_IS_DONE, CHUNKED_IS_BAD };

/*
 * Read on at *input and move it behind what was read. With CHUNKED_HAS_DATA, *data is a run of the
 * body's bytes, borrowed from the input: call again for more. With CHUNKED_WANTS_MORE the input is
 * used up. After CHUNKED_IS_DONE the input stands at the next request.
 */
enum chunked_verdict chunked_read(struct chunked *c, struct span *input, struct span *data);

#endif
