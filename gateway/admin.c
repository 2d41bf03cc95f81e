#include "gateway/admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bounds.h"
#include "base/seats.h"
#include "base/text.h"
#include "gateway/bookings.h"
#include "gateway/commands.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/named.h"
#include "gateway/partitions.h"
#include "gateway/reads.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

#define LOCATION_BYTES (SLUG_BYTES_MAX + 48)
#define SCOPE_BYTES_MAX (ACTION_BYTES_MAX + ID_TEXT_BYTES + 16)

static const struct statement slug_taken = {"admin_slug",
                                            "SELECT partition FROM shows WHERE slug = $1"};

bool admin_give_catalogue_of(struct task *task, size_t at)
{
    static struct show catalogue[DATABASES_MAX]; /* one each: their partitions differ */
    const struct gateway *g = task->gateway;
    const struct database *database = databases_at(g->databases, at);
    uint32_t partition = database == NULL ? 0 : partitions_lowest(g->partitions, database);

    if (partition == 0)
        return false;
    catalogue[at] =
        (struct show){.number = CATALOGUE_SHOW, .slug = "", .name = "", .partition = partition};
    task->show = &catalogue[at];
    return true;
}

static bool give_catalogue(struct task *task, const struct database *database)
{
    const struct database *one;

    for (size_t i = 0; (one = databases_at(task->gateway->databases, i)) != NULL; i++)
        if (one == database && admin_give_catalogue_of(task, i))
            return true;
    reply_overloaded(task, "The partitions are not known yet", 1);
    return false;
}

/* What the query names, or home. NULL: the task was answered. */
static struct database *named_database(struct task *task)
{
    const struct gateway *g = task->gateway;
    uint64_t number = 0;

    if (!reads_number(task, "partition", 1, INT32_MAX, &number))
        return NULL;
    if (number == 0)
        return databases_home(g->databases);
    if (partitions_find(g->partitions, (uint32_t)number) != NULL)
        return partitions_database(g->partitions, (uint32_t)number);
    reply_not_found(task, "There is no such partition");
    return NULL;
}

bool admin_give_catalogue(struct task *task)
{
    const struct database *database = named_database(task);

    return database != NULL && give_catalogue(task, database);
}

bool admin_give_database(struct task *task)
{
    const struct database *database = named_database(task);

    return database != NULL &&
           (database == databases_home(task->gateway->databases) || give_catalogue(task, database));
}

/* Where what was made is to be seen: a show has a slug, a webhook a URL, and what else is made is a
 * partition. Empty: nothing was made. */
static void find_location(const struct task *task, struct span told, char location[LOCATION_BYTES])
{
    const struct gateway *g = task->gateway;
    bool at_home = databases_of(task) == databases_home(g->databases);
    struct json json;
    struct span text;
    int64_t number;

    location[0] = '\0';
    json_read(&json, told);
    if (json_text(&json, json_root(&json), "show", false, &text))
        snprintf(location, LOCATION_BYTES, "/v1/shows/%.*s", (int)text.len, text.bytes);
    else if (json_has(json_root(&json), "url") &&
             json_whole(&json, json_root(&json), "webhook", false, 1, INT64_MAX, &number))
        snprintf(location, LOCATION_BYTES, "/v1/admin/webhooks/%" PRId64 "%s%.0u", number,
                 at_home ? "" : "?partition=", at_home ? 0 : task->show->partition);
    else if (json_has(json_root(&json), "partition"))
        snprintf(location, LOCATION_BYTES, "/v1/admin/partitions");
    json_free(&json);
}

void admin_grant(struct task *task, const struct answer *answer)
{
    struct buf *body = &task->gateway->body;
    bool of_none = answer->show == CATALOGUE_SHOW;
    char id[ID_TEXT_BYTES], location[LOCATION_BYTES] = "";

    if (of_none)
        find_location(task, answer->told, location);
    if (task->cached != NULL) /* who asks next, here, finds it as it is now */
        shows_expire(task->cached);
    if (location[0] != '\0')
        reply_field(task, "Location", location);
    id_format(task->id, id);
    buf_putf(body, "{\"request_id\":\"%s\",\"show_id\":", id);
    if (of_none)
        buf_puts(body, "null");
    else
        buf_putf(body, "%u", answer->show);
    buf_puts(body, ",\"at\":");
    render_time(body, answer->at_ms);
    buf_puts(body, ",\"result\":");
    buf_put(body, answer->told.bytes, answer->told.len);
    buf_putc(body, '}');
    reply_send(task, location[0] != '\0' ? 201 : 200, REPLY_JSON);
}

void admin_refuse(struct task *task, const struct answer *answer)
{
    char detail[512]; /* as much as the allocator keeps of what Postgres says */

    snprintf(detail, sizeof detail, "%.*s", (int)answer->told.len, answer->told.bytes);
    if (!text_is_utf8(span_of(detail))) /* cut within a character */
        detail[0] = '\0';
    reply_problem(task, code_status(answer->code), answer->code, NULL,
                  detail[0] != '\0' ? detail : NULL, 0);
}

/* One thing that is to be done. */
struct deed {
    const struct administrator *who;
    const char *action;
    struct buf settings;
    const struct id *booking; /* or NULL */
    int64_t deadline_ms;
};

static void send(struct task *task, struct json *json, struct deed *deed)
{
    struct request request = {.op = OP_ADMIN,
                              .user = span_of(deed->who->name),
                              .action = span_of(deed->action),
                              .settings = buf_span(&deed->settings)};
    char scope[SCOPE_BYTES_MAX], id[ID_TEXT_BYTES] = "";

    if (!command_is_right(task, json))
        return;
    if (deed->booking != NULL) {
        request.booking = *deed->booking;
        request.has_booking = true;
        id_format(*deed->booking, id);
    }
    int n = snprintf(scope, sizeof scope, "/v1/admin/%s/%s", deed->action, id);
    command_send(task, &(struct command){.request = &request,
                                         .deadline_ms = deed->deadline_ms,
                                         .scope = {scope, (size_t)n},
                                         .grant = command_grant});
}

void admin_send(struct task *task, const struct administrator *who, const char *action,
                const struct id *booking, void (*prepare)(struct task *task, struct json *json))
{
    struct deed deed = {.who = who, .action = action, .booking = booking};
    struct json json;

    if (!command_begin(task, &json))
        return;
    deed.deadline_ms = command_read_deadline(&json, json_root(&json));
    json_drop(&json, json_root(&json), "deadline_ms");
    if (prepare != NULL)
        prepare(task, &json);
    buf_init(&deed.settings, SETTINGS_BYTES_MAX);
    json_write(&json, json_root(&json), &deed.settings);
    send(task, &json, &deed);
    buf_free(&deed.settings);
    json_free(&json);
}

/* Seconds outside, milliseconds inside. */
static void take_seconds(struct task *task, struct json *json)
{
    static const char *const names[][2] = {{"hold_seconds", "hold_ms"},
                                           {"hold_seconds_max", "hold_ms_max"},
                                           {"offer_seconds", "offer_ms"},
                                           {"admission_seconds", "admission_ms"},
                                           {"no_show_seconds", "no_show_ms"}};
    int64_t seconds;

    (void)task;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (json_whole(json, json_root(json), names[i][0], false, 1, 86400 * 2, &seconds))
            json_set_whole(json, json_root(json), names[i][0], seconds * 1000);
        json_rename(json, json_root(json), names[i][0], names[i][1]); /* null, too */
    }
}

/* A number of the body, before it is read for good; 0 if it is not there. What is wrong with it is
 * told by whoever reads it next. */
static uint32_t body_number(struct task *task, const char *name)
{
    struct json json;
    int64_t number = 0;

    json_read(&json, exchange_body(task->exchange));
    if (json.failed || !json_whole(&json, json_root(&json), name, false, 1, INT32_MAX, &number))
        number = 0;
    json_free(&json);
    return (uint32_t)number;
}

static void create_show(struct task *task)
{
    const struct gateway *g = task->gateway;
    struct administrator who;

    if (admin_access(task, &who) &&
        give_catalogue(task, partitions_database(g->partitions, body_number(task, "partition"))))
        admin_send(task, &who, "show.create", NULL, take_seconds);
}

/* One in the database that it is for is that database's to tell of. */
static void on_slug(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    const struct partitions *partitions = task->gateway->partitions;

    if (!reads_have(task, err, rows))
        return;
    task->age_s = 0; /* it is not told */
    if (rows_count(rows) > 0 && partitions_database(partitions, (uint32_t)rows_i64(rows, 0, 0)) !=
                                    partitions_database(partitions, body_number(task, "partition")))
        reply_problem(task, code_status(CODE_ALREADY_EXISTS), CODE_ALREADY_EXISTS, NULL,
                      "A show in another database has this slug", 0);
    else
        create_show(task);
}

/* A slug is one show's, in whatever database: each has a unique key, and here the others are asked.
 * Two creations at once in two databases pass by each other; usherctl verify tells of that. */
void post_admin_shows(struct task *task)
{
    char slug[SLUG_BYTES_MAX + 1] = "";
    struct postgres_query query = {
        .statement = &slug_taken, .values = 1, .value = {slug}, .done = on_slug};
    struct administrator who;
    struct json json;
    struct span text;

    if (!admin_access(task, &who))
        return;
    json_read(&json, exchange_body(task->exchange));
    if (!json.failed && json_text(&json, json_root(&json), "slug", false, &text) &&
        text_is_slug(text))
        snprintf(slug, sizeof slug, "%.*s", (int)text.len, text.bytes);
    json_free(&json);
    if (databases_are_several(task->gateway->databases) && slug[0] != '\0')
        reads_find(task, &query);
    else
        create_show(task);
}

void post_admin_partitions(struct task *task)
{
    struct administrator who;

    if (admin_access(task, &who) && admin_give_catalogue(task))
        admin_send(task, &who, "partition.add", NULL, NULL);
}

void patch_admin_show(struct task *task)
{
    struct administrator who;

    if (admin_access(task, &who) && shows_give(task, task->parameter[0]))
        admin_send(task, &who, "show.change", NULL, take_seconds);
}

/* The action's second word is the last one of the path. */
static void name_action(struct task *task, const char *kind, char action[ACTION_BYTES_MAX + 1])
{
    const char *slash = strrchr(task->route->pattern, '/');

    snprintf(action, ACTION_BYTES_MAX + 1, "%s.%s", kind, slash + 1);
}

/* Both databases would have to commit at once. */
static bool leaves_its_database(struct task *task)
{
    const struct partition *to =
        partitions_find(task->gateway->partitions, body_number(task, "to"));

    return to != NULL && to->database != databases_of(task);
}

void post_admin_show_action(struct task *task)
{
    struct administrator who;
    char action[ACTION_BYTES_MAX + 1];

    name_action(task, "show", action);
    if (!admin_access(task, &who) || !shows_give(task, task->parameter[0]))
        return;
    if (strcmp(action, "show.move") == 0 && leaves_its_database(task))
        reply_problem(task, code_status(CODE_INVALID), CODE_INVALID, NULL,
                      "A show moves within its database, and that partition is in another one", 0);
    else
        admin_send(task, &who, action, NULL, NULL);
}

void post_admin_room(struct task *task)
{
    struct administrator who;

    if (admin_access(task, &who) && shows_give(task, task->parameter[0]))
        admin_send(task, &who, "show.room", NULL, take_seconds);
}

/* A tier's code becomes its number. */
static void take_tier(struct task *task, struct json *json)
{
    const struct tier *tier;
    struct span code;

    if (!json_text(json, json_root(json), "tier", true, &code))
        return;
    tier = show_tier_named(task->show, code);
    if (tier == NULL)
        json_fail(json, "The show has no such \"tier\"");
    else
        json_set_whole(json, json_root(json), "tier", tier->number);
}

void post_admin_prices(struct task *task)
{
    struct administrator who;

    if (admin_access(task, &who) && shows_give(task, task->parameter[0]))
        admin_send(task, &who, "tier.price", NULL, take_tier);
}

/* A tier that comes has no number yet. */
void post_admin_tiers(struct task *task)
{
    struct administrator who;

    if (admin_access(task, &who) && shows_give(task, task->parameter[0]))
        admin_send(task, &who, "tier.add", NULL, NULL);
}

/* The path's tier, by its code. */
static void take_path_tier(struct task *task, struct json *json)
{
    const struct tier *tier = NULL;
    char code[TIER_BYTES_MAX];
    size_t len;

    if (percent_decode(task->parameter[1], false, code, sizeof code, &len))
        tier = show_tier_named(task->show, (struct span){code, len});
    if (tier == NULL)
        json_fail(json, "The show has no such tier");
    else
        json_set_whole(json, json_root(json), "tier", tier->number);
}

void patch_admin_tier(struct task *task)
{
    struct administrator who;

    if (admin_access(task, &who) && shows_give(task, task->parameter[0]))
        admin_send(task, &who, "tier.rename", NULL, take_path_tier);
}

/* {"seats": ["A-1", …]} as {"seats": [position, …]}, ascending. */
static void send_seats(struct task *task, const struct administrator *who, bool block)
{
    struct deed deed = {.who = who, .action = block ? "seats.block" : "seats.unblock"};
    struct named named = {.len = 0};
    struct span seats;
    struct json json;

    if (!command_begin(task, &json))
        return;
    deed.deadline_ms = command_read_deadline(&json, json_root(&json));
    json_drop(&json, json_root(&json), "deadline_ms");
    if (named_seats(task, &json, json_root(&json), task->show, &named, &seats)) {
        json_drop(&json, json_root(&json), "seats");
        for (size_t i = 0; i < seats_count(seats); i++)
            json_add_whole(&json, json_root(&json), "seats", seats_at(seats, i));
        buf_init(&deed.settings, SETTINGS_BYTES_MAX);
        json_write(&json, json_root(&json), &deed.settings);
        send(task, &json, &deed);
        buf_free(&deed.settings);
    }
    json_free(&json);
}

/* Does the body name seats? What is wrong with it is told by whoever reads it next. */
static bool names_seats(struct task *task)
{
    struct json json;
    bool has;

    json_read(&json, exchange_body(task->exchange));
    has = !json.failed && json_has(json_root(&json), "seats");
    json_free(&json);
    return has;
}

void post_admin_inventory(struct task *task)
{
    struct administrator who;
    char action[ACTION_BYTES_MAX + 1];
    bool block;

    name_action(task, "inventory", action);
    block = strcmp(action, "inventory.block") == 0;
    if (!admin_access(task, &who) || !shows_give(task, task->parameter[0]))
        return;
    if (names_seats(task) && (block || strcmp(action, "inventory.unblock") == 0))
        send_seats(task, &who, block);
    else
        admin_send(task, &who, action, NULL, take_tier);
}

void get_admin_request(struct task *task)
{
    struct administrator who;

    if (admin_access(task, &who))
        get_request(task);
}

void post_admin_cancel(struct task *task)
{
    struct administrator who;
    struct id id;

    if (admin_access(task, &who) && bookings_find(task, task->parameter[0], &id))
        admin_send(task, &who, "booking.cancel", &id, NULL);
}
