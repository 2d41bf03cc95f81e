#include "courier/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define NAME_BYTES 64

struct json json_read(struct span text)
{
    return (struct json){json_loadb(text.bytes, text.len, JSON_REJECT_DUPLICATES, NULL)};
}

void json_free(struct json *json)
{
    json_decref(json->root);
    json->root = NULL;
}

static const json_t *find(const struct json *json, const char *path)
{
    const json_t *at = json->root;

    while (at != NULL && *path != '\0') {
        char name[NAME_BYTES];
        size_t n = strcspn(path, ".");
        if (n >= sizeof name)
            return NULL;
        memcpy(name, path, n);
        name[n] = '\0';
        at = json_is_array(at) ? json_array_get(at, strtoul(name, NULL, 10))
                               : json_object_get(at, name);
        path += n + (path[n] == '.');
    }
    return at;
}

bool json_text(const struct json *json, const char *path, char *into, size_t size)
{
    const json_t *value = find(json, path);

    into[0] = '\0';
    if (!json_is_string(value) || json_string_length(value) >= size)
        return false;
    snprintf(into, size, "%s", json_string_value(value));
    return true;
}

struct span json_span(const struct json *json, const char *path)
{
    const json_t *value = find(json, path);

    return (struct span){json_string_value(value), json_string_length(value)};
}

int64_t json_number(const struct json *json, const char *path)
{
    return json_integer_value(find(json, path));
}

size_t json_length(const struct json *json, const char *path)
{
    return json_array_size(find(json, path));
}
