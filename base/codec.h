/*
 * msgpack, behind one module: the only file that includes <msgpack.h> is codec.c.
 *
 * Writing goes to a struct buf. Bytes are written as msgpack `str`, never `bin`: Redis 7.0's
 * cmsgpack cannot read `bin`. Reading gives a tree that borrows from the bytes it was read from:
 * keep those until tree_free.
 */
#ifndef USHER_BASE_CODEC_H
#define USHER_BASE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

void pack_array(struct buf *b, size_t count); /* then exactly count values */
void pack_map(struct buf *b, size_t count);   /* then exactly count keys and values in turn */
void pack_uint(struct buf *b, uint64_t n);
void pack_int(struct buf *b, int64_t n);
void pack_str(struct buf *b, const void *bytes, size_t n);
void pack_nil(struct buf *b);

struct tree {
    void *zone; /* owned, opaque */
    const void *root;
};

/* A borrowed place in a tree. */
struct value {
    const void *object;
};

/*
 * Exactly one value that fills the bytes. ERR_INPUT for anything else, for nesting beyond
 * CODEC_DEPTH_MAX, and for counts that the bytes cannot hold (checked before memory is taken).
 * On error the tree needs no tree_free (but bears it).
 */
#define CODEC_DEPTH_MAX 16
enum err tree_read(struct tree *t, const void *bytes, size_t n);
void tree_free(struct tree *t);
struct value tree_root(const struct tree *t);

/* Each says false, and writes nothing, if the value is of another kind or out of range. */
bool value_is_nil(struct value v);
bool value_is_array(struct value v, size_t *count);
struct value value_at(struct value array, size_t index); /* index < count, asserted */
bool value_uint(struct value v, uint64_t *n);
bool value_u32(struct value v, uint32_t *n);
bool value_int(struct value v, int64_t *n);
bool value_str(struct value v, struct span *s);

#endif
