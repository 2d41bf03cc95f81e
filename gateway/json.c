#include "gateway/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/bounds.h"

static void fail(struct json *json, int status, const char *format, va_list arguments)
{
    if (json->failed)
        return;
    json->failed = true;
    json->status = status;
    vsnprintf(json->why, sizeof json->why, format, arguments);
}

void json_fail(struct json *json, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fail(json, 422, format, arguments);
    va_end(arguments);
}

static void __attribute__((format(printf, 2, 3)))
fail_whole(struct json *json, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fail(json, 400, format, arguments);
    va_end(arguments);
}

/* jansson's own bound on nesting is fixed at 2048: ours is checked before it starts. */
static bool is_too_deep(struct span body)
{
    size_t depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < body.len; i++) {
        char c = body.bytes[i];
        if (in_text) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_text = false;
        } else if (c == '"') {
            in_text = true;
        } else if ((c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX) {
            return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

void json_read(struct json *json, struct span body)
{
    json_error_t error;

    json->root = NULL;
    json->failed = false;
    if (body.len == 0) {
        json->root = json_object();
        if (json->root == NULL)
            fail_whole(json, "There is no memory to read the body");
        return;
    }
    if (is_too_deep(body)) {
        fail_whole(json, "The body is nested more than %d deep", JSON_DEPTH_MAX);
        return;
    }
    json->root = json_loadb(body.bytes, body.len, JSON_REJECT_DUPLICATES, &error);
    if (json->root == NULL && json_error_code(&error) == json_error_numeric_overflow)
        json_fail(json, "A number in the body is too large");
    else if (json->root == NULL)
        fail_whole(json, "The body is not valid JSON (line %d, column %d)", error.line,
                   error.column);
    else if (!json_is_object((json_t *)json->root))
        fail_whole(json, "The body must be a JSON object");
}

void json_free(struct json *json)
{
    json_decref(json->root);
    json->root = NULL;
}

struct json_object json_root(const struct json *json)
{
    return (struct json_object){json->root};
}

/* NULL if it is absent, null, or something was wrong before. */
static const json_t *member(struct json *json, struct json_object in, const char *name,
                            bool required)
{
    const json_t *value = json->failed ? NULL : json_object_get(in.object, name);

    if (value != NULL && json_is_null(value))
        value = NULL;
    if (value == NULL && required)
        json_fail(json, "\"%s\" is missing", name);
    return value;
}

bool json_has(struct json_object in, const char *name)
{
    const json_t *value = json_object_get(in.object, name);

    return value != NULL && !json_is_null(value);
}

bool json_text(struct json *json, struct json_object in, const char *name, bool required,
               struct span *text)
{
    const json_t *value = member(json, in, name, required);

    if (value == NULL)
        return false;
    if (!json_is_string(value)) {
        json_fail(json, "\"%s\" must be a string", name);
        return false;
    }
    *text = (struct span){json_string_value(value), json_string_length(value)};
    return true;
}

bool json_whole(struct json *json, struct json_object in, const char *name, bool required,
                int64_t min, int64_t max, int64_t *n)
{
    const json_t *value = member(json, in, name, required);

    if (value == NULL)
        return false;
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max) {
        json_fail(json, "\"%s\" must be a whole number from %lld to %lld", name, (long long)min,
                  (long long)max);
        return false;
    }
    *n = json_integer_value(value);
    return true;
}

bool json_word(struct json *json, struct json_object in, const char *name, bool required,
               char digits[JSON_DIGITS], struct span *text)
{
    const json_t *value = member(json, in, name, required);

    if (value == NULL)
        return false;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        int n = snprintf(digits, JSON_DIGITS, "%lld", (long long)json_integer_value(value));
        *text = (struct span){digits, (size_t)n};
        return true;
    }
    if (json_is_string(value))
        return json_text(json, in, name, required, text);
    json_fail(json, "\"%s\" must be a string or a whole number", name);
    return false;
}

bool json_number(struct json *json, struct json_object in, const char *name, bool required,
                 double *n)
{
    const json_t *value = member(json, in, name, required);

    if (value == NULL)
        return false;
    if (!json_is_number(value)) {
        json_fail(json, "\"%s\" must be a number", name);
        return false;
    }
    *n = json_number_value(value);
    return true;
}

bool json_flag(struct json *json, struct json_object in, const char *name, bool *flag)
{
    const json_t *value = member(json, in, name, false);

    if (value == NULL)
        return false;
    if (!json_is_boolean(value)) {
        json_fail(json, "\"%s\" must be true or false", name);
        return false;
    }
    *flag = json_is_true(value);
    return true;
}

static bool read_list(struct json *json, struct json_object in, const char *name, size_t max,
                      const char *of, size_t *count)
{
    const json_t *value = member(json, in, name, false);

    if (value == NULL)
        return false;
    *count = json_array_size(value);
    if (!json_is_array(value) || *count == 0 || *count > max) {
        json_fail(json, "\"%s\" must be an array of 1 to %zu %s", name, max, of);
        return false;
    }
    return true;
}

bool json_object_in(struct json *json, struct json_object in, const char *name, bool required,
                    struct json_object *object)
{
    json_t *value = (json_t *)(uintptr_t)member(json, in, name, required);

    if (value == NULL)
        return false;
    if (!json_is_object(value)) {
        json_fail(json, "\"%s\" must be an object", name);
        return false;
    }
    object->object = value;
    return true;
}

bool json_list(struct json *json, struct json_object in, const char *name, size_t max,
               size_t *count)
{
    return read_list(json, in, name, max, "objects", count);
}

bool json_texts(struct json *json, struct json_object in, const char *name, size_t max,
                size_t *count)
{
    return read_list(json, in, name, max, "strings", count);
}

bool json_text_at(struct json *json, struct json_object in, const char *name, size_t index,
                  struct span *text)
{
    const json_t *value = json_array_get(json_object_get(in.object, name), index);

    if (json->failed)
        return false;
    if (!json_is_string(value)) {
        json_fail(json, "\"%s\" must hold strings", name);
        return false;
    }
    *text = (struct span){json_string_value(value), json_string_length(value)};
    return true;
}

bool json_list_at(struct json *json, struct json_object in, const char *name, size_t index,
                  struct json_object *element)
{
    json_t *value = json_array_get(json_object_get(in.object, name), index);

    if (json->failed)
        return false;
    if (!json_is_object(value)) {
        json_fail(json, "\"%s\" must hold objects", name);
        return false;
    }
    element->object = value;
    return true;
}

static struct span text_of(const json_t *value)
{
    return json_is_string(value)
               ? (struct span){json_string_value(value), json_string_length(value)}
               : (struct span){"", 0};
}

static bool has_element(const json_t *list, struct span wanted)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *element = json_array_get(list, i);
        if (json_is_string(element) && span_equal(text_of(element), wanted))
            return true;
    }
    return false;
}

bool json_text_is_among(struct json_object in, const char *name, struct span wanted)
{
    const json_t *value = json_object_get(in.object, name);

    return json_is_string(value) ? span_equal(text_of(value), wanted) : has_element(value, wanted);
}

bool json_word_is_among(struct json_object in, const char *name, struct span wanted)
{
    struct span rest = text_of(json_object_get(in.object, name));

    while (rest.len > 0) {
        const char *space = memchr(rest.bytes, ' ', rest.len);
        size_t len = space != NULL ? (size_t)(space - rest.bytes) : rest.len;
        if (span_equal((struct span){rest.bytes, len}, wanted))
            return true;
        rest.bytes += len + (space != NULL);
        rest.len -= len + (space != NULL);
    }
    return json_text_is_among(in, name, wanted);
}

void json_set_whole(struct json *json, struct json_object in, const char *name, int64_t n)
{
    if (!json->failed && json_object_set_new(in.object, name, json_integer(n)) != 0)
        json_fail(json, "The body is too large");
}

void json_add_whole(struct json *json, struct json_object in, const char *name, int64_t n)
{
    json_t *array = json_object_get(in.object, name);

    if (json->failed)
        return;
    if (array == NULL && json_object_set_new(in.object, name, json_array()) == 0)
        array = json_object_get(in.object, name);
    if (json_array_append_new(array, json_integer(n)) != 0)
        json_fail(json, "The body is too large");
}

void json_rename(struct json *json, struct json_object in, const char *name, const char *to)
{
    json_t *value = json->failed ? NULL : json_object_get(in.object, name);

    if (value == NULL)
        return;
    if (json_object_set(in.object, to, value) != 0)
        json_fail(json, "The body is too large");
    json_object_del(in.object, name);
}

void json_drop(struct json *json, struct json_object in, const char *name)
{
    if (!json->failed)
        json_object_del(in.object, name);
}

void json_write(struct json *json, struct json_object in, struct buf *text)
{
    char *written = json->failed ? NULL : json_dumps(in.object, JSON_COMPACT | JSON_SORT_KEYS);

    if (written != NULL)
        buf_puts(text, written);
    if (!json->failed && (written == NULL || text->failed))
        json_fail(json, "The body is too large");
    free(written);
}
