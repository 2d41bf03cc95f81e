/*
 * JSON bodies; the only place that includes jansson. A body is an object; members that nobody asks
 * for are ignored. Reading a member reports the first thing that is wrong and then does nothing, so
 * a run of reads needs one check at its end.
 */
#ifndef USHER_GATEWAY_JSON_H
#define USHER_GATEWAY_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define JSON_WHY_BYTES 160

struct json {
    void *root;  /* owned, opaque */
    bool failed; /* something was wrong: `status` and `why` say what */
    int status;  /* 400: not JSON of the right kind; 422: a member is not what it should be; 403: it
                    names another user than may be named */
    char why[JSON_WHY_BYTES]; /* a sentence for people */
};

/* A borrowed object within a body. */
struct json_object {
    void *object;
};

/* Never fails in itself: look at json->failed. Strings read from it borrow from it until
 * json_free. An empty body is an empty object. */
void json_read(struct json *json, struct span body);
void json_free(struct json *json);
struct json_object json_root(const struct json *json);

/* The member's value if it is there and right. False if it is absent (or null), or if something
 * is wrong; `required` makes absence wrong. */
bool json_text(struct json *json, struct json_object in, const char *name, bool required,
               struct span *text);
bool json_whole(struct json *json, struct json_object in, const char *name, bool required,
                int64_t min, int64_t max, int64_t *n);
/* Any number. */
bool json_number(struct json *json, struct json_object in, const char *name, bool required,
                 double *n);
/* A string, or a whole number of 0 or more, which is written out into `digits`. */
#define JSON_DIGITS 24
bool json_word(struct json *json, struct json_object in, const char *name, bool required,
               char digits[JSON_DIGITS], struct span *text);
bool json_flag(struct json *json, struct json_object in, const char *name, bool *flag);
/* An array of objects, from 1 to max of them. */
bool json_list(struct json *json, struct json_object in, const char *name, size_t max,
               size_t *count);
bool json_list_at(struct json *json, struct json_object in, const char *name, size_t index,
                  struct json_object *element);
/* An object within the object. */
bool json_object_in(struct json *json, struct json_object in, const char *name, bool required,
                    struct json_object *object);
/* An array of strings, from 1 to max of them. */
bool json_texts(struct json *json, struct json_object in, const char *name, size_t max,
                size_t *count);
bool json_text_at(struct json *json, struct json_object in, const char *name, size_t index,
                  struct span *text);
/* Whether the member is this string, or an array that has it; the second: or has it as a word. */
bool json_text_is_among(struct json_object in, const char *name, struct span wanted);
bool json_word_is_among(struct json_object in, const char *name, struct span wanted);
bool json_has(struct json_object in, const char *name); /* and it is not null */

/* Change the body itself: a member becomes this number, an array has it as its last, which is made
 * with its first, it has another name, or it is gone. */
void json_set_whole(struct json *json, struct json_object in, const char *name, int64_t n);
void json_add_whole(struct json *json, struct json_object in, const char *name, int64_t n);
void json_rename(struct json *json, struct json_object in, const char *name, const char *to);
void json_drop(struct json *json, struct json_object in, const char *name);
/* The object as text, its members in the order of their names: the same body is the same text. */
void json_write(struct json *json, struct json_object in, struct buf *text);

/* Say that something is wrong (422), unless something was before. */
void json_fail(struct json *json, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
