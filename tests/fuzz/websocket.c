/*
 * A client's frames. However the bytes are cut, the same comes back and the end is the same, except
 * that what is wrong with a frame may be seen before all of it has come; and nothing is kept once
 * it is over. The first byte is a seed.
 */
#include "gateway/websocket.h"

#include "tests/fuzz/fuzz.h"

enum end { IS_OVER, GOES_ON, IS_WITHIN };

static enum end converse(struct span input, unsigned seed, bool in_pieces, struct buf *out)
{
    struct websocket *half = NULL;
    bool goes_on = true;

    for (size_t at = 0; goes_on && at < input.len;) {
        size_t n = in_pieces ? fuzz_step(&seed) : input.len;
        if (n > input.len - at)
            n = input.len - at;
        goes_on = websocket_take(&half, (struct span){input.bytes + at, n}, out);
        at += n;
    }
    CHECK(goes_on || half == NULL);
    enum end end = !goes_on ? IS_OVER : half != NULL ? IS_WITHIN : GOES_ON;
    websocket_free(half);
    return end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    unsigned seed = fuzz_take_byte(&input);
    struct buf out[2];
    enum end end[2];

    for (int i = 0; i < 2; i++) {
        buf_init(&out[i], 1 << 20);
        end[i] = converse(input, seed, i == 1, &out[i]);
        CHECK(!out[i].failed);
        /* Pongs are no longer than what they answer, unmasked; then a closing frame. */
        CHECK(out[i].len <= input.len + 127);
    }
    CHECK(end[0] == end[1] || (end[0] != GOES_ON && end[1] != GOES_ON));
    if (end[0] != IS_OVER && end[1] != IS_OVER)
        CHECK(span_equal(buf_span(&out[0]), buf_span(&out[1])));
    for (int i = 0; i < 2; i++)
        buf_free(&out[i]);
    return 0;
}
