#include "http/parser.h"

#include <assert.h>

#include <http_parser.h>

/* http-parser hands out pointers; places are what survives the head's copying. */
struct reading {
    const char *head;
    struct parser_result *result;
    bool complete;
};

static uint16_t place(const struct reading *r, const char *at)
{
    return (uint16_t)(at - r->head);
}

static int on_url(http_parser *parser, const char *at, size_t len)
{
    struct reading *r = parser->data;
    r->result->target_at = place(r, at);
    r->result->target_len = (uint16_t)len;
    return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t len)
{
    struct reading *r = parser->data;
    if (r->result->count == FIELDS_MAX)
        return 1;
    r->result->field[r->result->count++] =
        (struct parser_field){.name_at = place(r, at), .name_len = (uint16_t)len};
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t len)
{
    struct reading *r = parser->data;
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    struct parser_field *field = &r->result->field[r->result->count - 1];
    field->value_at = place(r, at);
    field->value_len = (uint16_t)len;
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    struct reading *r = parser->data;
    r->result->keep_alive = http_should_keep_alive(parser) != 0;
    r->complete = true;
    return 1; /* the body is not its business */
}

bool parser_read(struct span head, size_t method_len, struct parser_result *result)
{
    static const http_parser_settings settings = {
        .on_url = on_url,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_headers_complete = on_headers_complete,
    };
    assert(head.len <= UINT16_MAX && method_len < head.len);
    struct reading reading = {.head = head.bytes, .result = result};
    result->target_len = 0;
    result->count = 0;
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &reading;

    /* It refuses methods that it does not know, but whether to is the application's business:
     * head.c has read the method, and here every request is a GET. */
    http_parser_execute(&parser, &settings, "GET", 3);
    size_t rest = head.len - method_len;
    size_t read = http_parser_execute(&parser, &settings, head.bytes + method_len, rest);
    return HTTP_PARSER_ERRNO(&parser) == HPE_OK && reading.complete && read == rest;
}
