#include "codec.h"

#include <assert.h>

#include <msgpack.h>

/* ---- writing ---- */

static msgpack_packer packer(struct buf *b);

void pack_array(struct buf *b, size_t count)
{
    msgpack_packer to = packer(b);

    msgpack_pack_array(&to, count);
}

void pack_map(struct buf *b, size_t count)
{
    msgpack_packer to = packer(b);

    msgpack_pack_map(&to, count);
}

void pack_uint(struct buf *b, uint64_t n)
{
    msgpack_packer to = packer(b);

    msgpack_pack_uint64(&to, n);
}

void pack_int(struct buf *b, int64_t n)
{
    msgpack_packer to = packer(b);

    msgpack_pack_int64(&to, n);
}

void pack_str(struct buf *b, const void *bytes, size_t n)
{
    msgpack_packer to = packer(b);

    msgpack_pack_str(&to, n);
    buf_put(b, bytes, n);
}

void pack_nil(struct buf *b)
{
    msgpack_packer to = packer(b);

    msgpack_pack_nil(&to);
}

/* What did not fit is remembered by the buffer, so the packer need not hear of it. */
static int packer_write(void *context, const char *bytes, size_t n)
{
    buf_put(context, bytes, n);
    return 0;
}

static msgpack_packer packer(struct buf *b)
{
    return (msgpack_packer){.data = b, .callback = packer_write};
}

/* ---- reading ---- */

static bool is_one_value(const unsigned char *at, size_t n);

enum err tree_read(struct tree *t, const void *bytes, size_t n)
{
    msgpack_zone *zone;
    msgpack_object *root;
    size_t at = 0;

    *t = (struct tree){0};
    if (!is_one_value(bytes, n))
        return ERR_INPUT;
    zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
    if (zone == NULL)
        return ERR_MEMORY;
    root = msgpack_zone_malloc(zone, sizeof(*root));
    /* The bytes are known to be well formed: only memory can be lacking now. */
    if (root == NULL || msgpack_unpack(bytes, n, &at, zone, root) != MSGPACK_UNPACK_SUCCESS) {
        msgpack_zone_free(zone);
        return ERR_MEMORY;
    }
    *t = (struct tree){.zone = zone, .root = root};
    return ERR_NONE;
}

void tree_free(struct tree *t)
{
    if (t->zone != NULL)
        msgpack_zone_free(t->zone);
    *t = (struct tree){0};
}

struct value tree_root(const struct tree *t)
{
    return (struct value){t->root};
}

bool value_is_nil(struct value v)
{
    const msgpack_object *object = v.object;

    return object->type == MSGPACK_OBJECT_NIL;
}

bool value_is_array(struct value v, size_t *count)
{
    const msgpack_object *object = v.object;

    if (object->type != MSGPACK_OBJECT_ARRAY)
        return false;
    *count = object->via.array.size;
    return true;
}

struct value value_at(struct value array, size_t index)
{
    const msgpack_object *object = array.object;

    assert(object->type == MSGPACK_OBJECT_ARRAY && index < object->via.array.size);
    return (struct value){&object->via.array.ptr[index]};
}

bool value_uint(struct value v, uint64_t *n)
{
    const msgpack_object *object = v.object;

    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return false;
    *n = object->via.u64;
    return true;
}

bool value_u32(struct value v, uint32_t *n)
{
    uint64_t wide;

    if (!value_uint(v, &wide) || wide > UINT32_MAX)
        return false;
    *n = (uint32_t)wide;
    return true;
}

bool value_int(struct value v, int64_t *n)
{
    const msgpack_object *object = v.object;

    if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *n = object->via.i64;
        return true;
    }
    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER || object->via.u64 > INT64_MAX)
        return false;
    *n = (int64_t)object->via.u64;
    return true;
}

bool value_str(struct value v, struct span *s)
{
    const msgpack_object *object = v.object;

    if (object->type != MSGPACK_OBJECT_STR)
        return false;
    *s = (struct span){object->via.str.ptr, object->via.str.size};
    return true;
}

/* ---- looking before memory is taken ---- */

/* How long an item is, by its first byte from 0xc0 to 0xdf; the others tell it by themselves. */
static const struct form {
    unsigned char fixed;       /* bytes that are always there; 0: there is no such item */
    unsigned char length;      /* bytes of those that hold a length, right after the first */
    unsigned char children_by; /* the length counts: 0 bytes, 1 elements, 2 pairs */
} forms[32] = {
    {1, 0, 0}, {0, 0, 0}, {1, 0, 0}, {1, 0, 0},              /* nil, none, false, true */
    {2, 1, 0}, {3, 2, 0}, {5, 4, 0},                         /* bin */
    {3, 1, 0}, {4, 2, 0}, {6, 4, 0},                         /* ext */
    {5, 0, 0}, {9, 0, 0},                                    /* float */
    {2, 0, 0}, {3, 0, 0}, {5, 0, 0}, {9, 0, 0},              /* uint */
    {2, 0, 0}, {3, 0, 0}, {5, 0, 0}, {9, 0, 0},              /* int */
    {3, 0, 0}, {4, 0, 0}, {6, 0, 0}, {10, 0, 0}, {18, 0, 0}, /* fixext */
    {2, 1, 0}, {3, 2, 0}, {5, 4, 0},                         /* str */
    {3, 2, 1}, {5, 4, 1},                                    /* array */
    {3, 2, 2}, {5, 4, 2},                                    /* map */
};

/* False if the item's own bytes are not all there, or its children cannot be. */
static bool item_measure(const unsigned char *at, size_t have, size_t *bytes, size_t *children)
{
    unsigned char kind = at[0];
    const struct form *form;
    size_t length = 0;

    *bytes = 1;
    *children = 0;
    if (kind <= 0x7f || kind >= 0xe0) {
        return true;
    } else if (kind <= 0x8f) {
        *children = 2 * (size_t)(kind & 0x0f);
    } else if (kind <= 0x9f) {
        *children = kind & 0x0f;
    } else if (kind <= 0xbf) {
        *bytes += kind & 0x1f;
    } else {
        form = &forms[kind - 0xc0];
        if (form->fixed == 0 || form->fixed > have)
            return false;
        for (size_t i = 1; i <= form->length; i++)
            length = length << 8 | at[i];
        *bytes = form->fixed + (form->children_by == 0 ? length : 0);
        *children = form->children_by * length;
    }
    return *bytes <= have && *children <= have - *bytes;
}

/*
 * Walk over the items without building anything. What passes is whole, fills the bytes, nests at
 * most CODEC_DEPTH_MAX deep, and has no more items than bytes.
 */
static bool is_one_value(const unsigned char *at, size_t n)
{
    size_t open[CODEC_DEPTH_MAX + 1] = {1}; /* items still to come, at each depth */
    size_t depth = 0;

    for (;;) {
        size_t bytes;
        size_t children;

        while (open[depth] == 0) {
            if (depth == 0)
                return n == 0;
            depth--;
        }
        if (n == 0 || !item_measure(at, n, &bytes, &children))
            return false;
        open[depth]--;
        at += bytes;
        n -= bytes;
        if (children > 0) {
            if (depth == CODEC_DEPTH_MAX)
                return false;
            open[++depth] = children;
        }
    }
}
