/*
 * http-parser, behind one door: it splits a head that head.c has passed into its target and its
 * fields and says whether the connection may stay open. It sees neither other heads nor bodies.
 * llhttp, its successor, has the same interface; nothing but parser.c would change.
 */
#ifndef USHER_HTTP_PARSER_H
#define USHER_HTTP_PARSER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/buf.h"

/* Places within the head's bytes. */
struct parser_field {
    uint16_t name_at, name_len, value_at, value_len;
};

struct parser_result {
    uint16_t target_at, target_len;
    bool keep_alive;
    size_t count;
    struct parser_field field[FIELDS_MAX];
};

/*
 * `head` begins with the method, method_len bytes long. False if http-parser does not take what
 * head.c took, or sees its end elsewhere: then the request must be refused.
 */
bool parser_read(struct span head, size_t method_len, struct parser_result *result);

#endif
