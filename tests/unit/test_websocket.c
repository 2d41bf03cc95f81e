#include "gateway/websocket.h"
#include "tests/unit/unit.h"

/* Frames of a client are masked; a mask of zeros leaves the bytes as they are. */
#define MASK "\0\0\0\0"

static struct buf out;
static struct websocket *half;

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, 65536);
    half = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    websocket_free(half);
    buf_free(&out);
    return 0;
}

static bool take(struct span bytes)
{
    buf_reset(&out);
    return websocket_take(&half, bytes, &out);
}

/* The connection ends, and with this code. */
static void ends_with(struct span bytes, unsigned code)
{
    assert_false(take(bytes));
    assert_null(half);
    assert_true(out.len >= 4);
    assert_int_equal((unsigned char)out.bytes[0], 0x88);
    assert_int_equal((unsigned char)out.bytes[2] << 8 | (unsigned char)out.bytes[3], code);
}

TEST(the_key_is_answered_as_in_the_rfc)
{
    char accept[WEBSOCKET_ACCEPT_BYTES];

    assert_true(websocket_accept(SPAN("dGhlIHNhbXBsZSBub25jZQ=="), accept));
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_false(websocket_accept(SPAN("dGhlIHNhbXBsZSBub25jZQ="), accept));
    assert_false(websocket_accept(SPAN("dGhlIHNhbXBsZSBub25jZQ==="), accept));
    assert_false(websocket_accept(SPAN("dGhlIHNhbXBsZSBub25j!Q=="), accept));
    assert_false(websocket_accept((struct span){NULL, 0}, accept));
}

TEST(what_is_sent_is_framed)
{
    struct buf text;

    websocket_put_text(&out, SPAN("{}"));
    websocket_put_ping(&out);
    websocket_put_close(&out, WEBSOCKET_GOING_AWAY, SPAN("bye"));
    websocket_put_text(&out, SPAN("on"));
    assert_span(buf_span(&out), BYTES("\x81\x02{}\x89\x00\x88\x05\x03\xe9"
                                      "bye\x81\x02on"));
    buf_reset(&out);
    buf_init(&text, 70000);
    for (int i = 0; i < 300; i++)
        buf_putc(&text, 'x');
    websocket_put_text(&out, buf_span(&text));
    assert_int_equal(out.len, 304);
    assert_memory_equal(out.bytes, "\x81\x7e\x01\x2c", 4);
    buf_free(&text);
}

TEST(a_ping_is_answered_and_nothing_is_kept)
{
    assert_true(take(BYTES("\x89\x82" MASK "hi")));
    assert_span(buf_span(&out), BYTES("\x8a\x02hi"));
    assert_null(half);
    assert_true(take(BYTES("\x8a\x80" MASK)));
    assert_int_equal(out.len, 0);
    assert_null(half);
}

TEST(messages_are_passed_over)
{
    assert_true(take(BYTES("\x81\x82" MASK "hi\x82\x81" MASK "\xff")));
    assert_int_equal(out.len, 0);
    assert_null(half);
}

TEST(frames_may_come_byte_by_byte)
{
    static const char bytes[] = "\x01\x81" MASK "a\x89\x81" MASK "p\x80\x81" MASK "b";
    size_t kept = 0, answered = 0;

    for (size_t i = 0; i + 1 < sizeof bytes; i++) {
        assert_true(take((struct span){bytes + i, 1}));
        kept += half != NULL;
        answered += out.len;
    }
    assert_int_equal(answered, 3); /* the pong, from between the fragments */
    assert_int_equal(kept, sizeof bytes - 2);
    assert_null(half);
}

TEST(a_close_is_answered)
{
    ends_with(BYTES("\x88\x82" MASK "\x03\xe8"), 1000);
    assert_false(take(BYTES("\x88\x80" MASK)));
    assert_span(buf_span(&out), BYTES("\x88\x00"));
}

TEST(what_breaks_the_protocol_ends_it)
{
    static const struct {
        struct span bytes;
        unsigned code;
    } rows[] = {
        {BYTES("\x81\x02hi"), 1002},                            /* not masked */
        {BYTES("\xc1\x80" MASK), 1002},                         /* a bit that nobody agreed on */
        {BYTES("\x83\x80" MASK), 1002},                         /* no such opcode */
        {BYTES("\x80\x81" MASK "x"), 1002},                     /* goes on with nothing */
        {BYTES("\x01\x81" MASK "x\x81\x81" MASK "y"), 1002},    /* a message within one */
        {BYTES("\x09\x80" MASK), 1002},                         /* a ping in parts */
        {BYTES("\x89\xfe\x00\x7e" MASK), 1002},                 /* a ping of 126 bytes */
        {BYTES("\x81\xfe\x00\x02" MASK "hi"), 1002},            /* a length that could be shorter */
        {BYTES("\x88\x81" MASK "\x03"), 1002},                  /* half a code */
        {BYTES("\x81\x82" MASK "\xc3("), 1007},                 /* no UTF-8 */
        {BYTES("\x01\x81" MASK "\xc3\x80\x81" MASK "("), 1007}, /* … in parts */
        {BYTES("\x82\xfe\x10\x01" MASK "x"), 1009},             /* 4097 bytes */
        {BYTES("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" MASK "x"), 1009},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        ends_with(rows[i].bytes, rows[i].code);
}

TEST(a_message_in_parts_is_bounded_too)
{
    char part[8 + 1024] = "\x02\xfe\x04\x00";
    bool goes_on = true;
    size_t parts = 0;

    for (; goes_on && parts < 10; parts++) {
        part[0] = parts == 0 ? 2 : 0;
        goes_on = take((struct span){part, sizeof part});
    }
    assert_false(goes_on);
    assert_int_equal(parts, 5);
    assert_memory_equal(out.bytes + 2, "\x03\xf1", 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    return RUN(T(the_key_is_answered_as_in_the_rfc), T(what_is_sent_is_framed),
               T(a_ping_is_answered_and_nothing_is_kept), T(messages_are_passed_over),
               T(frames_may_come_byte_by_byte), T(a_close_is_answered),
               T(what_breaks_the_protocol_ends_it), T(a_message_in_parts_is_bounded_too));
}
