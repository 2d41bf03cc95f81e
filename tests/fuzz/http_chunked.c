/*
 * Chunked bodies: however the bytes are cut, the same body comes out and the same bytes are left
 * over; what is taken is right line by line, too; and what is chunked by the book comes out as it
 * went in. The first byte is a seed.
 */
#include "base/buf.h"
#include "http/chunked.h"
#include "tests/fuzz/fuzz.h"

struct outcome {
    enum chunked_verdict verdict;
    size_t read;
    struct buf body;
};

static void decode(struct span input, unsigned seed, bool in_pieces, struct outcome *o)
{
    struct chunked decoder = {0};
    struct span data;

    o->verdict = CHUNKED_WANTS_MORE;
    o->read = 0;
    buf_init(&o->body, 1 << 20);
    while (o->read < input.len && o->verdict == CHUNKED_WANTS_MORE) {
        size_t n = in_pieces ? fuzz_step(&seed) % 9 + 1 : input.len;
        if (n > input.len - o->read)
            n = input.len - o->read;
        char *piece = malloc(n); /* so that reading on is seen */
        CHECK(piece != NULL);
        memcpy(piece, input.bytes + o->read, n);
        struct span rest = {piece, n};
        while ((o->verdict = chunked_read(&decoder, &rest, &data)) == CHUNKED_HAS_DATA) {
            CHECK(data.len > 0 && data.bytes >= piece && data.bytes + data.len <= piece + n);
            buf_put(&o->body, data.bytes, data.len);
        }
        CHECK(rest.len <= n && (o->verdict != CHUNKED_WANTS_MORE || rest.len == 0));
        o->read += n - rest.len;
        free(piece);
    }
    CHECK(!o->body.failed);
}

static void encode(struct span body, unsigned seed, struct buf *out)
{
    for (size_t at = 0; at < body.len;) {
        size_t n = fuzz_step(&seed);
        if (n > body.len - at)
            n = body.len - at;
        buf_putf(out, seed & 1 ? "%zx\r\n" : "%zX;name=\"value\"\r\n", n);
        buf_put(out, body.bytes + at, n);
        buf_puts(out, "\r\n");
        at += n;
    }
    buf_puts(out, seed & 2 ? "0\r\n\r\n" : "0\r\nTrailer: x\r\n\r\n");
}

/* The next line with its CRLF taken off; it must be there, and hold no other CR or LF. */
static struct span take_line(struct span *rest)
{
    const char *end = memmem(rest->bytes, rest->len, "\r\n", 2);

    CHECK(end != NULL);
    struct span line = {rest->bytes, (size_t)(end - rest->bytes)};
    CHECK(memchr(line.bytes, '\r', line.len) == NULL && memchr(line.bytes, '\n', line.len) == NULL);
    *rest = (struct span){end + 2, rest->len - line.len - 2};
    return line;
}

static size_t size_in(struct span line)
{
    size_t digits = 0;

    while (digits < line.len && memchr("0123456789abcdefABCDEF", line.bytes[digits], 22) != NULL)
        digits++;
    CHECK(digits > 0 && line.len <= CHUNK_LINE_BYTES_MAX);
    CHECK(digits == line.len || line.bytes[digits] == ';');
    char *text = fuzz_text((struct span){line.bytes, digits});
    size_t size = strtoul(text, NULL, 16);
    free(text);
    return size;
}

/* The whole body that was taken, read once more by another way. */
static void check_lines(struct span taken, struct span body)
{
    size_t size, trailers = 0;
    struct span line;

    while ((size = size_in(take_line(&taken))) > 0) {
        CHECK(size <= body.len && size + 2 <= taken.len);
        CHECK(memcmp(taken.bytes, body.bytes, size) == 0);
        CHECK(memcmp(taken.bytes + size, "\r\n", 2) == 0);
        taken = (struct span){taken.bytes + size + 2, taken.len - size - 2};
        body = (struct span){body.bytes + size, body.len - size};
    }
    while ((line = take_line(&taken)).len > 0) {
        const char *colon = memchr(line.bytes, ':', line.len);
        CHECK(colon != NULL && colon > line.bytes);
        trailers += line.len;
    }
    CHECK(taken.len == 0 && body.len == 0 && trailers <= TRAILER_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct span input = fuzz_span(bytes, size);
    unsigned seed = fuzz_take_byte(&input);
    struct outcome whole, pieces, again;
    struct buf chunks;

    decode(input, seed, false, &whole);
    decode(input, seed, true, &pieces);
    CHECK(whole.verdict == pieces.verdict);
    CHECK(whole.verdict == CHUNKED_IS_BAD || whole.read == pieces.read);
    if (whole.verdict != CHUNKED_IS_BAD)
        CHECK(span_equal(buf_span(&whole.body), buf_span(&pieces.body)));
    if (whole.verdict == CHUNKED_IS_DONE)
        check_lines((struct span){input.bytes, whole.read}, buf_span(&whole.body));

    buf_init(&chunks, 1 << 20);
    encode(input, seed, &chunks);
    size_t encoded = chunks.len;
    buf_puts(&chunks, "GET /");
    decode(buf_span(&chunks), seed, true, &again);
    CHECK(again.verdict == CHUNKED_IS_DONE && again.read == encoded);
    CHECK(span_equal(buf_span(&again.body), input));

    buf_free(&whole.body);
    buf_free(&pieces.body);
    buf_free(&again.body);
    buf_free(&chunks);
    return 0;
}
