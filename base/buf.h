/*
 * An owned, growing, bounded byte buffer: put as often as needed, ask once whether it all fitted.
 * After a failure every further put does nothing, so a chain of puts needs one check at its end.
 */
#ifndef USHER_BASE_BUF_H
#define USHER_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *bytes; /* owned; NULL while nothing was ever put; not NUL-terminated */
    size_t len;
    size_t cap;
    size_t max; /* the bound on len */
    bool failed;
};

void buf_init(struct buf *b, size_t bytes_max);
void buf_free(struct buf *b);  /* leaves it as buf_init left it */
void buf_reset(struct buf *b); /* empty and not failed; keeps the memory */
void buf_put(struct buf *b, const void *bytes, size_t n);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_put_u64(struct buf *b, unsigned long long n); /* decimal */
void buf_putf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for n bytes at the end, or NULL; the caller writes there and then calls buf_grew. */
char *buf_room(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);
/* Drop the first n bytes (n <= len) and move the rest to the front. */
void buf_drop(struct buf *b, size_t n);
/* The contents with a NUL behind them (not counted in len), or NULL if the buffer failed. */
const char *buf_text(struct buf *b);

/* A borrowed run of bytes. */
struct span {
    const char *bytes;
    size_t len;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})
struct span span_of(const char *text); /* NULL gives an empty span */
struct span buf_span(const struct buf *b);
bool span_is(struct span s, const char *text);
bool span_is_nocase(struct span s, const char *text); /* ASCII */
bool span_equal(struct span a, struct span b);

#endif
