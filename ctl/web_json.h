/* What the gateway is asked and says, as JSON. */
#ifndef USHER_CTL_WEB_JSON_H
#define USHER_CTL_WEB_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bounds.h"
#include "base/buf.h"

/* An object as text, for the caller to free; members whose value is NULL are left out. JSON_TEXT:
 * the value is a string; JSON_TREE: it is JSON; JSON_ANY: a number, true, false or null if it reads
 * like one, else a string. NULL: one of them is not what it should be, and why. */
enum json_kind { JSON_TEXT, JSON_TREE, JSON_ANY };
struct json_member {
    const char *name, *value;
    enum json_kind kind;
};
#define JSON_WHY_BYTES 128
char *json_object_of(const struct json_member *members, size_t count, char why[JSON_WHY_BYTES]);
/* ["word", …], for the caller to free. */
char *json_list_of(const char *const *words, size_t count);

/* Of an answer: one member, or each element of one, a line each; what a problem says, on standard
 * error. */
void json_print_member(FILE *out, struct span body, const char *name);
void json_print_lines(FILE *out, struct span body, const char *name);
void json_tell_problem(struct span body, int status);
/* A number within what an operator's change came to; 0 if it is not there. */
int64_t json_read_result(struct span body, const char *name);

/* A page of all shows, and the cursor of the next one, or "". */
#define JSON_SHOWS_MAX 100
struct json_show {
    char slug[SLUG_BYTES_MAX + 1];
    int64_t partition;
};
bool json_read_page(struct span body, struct json_show shows[JSON_SHOWS_MAX], size_t *count,
                    char cursor[24]);

#endif
