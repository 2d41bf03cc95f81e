#include "json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"

static bool read_show(const json_t *object, struct show_spec *spec, char why[SHOW_WHY_BYTES]);
static bool read_field(const char *key, const json_t *value, struct show_spec *spec,
                       char why[SHOW_WHY_BYTES]);
static bool read_tiers(const json_t *value, struct tier_spec *tiers, size_t *count,
                       char why[SHOW_WHY_BYTES]);
static bool read_schedule(const json_t *object, struct schedule *schedule,
                          char why[SHOW_WHY_BYTES]);

static bool fault(char why[SHOW_WHY_BYTES], const char *format, const char *key)
{
    snprintf(why, SHOW_WHY_BYTES, format, key);
    return false;
}

static json_t *load_file(const char *path, char why[SHOW_WHY_BYTES])
{
    json_error_t error;
    json_t *tree = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (tree == NULL && error.line > 0)
        snprintf(why, SHOW_WHY_BYTES, "%s:%d: %s", path, error.line, error.text);
    else if (tree == NULL)
        snprintf(why, SHOW_WHY_BYTES, "%s", error.text);
    return tree;
}

bool json_read_shows(const char *path, struct show_list *list, char why[SHOW_WHY_BYTES])
{
    json_t *tree = load_file(path, why);
    *list = (struct show_list){.tree = tree};
    if (tree == NULL)
        return false;
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

bool json_read_series(const char *path, struct show_list *list, char why[SHOW_WHY_BYTES])
{
    struct schedule schedule = {.utc_offset = "Z", .closes_minutes_before = -1};
    *list = (struct show_list){.tree = load_file(path, why)};
    if (list->tree == NULL)
        return false;
    show_spec_init(&schedule.common);
    bool read = read_schedule(list->tree, &schedule, why) &&
                schedule_expand(&schedule, &list->specs, &list->count, &list->texts, why);
    free(schedule.room);
    return read;
}

void json_free_shows(struct show_list *list)
{
    json_decref(list->tree);
    free(list->specs);
    free(list->texts);
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
        bool read = strcmp(key, "tiers") == 0 ? read_tiers(value, spec->tier, &spec->tiers, why)
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

static bool read_tiers(const json_t *value, struct tier_spec *tiers, size_t *count,
                       char why[SHOW_WHY_BYTES])
{
    if (!json_is_array(value) || json_array_size(value) > TIERS_MAX)
        return fault(why, "'tiers' must be an array, and not a long one%s", "");
    for (*count = 0; *count < json_array_size(value); ++*count) {
        struct tier_spec *tier = &tiers[*count];
        const json_t *object = json_array_get(value, *count);
        const json_t *code = json_object_get(object, "code");
        const json_t *price = json_object_get(object, "price");
        const json_t *capacity = json_object_get(object, "capacity");
        const json_t *steps = json_object_get(object, "price_steps");
        tier->has_seats = capacity == NULL;
        size_t known_keys = 2u + (capacity != NULL ? 1u : 0u) + (steps != NULL ? 1u : 0u);
        if (json_object_size(object) != known_keys || !json_is_string(code) ||
            !json_is_integer(price) || !(tier->has_seats || json_is_integer(capacity)) ||
            json_string_length(code) > TIER_BYTES_MAX)
            return fault(why,
                         "a tier is {\"code\": text, \"price\": n, \"capacity\": n}, without the"
                         " capacity if its seats are numbered, and perhaps \"price_steps\"%s",
                         "");
        snprintf(tier->code, sizeof(tier->code), "%s", json_string_value(code));
        tier->price = json_integer_value(price);
        tier->capacity = tier->has_seats ? 0 : json_integer_value(capacity);
        if (!read_steps(steps, tier, why))
            return false;
    }
    return true;
}

/* An object of texts: false if a key is none of these, or a value no text. */
static bool read_texts(const json_t *object, const char *const *names, const char **texts,
                       size_t count)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return false;
    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;
        while (i < count && strcmp(names[i], key) != 0)
            i++;
        if (i == count || !json_is_string(value))
            return false;
        texts[i] = json_string_value(value);
    }
    return true;
}

static bool read_weekdays(const json_t *value, unsigned *weekdays)
{
    static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *name = json_string_value(json_array_get(value, i));
        size_t day = 0;
        while (day < 7 && (name == NULL || strcmp(names[day], name) != 0))
            day++;
        if (day == 7)
            return false;
        *weekdays |= 1U << day;
    }
    return *weekdays != 0;
}

static bool read_days(const json_t *value, struct schedule *schedule)
{
    static const char *const names[] = {"from", "to"};
    const char *texts[2] = {NULL};
    const json_t *weekdays = json_object_get(value, "weekdays");
    json_t *rest = json_copy((json_t *)value); /* shallow: the texts stay where they are */
    json_object_del(rest, "weekdays");
    bool read = read_texts(rest, names, texts, 2) &&
                (weekdays == NULL || read_weekdays(weekdays, &schedule->weekdays));
    json_decref(rest);
    schedule->from = texts[0];
    schedule->to = texts[1];
    return read;
}

static bool read_slots(const json_t *value, struct schedule *schedule)
{
    static const char *const names[] = {"begins", "ends"};
    size_t count = json_array_size(value);
    for (size_t i = 0; i < count && count <= SLOTS_MAX; i++) {
        const char *texts[2] = {NULL};
        if (!read_texts(json_array_get(value, i), names, texts, 2))
            return false;
        schedule->slot[i] = (struct slot){texts[0], texts[1]};
    }
    schedule->slots = count;
    return count > 0 && count <= SLOTS_MAX;
}

static bool read_room(const json_t *object, struct room *room, char why[SHOW_WHY_BYTES])
{
    static const char *const names[] = {"slug", "name"};
    const char *texts[2] = {NULL};
    const json_t *tiers = json_object_get(object, "tiers");
    json_t *rest = json_copy((json_t *)object);
    json_object_del(rest, "tiers");
    bool read = read_texts(rest, names, texts, 2) && texts[0] != NULL;
    json_decref(rest);
    room->slug = texts[0];
    room->name = texts[1];
    room->has_tiers = tiers != NULL;
    if (!read)
        return fault(why, "a room is {\"slug\": text, \"name\": text, \"tiers\": […]}%s", "");
    return tiers == NULL || read_tiers(tiers, room->tier, &room->tiers, why);
}

static bool read_rooms(const json_t *value, struct schedule *schedule, char why[SHOW_WHY_BYTES])
{
    size_t count = json_array_size(value);
    if (count == 0 || count > ROOMS_MAX)
        return fault(why, "'rooms' must be an array of rooms, and not a long one%s", "");
    schedule->room = calloc(count, sizeof(*schedule->room));
    if (schedule->room == NULL)
        abort();
    for (; schedule->rooms < count; schedule->rooms++)
        if (!read_room(json_array_get(value, schedule->rooms), &schedule->room[schedule->rooms],
                       why))
            return false;
    return true;
}

static bool read_part(const char *key, const json_t *value, struct schedule *schedule,
                      char why[SHOW_WHY_BYTES])
{
    if (strcmp(key, "rooms") == 0)
        return read_rooms(value, schedule, why);
    if (strcmp(key, "tiers") == 0)
        return read_tiers(value, schedule->common.tier, &schedule->common.tiers, why);
    if (strcmp(key, "days") == 0)
        return read_days(value, schedule) ||
               fault(why, "'%s' is {\"from\": day, \"to\": day, \"weekdays\": [\"fri\", …]}", key);
    if (strcmp(key, "slots") == 0)
        return read_slots(value, schedule) ||
               fault(why, "'%s' is [{\"begins\": \"15:00\", \"ends\": \"17:30\"}, …]", key);
    if (strcmp(key, "slug") == 0 || strcmp(key, "starts_at") == 0 || strcmp(key, "ends_at") == 0)
        return fault(why, "the schedule makes each show's '%s' itself", key);
    if (strcmp(key, "utc_offset") == 0 && json_is_string(value)) {
        schedule->utc_offset = json_string_value(value);
        return true;
    }
    if (strcmp(key, "closes_minutes_before") == 0 && json_is_integer(value) &&
        json_integer_value(value) >= 0 && json_integer_value(value) <= CLOSES_MINUTES_MAX) {
        schedule->closes_minutes_before = json_integer_value(value);
        return true;
    }
    return read_field(key, value, &schedule->common, why);
}

static bool read_schedule(const json_t *object, struct schedule *schedule, char why[SHOW_WHY_BYTES])
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return fault(why, "a schedule is an object%s", "");
    json_object_foreach((json_t *)object, key, value)
    {
        if (!read_part(key, value, schedule, why))
            return false;
    }
    return true;
}

/* A member of an entry as text; what is no text is written out. */
#define MEMBER_BYTES 32
static bool read_member(const json_t *value, char digits[MEMBER_BYTES], struct span *text)
{
    if (json_is_string(value))
        *text = (struct span){json_string_value(value), json_string_length(value)};
    else if (json_is_boolean(value))
        *text = json_is_true(value) ? SPAN("true") : SPAN("false");
    else if (json_is_integer(value))
        *text =
            (struct span){digits, (size_t)snprintf(digits, MEMBER_BYTES, "%" JSON_INTEGER_FORMAT,
                                                   json_integer_value(value))};
    else if (json_is_real(value))
        *text = (struct span){
            digits, (size_t)snprintf(digits, MEMBER_BYTES, "%.9g", json_real_value(value))};
    else
        return json_is_null(value);
    return true;
}

static bool read_entry(const json_t *object, struct seat_map *map, const struct show_spec *show,
                       char why[SHOW_WHY_BYTES])
{
    struct span field[SEAT_FIELDS] = {{NULL, 0}};
    char digits[SEAT_FIELDS][MEMBER_BYTES];
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return fault(why, "it is not an object%s", "");
    json_object_foreach((json_t *)object, key, value)
    {
        size_t at = 0;
        while (at < SEAT_FIELDS && strcmp(key, seat_field_names[at]) != 0)
            at++;
        if (at == SEAT_FIELDS)
            return fault(why, "there is no key '%.60s'", key);
        if (!read_member(value, digits[at], &field[at]))
            return fault(why, "'%s' has the wrong type", key);
    }
    return seat_map_add(map, show, field, why);
}

bool json_read_seat_map(struct seat_map *map, const struct show_spec *show, const char *path,
                        char why[SHOW_WHY_BYTES])
{
    json_error_t error;
    json_t *tree = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    const json_t *list = json_is_object(tree) ? json_object_get(tree, "seats") : tree;
    char clause[SHOW_WHY_BYTES];
    bool right = json_is_array(list) && (list == tree || json_object_size(tree) == 1);
    if (tree == NULL && error.line > 0)
        snprintf(why, SHOW_WHY_BYTES, "%.60s:%d: %.100s", path, error.line, error.text);
    else if (tree == NULL)
        snprintf(why, SHOW_WHY_BYTES, "%s", error.text);
    else if (!right)
        snprintf(why, SHOW_WHY_BYTES, "%.60s: it is no array of seats, nor {\"seats\": […]}", path);
    for (size_t i = 0; right && i < json_array_size(list); i++) {
        right = read_entry(json_array_get(list, i), map, show, clause);
        if (!right)
            snprintf(why, SHOW_WHY_BYTES, "%.60s: entry %zu: %.100s", path, i + 1, clause);
    }
    json_decref(tree);
    return right;
}

static bool digest_member(const json_t *tree, const char *key, unsigned char digest[DIGEST_BYTES])
{
    const char *text = json_string_value(json_object_get(tree, key));
    return text != NULL && strlen(text) == 2 * DIGEST_BYTES && text_unhex(span_of(text), digest);
}

bool json_read_draw(const char *path, struct draw_record *draw, char why[SHOW_WHY_BYTES])
{
    json_error_t error;
    json_t *tree =
        strcmp(path, "-") == 0 ? json_loadf(stdin, 0, &error) : json_load_file(path, 0, &error);
    json_int_t arrivals = json_integer_value(json_object_get(tree, "arrivals"));
    bool has_key = digest_member(tree, "key", draw->key);
    bool right = has_key && digest_member(tree, "commitment", draw->commitment) && arrivals >= 0 &&
                 arrivals <= ROOM_PEOPLE_MAX && json_is_integer(json_object_get(tree, "arrivals"));
    if (tree == NULL)
        snprintf(why, SHOW_WHY_BYTES, "%.60s: %.100s", path, error.text);
    else if (!right && json_is_null(json_object_get(tree, "key")))
        snprintf(why, SHOW_WHY_BYTES, "%.60s: the key is not published yet", path);
    else if (!right)
        snprintf(why, SHOW_WHY_BYTES, "%.60s: \"commitment\", \"key\" or \"arrivals\" is missing",
                 path);
    draw->arrivals = (uint32_t)arrivals;
    json_decref(tree);
    return right;
}

/* What is not known is null. */
static json_t *known(int64_t n)
{
    return n < 0 ? json_null() : json_integer(n);
}

static json_t *partition_object(const struct partition_status *p)
{
    return json_pack("{s:i, s:s, s:s, s:I, s:I, s:s, s:o, s:s, s:b, s:I, s:o, s:o}", "partition",
                     (int)p->partition, "database", p->dsn, "owner", p->owner, "epoch",
                     (json_int_t)p->epoch, "version", (json_int_t)p->version, "cursor", p->cursor,
                     "heartbeat_age_ms", known(p->heartbeat_age_ms), "state", p->state, "stream",
                     p->has_stream, "backlog", (json_int_t)p->backlog_entries, "oldest_ms",
                     known(p->oldest_ms), "rate", known(p->rate));
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
    json_object_set_new(root, "postgres",
                        json_string(*status->database_fault ? status->database_fault : "ok"));
    json_object_set_new(root, "redis",
                        json_string(*status->redis_fault ? status->redis_fault : "ok"));
    json_dumpf(root, out, JSON_INDENT(2));
    fprintf(out, "\n");
    json_decref(root);
}

static json_t *surveyed_object(const struct survey *s, const struct partition_figures *p)
{
    const struct surveyed *known = survey_partition(s, p->partition);
    bool is_hot = known != NULL && *known->slug;
    return json_pack("{s:i, s:b, s:f, s:o, s:f, s:f, s:o, s:f, s:b}", "partition",
                     (int)p->partition, "serving", p->is_serving, "decided", p->decided, "capacity",
                     p->capacity > 0 ? json_real(p->capacity) : json_null(), "use",
                     partition_use(p), "wait_ms", p->wait_ms, "hot_show",
                     is_hot ? json_string(known->slug) : json_null(), "hot_share", p->hot_share,
                     "waiting_room", p->hot_has_room);
}

static json_t *advice_object(const struct advice *a)
{
    json_t *commands = json_array();
    for (size_t i = 0; i < a->commands; i++)
        json_array_append_new(commands, json_string(a->command[i]));
    return json_pack("{s:s, s:b, s:s, s:o}", "what", a->what, "needed", a->is_needed, "why", a->why,
                     "commands", commands);
}

static json_t *gateways_object(const struct survey *s, const struct gateways_wanted *w)
{
    return json_pack("{s:i, s:f, s:f, s:f}", "count", (int)s->gateways, "busy", w->use[BOUND_BUSY],
                     "connections", w->use[BOUND_CONNECTIONS], "awaiting", w->use[BOUND_AWAITING]);
}

void json_write_advice(FILE *out, const struct survey *survey, const struct advice *advice,
                       size_t count)
{
    const struct figures *f = &survey->figures;
    struct gateways_wanted wanted = gateways_wanted(f->gateway, f->gateways);
    json_t *partitions = json_array(), *advices = json_array();
    for (size_t i = 0; i < f->partitions; i++)
        json_array_append_new(partitions, surveyed_object(survey, &f->partition[i]));
    for (size_t i = 0; i < count; i++)
        json_array_append_new(advices, advice_object(&advice[i]));
    json_t *root = json_pack(
        "{s:f, s:o, s:i, s:o, s:i, s:o, s:i, s:o}", "seconds", survey->seconds, "partitions",
        partitions, "partitions_wanted", (int)partitions_wanted(f->partition, f->partitions),
        "gateways", gateways_object(survey, &wanted), "gateways_wanted", (int)wanted.wanted,
        "redis_busy", f->redis_busy >= 0 ? json_real(f->redis_busy) : json_null(), "lock_waits",
        (int)f->lock_waits, "advice", advices);
    json_dumpf(root, out, JSON_INDENT(2));
    fprintf(out, "\n");
    json_decref(root);
}
