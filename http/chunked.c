#include "http/chunked.h"

#include <assert.h>

#include "http/head.h"

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* One more digit. Sixteen would overflow and no body is so long: 15 digits are plenty. */
static enum chunked_state read_size(struct chunked *c, char byte)
{
    int digit = hex_digit(byte);
    if (digit < 0)
        return CHUNKED_BAD;
    if (c->left > UINT64_MAX >> 8)
        return CHUNKED_BAD;
    c->left = c->left * 16 + (uint64_t)digit;
    return CHUNKED_SIZE;
}

static enum chunked_state read_size_end(struct chunked *c, char byte)
{
    if (byte == '\r')
        return CHUNKED_SIZE_LF;
    return byte == ';' ? CHUNKED_EXTENSION : read_size(c, byte);
}

static enum chunked_state read_extension(char byte)
{
    if (byte == '\r')
        return CHUNKED_SIZE_LF;
    return head_byte_in_value((unsigned char)byte) ? CHUNKED_EXTENSION : CHUNKED_BAD;
}

static enum chunked_state read_size_lf(struct chunked *c, char byte)
{
    c->line_bytes = 0;
    if (byte != '\n')
        return CHUNKED_BAD;
    return c->left > 0 ? CHUNKED_DATA : CHUNKED_TRAILER_START;
}

static enum chunked_state read_data_lf(struct chunked *c, char byte)
{
    c->line_bytes = 0;
    return byte == '\n' ? CHUNKED_SIZE_FIRST : CHUNKED_BAD;
}

static enum chunked_state read_trailer_start(char byte)
{
    if (byte == '\r')
        return CHUNKED_LAST_LF;
    return head_byte_in_token((unsigned char)byte) ? CHUNKED_TRAILER_NAME : CHUNKED_BAD;
}

static enum chunked_state read_trailer_name(char byte)
{
    if (byte == ':')
        return CHUNKED_TRAILER_VALUE;
    return head_byte_in_token((unsigned char)byte) ? CHUNKED_TRAILER_NAME : CHUNKED_BAD;
}

static enum chunked_state read_trailer_value(char byte)
{
    if (byte == '\r')
        return CHUNKED_TRAILER_LF;
    return head_byte_in_value((unsigned char)byte) ? CHUNKED_TRAILER_VALUE : CHUNKED_BAD;
}

/* The state after one byte that is not data. */
static enum chunked_state read_byte(struct chunked *c, char byte)
{
    switch (c->state) {
    case CHUNKED_SIZE_FIRST:
        return read_size(c, byte);
    case CHUNKED_SIZE:
        return read_size_end(c, byte);
    case CHUNKED_EXTENSION:
        return read_extension(byte);
    case CHUNKED_SIZE_LF:
        return read_size_lf(c, byte);
    case CHUNKED_DATA_CR:
        return byte == '\r' ? CHUNKED_DATA_LF : CHUNKED_BAD;
    case CHUNKED_DATA_LF:
        return read_data_lf(c, byte);
    case CHUNKED_TRAILER_START:
        return read_trailer_start(byte);
    case CHUNKED_TRAILER_NAME:
        return read_trailer_name(byte);
    case CHUNKED_TRAILER_VALUE:
        return read_trailer_value(byte);
    case CHUNKED_TRAILER_LF:
        return byte == '\n' ? CHUNKED_TRAILER_START : CHUNKED_BAD;
    case CHUNKED_LAST_LF:
        return byte == '\n' ? CHUNKED_DONE : CHUNKED_BAD;
    case CHUNKED_DATA:
    case CHUNKED_DONE:
    case CHUNKED_BAD:
        break;
    }
    assert(!"a byte was given to a decoder that wants none");
    return CHUNKED_BAD;
}

static struct span take_data(struct chunked *c, struct span *input)
{
    struct span data = {input->bytes, input->len};
    if (data.len > c->left)
        data.len = (size_t)c->left;
    input->bytes += data.len;
    input->len -= data.len;
    c->left -= data.len;
    if (c->left == 0)
        c->state = CHUNKED_DATA_CR;
    return data;
}

static bool line_is_too_long(const struct chunked *c)
{
    bool in_trailers = c->state >= CHUNKED_TRAILER_START && c->state <= CHUNKED_LAST_LF;
    return c->line_bytes > (in_trailers ? TRAILER_BYTES_MAX : CHUNK_LINE_BYTES_MAX);
}

enum chunked_verdict chunked_read(struct chunked *c, struct span *input, struct span *data)
{
    assert(c->state != CHUNKED_DONE && c->state != CHUNKED_BAD);
    while (input->len > 0) {
        if (c->state == CHUNKED_DATA) {
            *data = take_data(c, input);
            return CHUNKED_HAS_DATA;
        }
        c->line_bytes++;
        c->state = line_is_too_long(c) ? CHUNKED_BAD : read_byte(c, *input->bytes);
        if (c->state == CHUNKED_BAD)
            return CHUNKED_IS_BAD;
        input->bytes++;
        input->len--;
        if (c->state == CHUNKED_DONE)
            return CHUNKED_IS_DONE;
    }
    return CHUNKED_WANTS_MORE;
}
