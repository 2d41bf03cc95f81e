/*
 * msgpack from outside. Whatever is taken can be walked to its end; what is of the kinds that we
 * write comes back the same when it is written and read again.
 */
#include "base/codec.h"

#include "tests/fuzz/fuzz.h"

/* Writes the value; false if it holds something that we never write. */
static bool repack(struct value v, unsigned depth, struct buf *out)
{
    size_t count;
    uint64_t unsigned_number;
    int64_t number;
    struct span text;

    CHECK(depth <= CODEC_DEPTH_MAX);
    if (value_is_nil(v)) {
        pack_nil(out);
    } else if (value_uint(v, &unsigned_number)) {
        CHECK(value_int(v, &number) == (unsigned_number <= INT64_MAX));
        pack_uint(out, unsigned_number);
    } else if (value_int(v, &number)) {
        CHECK(number < 0);
        pack_int(out, number);
    } else if (value_str(v, &text)) {
        pack_str(out, text.bytes, text.len);
    } else if (value_is_array(v, &count)) {
        pack_array(out, count);
        for (size_t i = 0; i < count; i++)
            if (!repack(value_at(v, i), depth + 1, out))
                return false;
    } else {
        return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tree tree, again;
    struct buf first, second;

    if (tree_read(&tree, data, size) != ERR_NONE) {
        tree_free(&tree);
        return 0;
    }
    CHECK(size > 0);
    buf_init(&first, 16 * size + 16);
    buf_init(&second, 16 * size + 16);
    if (repack(tree_root(&tree), 0, &first)) {
        CHECK(!first.failed && first.len <= size); /* nothing is written longer than it came */
        CHECK(tree_read(&again, first.bytes, first.len) == ERR_NONE);
        CHECK(repack(tree_root(&again), 0, &second));
        CHECK(span_equal(buf_span(&first), buf_span(&second)));
        tree_free(&again);
        /* A byte less or a byte more is not that value. */
        CHECK(tree_read(&again, first.bytes, first.len - 1) != ERR_NONE);
        buf_putc(&first, '\x01');
        CHECK(tree_read(&again, first.bytes, first.len) != ERR_NONE);
    }
    buf_free(&first);
    buf_free(&second);
    tree_free(&tree);
    return 0;
}
