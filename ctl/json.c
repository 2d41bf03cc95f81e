#include "json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static bool read_show(const json_t *object, struct show_spec *spec, char why[SHOW_WHY_BYTES]);
static bool read_field(const char *key, const json_t *value, struct show_spec *spec,
                       char why[SHOW_WHY_BYTES]);
static bool read_tiers(const json_t *value, struct show_spec *spec, char why[SHOW_WHY_BYTES]);

static bool fault(char why[SHOW_WHY_BYTES], const char *format, const char *key)
{
    snprintf(why, SHOW_WHY_BYTES, format, key);
    return false;
}

bool json_read_shows(const char *path, struct show_list *list, char why[SHOW_WHY_BYTES])
{
    *list = (struct show_list){0};
    json_error_t error;
    json_t *tree = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (tree == NULL) {
        if (error.line > 0)
            snprintf(why, SHOW_WHY_BYTES, "%s:%d: %s", path, error.line, error.text);
        else
            snprintf(why, SHOW_WHY_BYTES, "%s", error.text);
        return false;
    }
    list->tree = tree;
    size_t count = json_is_array(tree) ? json_array_size(tree) : 1;
    if (count > SHOWS_IN_FILE_MAX)
        return fault(why, "%s: too many shows in one file", path);
    list->specs = calloc(count + 1, sizeof(*list->specs));
    if (list->specs == NULL)
        abort();
    for (; list->count < count; list->count++) {
        const json_t *object = json_is_array(tree) ? json_array_get(tree, list->count) : tree;
        char clause[SHOW_WHY_BYTES];
        if (read_show(object, &list->specs[list->count], clause))
            continue;
        snprintf(why, SHOW_WHY_BYTES, "show %zu of the file: %.150s", list->count + 1, clause);
        return false;
    }
    return true;
}

void json_free_shows(struct show_list *list)
{
    json_decref(list->tree);
    free(list->specs);
    *list = (struct show_list){0};
}

static bool read_show(const json_t *object, struct show_spec *spec, char why[SHOW_WHY_BYTES])
{
    show_spec_init(spec);
    if (!json_is_object(object))
        return fault(why, "it is not an object%s", "");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        bool read = strcmp(key, "tiers") == 0 ? read_tiers(value, spec, why)
                                              : read_field(key, value, spec, why);
        if (!read)
            return false;
    }
    return show_spec_check(spec, why);
}

static bool read_field(const char *key, const json_t *value, struct show_spec *spec,
                       char why[SHOW_WHY_BYTES])
{
    const struct flag *field = NULL;
    char name[SHOW_FIELD_BYTES];
    for (size_t i = 0; field == NULL && i < SHOW_FIELDS; i++) {
        show_field_key(&show_fields[i], name);
        if (strcmp(name, key) == 0)
            field = &show_fields[i];
    }
    if (field == NULL)
        return fault(why, "there is no key '%.60s'", key);
    void *target = (char *)spec + field->offset;
    if (field->kind == FLAG_TEXT && json_is_string(value)) {
        *(const char **)target = json_string_value(value);
        return true;
    }
    if (field->kind == FLAG_SWITCH && json_is_boolean(value)) {
        *(bool *)target = json_is_true(value);
        return true;
    }
    if (field->kind == FLAG_NUMBER && json_is_integer(value) &&
        json_integer_value(value) >= field->min && json_integer_value(value) <= field->max) {
        *(int64_t *)target = json_integer_value(value);
        return true;
    }
    return fault(why, "'%s' has the wrong type or is out of range", name);
}

static bool read_step(const json_t *object, struct price_step_spec *step)
{
    const json_t *sold = json_object_get(object, "sold_percent");
    const json_t *from = json_object_get(object, "from");
    const json_t *price = json_object_get(object, "price");

    *step = (struct price_step_spec){.price = json_integer_value(price)};
    if (json_object_size(object) != 2 || !json_is_integer(price))
        return false;
    if (json_is_integer(sold)) {
        step->sold_percent = json_integer_value(sold);
        return step->sold_percent != 0;
    }
    if (!json_is_string(from) || json_string_length(from) >= sizeof(step->from))
        return false;
    snprintf(step->from, sizeof(step->from), "%s", json_string_value(from));
    return true;
}

static bool read_steps(const json_t *value, struct tier_spec *tier, char why[SHOW_WHY_BYTES])
{
    if (value == NULL)
        return true;
    if (!json_is_array(value) || json_array_size(value) > PRICE_STEPS_MAX)
        return fault(why, "'price_steps' must be an array, and not a long one%s", "");
    for (; tier->steps < json_array_size(value); tier->steps++)
        if (!read_step(json_array_get(value, tier->steps), &tier->step[tier->steps]))
            return fault(why,
                         "a price step is {\"sold_percent\": n, \"price\": n} or {\"from\": time, "
                         "\"price\": n}%s",
                         "");
    return true;
}

static bool read_tiers(const json_t *value, struct show_spec *spec, char why[SHOW_WHY_BYTES])
{
    if (!json_is_array(value) || json_array_size(value) > TIERS_MAX)
        return fault(why, "'tiers' must be an array, and not a long one%s", "");
    for (; spec->tiers < json_array_size(value); spec->tiers++) {
        struct tier_spec *tier = &spec->tier[spec->tiers];
        const json_t *object = json_array_get(value, spec->tiers);
        const json_t *code = json_object_get(object, "code");
        const json_t *price = json_object_get(object, "price");
        const json_t *capacity = json_object_get(object, "capacity");
        const json_t *steps = json_object_get(object, "price_steps");
        if (json_object_size(object) != (steps != NULL ? 4u : 3u) || !json_is_string(code) ||
            !json_is_integer(price) || !json_is_integer(capacity) ||
            json_string_length(code) > TIER_BYTES_MAX)
            return fault(why,
                         "a tier is {\"code\": text, \"price\": n, \"capacity\": n}, and perhaps "
                         "\"price_steps\"%s",
                         "");
        snprintf(tier->code, sizeof(tier->code), "%s", json_string_value(code));
        tier->price = json_integer_value(price);
        tier->capacity = json_integer_value(capacity);
        if (!read_steps(steps, tier, why))
            return false;
    }
    return true;
}

/* What is not known is null. */
static json_t *known(int64_t n)
{
    return n < 0 ? json_null() : json_integer(n);
}

static json_t *partition_object(const struct partition_status *p)
{
    return json_pack("{s:i, s:s, s:I, s:I, s:s, s:o, s:s, s:b, s:I, s:o, s:o}", "partition",
                     (int)p->partition, "owner", p->owner, "epoch", (json_int_t)p->epoch, "version",
                     (json_int_t)p->version, "cursor", p->cursor, "heartbeat_age_ms",
                     known(p->heartbeat_age_ms), "state", p->state, "stream", p->has_stream,
                     "backlog", (json_int_t)p->backlog_entries, "oldest_ms", known(p->oldest_ms),
                     "rate", known(p->rate));
}

void json_write_status(FILE *out, const struct status *status)
{
    json_t *root = json_object(), *partitions = json_array(), *gateways = json_array();
    for (size_t i = 0; i < status->partitions; i++)
        json_array_append_new(partitions, partition_object(&status->partition[i]));
    for (size_t i = 0; i < status->gateways; i++)
        json_array_append_new(gateways, json_string(status->gateway[i]));
    json_object_set_new(root, "partitions", partitions);
    json_object_set_new(root, "gateways", gateways);
    json_object_set_new(root, "redis",
                        json_string(*status->redis_fault ? status->redis_fault : "ok"));
    json_dumpf(root, out, JSON_INDENT(2));
    fprintf(out, "\n");
    json_decref(root);
}
