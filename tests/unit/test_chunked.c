#include "http/chunked.h"
#include "tests/unit/unit.h"

#define BODY_BYTES_MAX 65536

/* Decode, `step` bytes at a time. Returns the verdict; *used counts the input that was read. */
static enum chunked_verdict decode(struct span bytes, size_t step, struct buf *body, size_t *used)
{
    struct chunked c = {0};
    enum chunked_verdict verdict = CHUNKED_WANTS_MORE;
    size_t at = 0;

    while (at < bytes.len && verdict == CHUNKED_WANTS_MORE) {
        size_t n = bytes.len - at < step ? bytes.len - at : step;
        struct guarded g = guarded_copy((struct span){bytes.bytes + at, n});
        struct span input = g.span;
        struct span data;

        while ((verdict = chunked_read(&c, &input, &data)) == CHUNKED_HAS_DATA)
            buf_put(body, data.bytes, data.len);
        at += n - input.len;
        guarded_free(&g);
    }
    *used = at;
    return verdict;
}

static const struct {
    struct span bytes;
    struct span body;
} good[] = {
    {BYTES("0\r\n\r\n"), BYTES("")},
    {BYTES("5\r\nhello\r\n0\r\n\r\n"), BYTES("hello")},
    {BYTES("1\r\na\r\n00002\r\nbc\r\n000\r\n\r\n"), BYTES("abc")},
    {BYTES("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), BYTES("01234567890123456789")},
    {BYTES("3;a=b;c=\"d e\"\r\n\r\n\0\r\n0;x\r\n\r\n"), BYTES("\r\n\0")},
    {BYTES("1\r\na\r\n0\r\nX-Trailer: b\r\nY:\r\n\r\n"), BYTES("a")},
};

TEST(bodies_are_decoded_however_they_are_cut)
{
    for (size_t i = 0; i < COUNT(good); i++) {
        for (size_t step = 1; step <= good[i].bytes.len; step++) {
            struct buf body;
            size_t used;

            buf_init(&body, BODY_BYTES_MAX);
            assert_int_equal(decode(good[i].bytes, step, &body, &used), CHUNKED_IS_DONE);
            assert_int_equal(used, good[i].bytes.len);
            assert_span(buf_span(&body), good[i].body);
            buf_free(&body);
        }
    }
}

TEST(a_body_cut_short_is_never_done)
{
    for (size_t i = 0; i < COUNT(good); i++) {
        for (size_t len = 0; len < good[i].bytes.len; len++) {
            struct buf body;
            size_t used;

            buf_init(&body, BODY_BYTES_MAX);
            assert_int_equal(decode((struct span){good[i].bytes.bytes, len}, 100, &body, &used),
                             CHUNKED_WANTS_MORE);
            buf_free(&body);
        }
    }
}

TEST(what_follows_the_body_is_left)
{
    struct span bytes = BYTES("1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
    struct buf body;
    size_t used;

    buf_init(&body, BODY_BYTES_MAX);
    assert_int_equal(decode(bytes, bytes.len, &body, &used), CHUNKED_IS_DONE);
    assert_int_equal(used, strlen("1\r\na\r\n0\r\n\r\n"));
    buf_free(&body);
}

TEST(malformed_bodies_are_bad)
{
    static const struct span wrong[] = {
        BYTES("\r\n"),
        BYTES("g\r\n"),
        BYTES("-1\r\n"),
        BYTES("+1\r\n"),
        BYTES("0x1\r\n"),
        BYTES(" 1\r\n"),
        BYTES("1 \r\n"),
        BYTES("1\n"),
        BYTES("1\r\r"),
        BYTES("1\ra"),
        BYTES("fffffffffffffffff\r\n"), /* more than 64 bits */
        BYTES("10000000000000000\r\n"),
        BYTES("1;a\nb\r\n"), /* a bare LF in an extension */
        BYTES("1;\0\r\n"),
        BYTES("1;\x7f\r\n"),
        BYTES("1\r\nab\r\n"), /* longer than it says */
        BYTES("1\r\na\n"),
        BYTES("1\r\na\r\r"),
        BYTES("1\r\na0\r\n\r\n"),
        BYTES("0\r\n X: y\r\n"),
        BYTES("0\r\nX : y\r\n"),
        BYTES("0\r\nX\r\n"),
        BYTES("0\r\n: y\r\n"),
        BYTES("0\r\nX: y\n"),
        BYTES("0\r\nX: y\r\r"),
        BYTES("0\r\nX: \0\r\n"),
        BYTES("0\r\n\n"),
        BYTES("0\r\n\r\r"),
    };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        for (size_t step = 1; step <= wrong[i].len; step += wrong[i].len - 1) {
            struct buf body;
            size_t used;

            buf_init(&body, BODY_BYTES_MAX);
            if (decode(wrong[i], step, &body, &used) != CHUNKED_IS_BAD)
                fail_msg("row %zu, step %zu", i, step);
            buf_free(&body);
        }
    }
}

static enum chunked_verdict decode_filled(const char *before, char fill, size_t n,
                                          const char *behind)
{
    struct buf bytes, body;
    size_t used;

    buf_init(&bytes, BODY_BYTES_MAX);
    buf_init(&body, BODY_BYTES_MAX);
    buf_puts(&bytes, before);
    for (size_t i = 0; i < n; i++)
        buf_putc(&bytes, fill);
    buf_puts(&bytes, behind);
    enum chunked_verdict verdict = decode(buf_span(&bytes), bytes.len, &body, &used);
    buf_free(&bytes);
    buf_free(&body);
    return verdict;
}

TEST(size_lines_and_trailers_are_bounded)
{
    size_t extension = CHUNK_LINE_BYTES_MAX - strlen("0;\r\n");
    size_t trailer = TRAILER_BYTES_MAX - strlen("X:\r\n\r\n");

    assert_int_equal(decode_filled("0;", 'x', extension, "\r\n\r\n"), CHUNKED_IS_DONE);
    assert_int_equal(decode_filled("0;", 'x', extension + 1, "\r\n\r\n"), CHUNKED_IS_BAD);
    assert_int_equal(decode_filled("", '0', CHUNK_LINE_BYTES_MAX, "\r\n\r\n"), CHUNKED_IS_BAD);
    assert_int_equal(decode_filled("0\r\nX:", 'x', trailer, "\r\n\r\n"), CHUNKED_IS_DONE);
    assert_int_equal(decode_filled("0\r\nX:", 'x', trailer + 1, "\r\n\r\n"), CHUNKED_IS_BAD);
}

int main(void)
{
    return RUN(cmocka_unit_test(bodies_are_decoded_however_they_are_cut),
               cmocka_unit_test(a_body_cut_short_is_never_done),
               cmocka_unit_test(what_follows_the_body_is_left),
               cmocka_unit_test(malformed_bodies_are_bad),
               cmocka_unit_test(size_lines_and_trailers_are_bounded));
}
