#include "web_json.h"

#include <stdlib.h>

#include <jansson.h>

static json_t *value_of(const struct json_member *m)
{
    json_t *value = m->kind == JSON_TEXT
                        ? json_string(m->value)
                        : json_loads(m->value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

    if (value != NULL && m->kind == JSON_ANY && (json_is_object(value) || json_is_array(value))) {
        json_decref(value);
        value = NULL;
    }
    return value == NULL && m->kind == JSON_ANY ? json_string(m->value) : value;
}

char *json_object_of(const struct json_member *members, size_t count, char why[JSON_WHY_BYTES])
{
    json_t *object = json_object();
    char *text = NULL;
    size_t i = 0;

    for (; i < count; i++) {
        if (members[i].value == NULL)
            continue;
        json_t *value = value_of(&members[i]);
        if (value == NULL || json_object_set_new(object, members[i].name, value) != 0)
            break;
    }
    if (i < count)
        snprintf(why, JSON_WHY_BYTES, "'%.40s' is not what '%.40s' can be", members[i].value,
                 members[i].name);
    else if ((text = json_dumps(object, JSON_COMPACT)) == NULL)
        abort();
    json_decref(object);
    return text;
}

char *json_list_of(const char *const *words, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(words[i]));
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    if (text == NULL)
        abort();
    return text;
}

/* With 15 digits a number is told as the gateway wrote it: 10.7, not 10.699999999999999. */
static void print_value(FILE *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER |
                                       JSON_REAL_PRECISION(15));

    fprintf(out, "%s\n",
            json_is_string(value) ? json_string_value(value)
            : text != NULL        ? text
                                  : "?");
    free(text);
}

void json_print_member(FILE *out, struct span body, const char *name)
{
    json_t *tree = json_loadb(body.bytes, body.len, 0, NULL);

    print_value(out, json_object_get(tree, name));
    json_decref(tree);
}

void json_print_lines(FILE *out, struct span body, const char *name)
{
    json_t *tree = json_loadb(body.bytes, body.len, 0, NULL);
    const json_t *list = json_object_get(tree, name);

    for (size_t i = 0; i < json_array_size(list); i++)
        print_value(out, json_array_get(list, i));
    json_decref(tree);
}

void json_tell_problem(struct span body, int status)
{
    json_t *tree = json_loadb(body.bytes, body.len, 0, NULL);
    const char *code = json_string_value(json_object_get(tree, "code"));
    const char *detail = json_string_value(json_object_get(tree, "detail"));

    fflush(stdout);
    fprintf(stderr, "usherctl: refused: %s (%s)\n", detail != NULL ? detail : "no reason was given",
            code != NULL ? code : "unknown");
    if (status == 401 || status == 403)
        fprintf(stderr, "usherctl: admin_token must be one of the gateway's admin_token_hashes;"
                        " usherctl admin-token makes one\n");
    json_decref(tree);
}

int64_t json_read_result(struct span body, const char *name)
{
    json_t *tree = json_loadb(body.bytes, body.len, 0, NULL);
    int64_t n = json_integer_value(json_object_get(json_object_get(tree, "result"), name));

    json_decref(tree);
    return n;
}

bool json_read_page(struct span body, struct json_show shows[JSON_SHOWS_MAX], size_t *count,
                    char cursor[24])
{
    json_t *tree = json_loadb(body.bytes, body.len, 0, NULL);
    const json_t *list = json_object_get(tree, "shows"), *next = json_object_get(tree, "next");
    bool right = json_is_array(list) && json_array_size(list) <= JSON_SHOWS_MAX;

    *count = right ? json_array_size(list) : 0;
    for (size_t i = 0; right && i < *count; i++) {
        const json_t *row = json_array_get(list, i);
        const json_t *slug = json_object_get(json_object_get(row, "show"), "slug");
        right = json_is_string(slug) && json_string_length(slug) <= SLUG_BYTES_MAX;
        snprintf(shows[i].slug, sizeof(shows[i].slug), "%s", right ? json_string_value(slug) : "");
        shows[i].partition = json_integer_value(json_object_get(row, "partition"));
    }
    snprintf(cursor, 24, "%s", json_is_string(next) ? json_string_value(next) : "");
    json_decref(tree);
    return right;
}
