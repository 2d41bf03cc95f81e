#include "gateway/shows.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "base/bounds.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"
#include "gateway/partitions.h"
#include "gateway/reply.h"
#include "gateway/rooms.h"
#include "gateway/seatmap.h"
#include "gateway/seatmaps.h"

#define BUCKETS 1024
#define FRESH_MS 2000   /* older than this is not used without asking again */
#define REFRESH_MS 500  /* how often what is in use is read anew, if it is as old as that */
#define REFRESH_MAX 256 /* shows in one question */
#define LOOKUPS_MAX 512 /* names being asked for */
#define COUNTED_BYTES_MAX 16384
#define MAPPED_SEATS_MAX (4 * SEATS_MAX) /* in all maps together */

/* A name that is being asked for, and who waits for it. */
struct lookup {
    struct list node;
    struct shows *shows;
    char name[SLUG_BYTES_MAX + 1];
    struct list tasks;
};

/* Shows of one database that are read anew together. */
struct refresh {
    struct shows *shows;
    bool is_under_way;
    size_t count;
    uint32_t show[REFRESH_MAX];
};

struct shows {
    struct gateway *gateway;
    struct list by_number[BUCKETS], by_slug[BUCKETS];
    struct list by_use; /* the least recently used first */
    size_t count;
    struct list lookups;
    size_t lookup_count;
    ev_timer timer;
    struct refresh refresh[DATABASES_MAX]; /* of each database's shows */
};

static const struct statement by_slug = {"show_by_slug", "SELECT " SHOW_COLUMNS " FROM " SHOW_TABLES
                                                         " WHERE s.slug = $1"};
static const struct statement by_number = {
    "show_by_number", "SELECT " SHOW_COLUMNS " FROM " SHOW_TABLES " WHERE s.show = $1::integer"};
static const struct statement by_numbers = {"shows_by_numbers",
                                            "SELECT " SHOW_COLUMNS " FROM " SHOW_TABLES
                                            " WHERE s.show = ANY ($1::integer[])"};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events);

struct shows *shows_new(struct gateway *gateway)
{
    struct shows *s = calloc(1, sizeof *s);

    assert(s != NULL);
    s->gateway = gateway;
    for (size_t i = 0; i < BUCKETS; i++) {
        list_init(&s->by_number[i]);
        list_init(&s->by_slug[i]);
    }
    list_init(&s->by_use);
    list_init(&s->lookups);
    for (size_t i = 0; i < DATABASES_MAX; i++)
        s->refresh[i].shows = s;
    ev_timer_init(&s->timer, on_timer, REFRESH_MS / 1000.0, REFRESH_MS / 1000.0);
    s->timer.data = s;
    return s;
}

void shows_begin(struct shows *s)
{
    ev_timer_start(s->gateway->loop, &s->timer);
}

static void forget(struct cached_show *c)
{
    list_remove(&c->by_number);
    list_remove(&c->by_slug);
    list_remove(&c->by_use);
    c->shows->count--;
    seatmaps_forget(c);
    rooms_forget(c);
    show_free(&c->show);
    buf_free(&c->counted);
    free(c);
}

void shows_free(struct shows *s)
{
    struct list *node;

    ev_timer_stop(s->gateway->loop, &s->timer);
    while ((node = list_take_first(&s->lookups)) != NULL)
        free(LIST_OWNER(node, struct lookup, node));
    while (!list_is_empty(&s->by_use))
        forget(LIST_OWNER(s->by_use.next, struct cached_show, by_use));
    free(s);
}

void shows_use(struct cached_show *c, int64_t now_us)
{
    c->used_us = now_us;
    list_remove(&c->by_use);
    list_append(&c->shows->by_use, &c->by_use);
}

void shows_expire(struct cached_show *c)
{
    c->loaded_us = 0;
}

void shows_pin(struct cached_show *c)
{
    c->pins++;
}

void shows_unpin(struct cached_show *c)
{
    assert(c->pins > 0);
    c->pins--;
}

static void copy_text(struct span text, char *to, size_t size)
{
    size_t n = text.len < size - 1 ? text.len : size - 1;

    memcpy(to, text.bytes, n);
    to[n] = '\0';
}

enum err show_from_row(struct show *show, const struct postgres_rows *rows, size_t row)
{
    struct show fresh = {0};

    fresh.number = (uint32_t)rows_i64(rows, row, 0);
    copy_text(rows_text(rows, row, 1), fresh.slug, sizeof fresh.slug);
    copy_text(rows_text(rows, row, 3), fresh.category, sizeof fresh.category);
    copy_text(rows_text(rows, row, 4), fresh.state, sizeof fresh.state);
    fresh.partition = (uint32_t)rows_i64(rows, row, 5);
    copy_text(rows_text(rows, row, 6), fresh.currency, sizeof fresh.currency);
    fresh.starts_ms = rows_i64(rows, row, 7);
    fresh.opens_ms = rows_i64(rows, row, 8);
    fresh.closes_ms = rows_i64(rows, row, 9);
    fresh.max_per_user = rows_i64(rows, row, 10);
    fresh.max_per_booking = rows_i64(rows, row, 11);
    fresh.hold_ms = rows_i64(rows, row, 12);
    fresh.hold_ms_max = rows_i64(rows, row, 13);
    fresh.version = (uint64_t)rows_i64(rows, row, 14);
    copy_text(rows_text(rows, row, 16), fresh.series, sizeof fresh.series);
    fresh.ends_ms = rows_i64(rows, row, 17);
    fresh.payment_required = span_is(rows_text(rows, row, 18), "required");
    fresh.admission_required = rows_i64(rows, row, 19) == 2;
    TRY(show_set_tiers(&fresh, rows_text(rows, row, 15)));
    struct span name = rows_text(rows, row, 2);
    fresh.name = strndup(name.bytes, name.len);
    if (fresh.name == NULL) {
        show_free(&fresh);
        return ERR_MEMORY;
    }
    show_free(show);
    *show = fresh;
    return ERR_NONE;
}

static struct list *number_bucket(struct shows *s, uint32_t number)
{
    return &s->by_number[number % BUCKETS];
}

static struct list *slug_bucket(struct shows *s, struct span slug)
{
    uint32_t hash = 2166136261;

    for (size_t i = 0; i < slug.len; i++)
        hash = (hash ^ (unsigned char)slug.bytes[i]) * 16777619;
    return &s->by_slug[hash % BUCKETS];
}

static struct cached_show *find_number(struct shows *s, uint32_t number)
{
    struct list *bucket = number_bucket(s, number);

    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct cached_show *c = LIST_OWNER(n, struct cached_show, by_number);
        if (c->show.number == number)
            return c;
    }
    return NULL;
}

static struct cached_show *find_slug(struct shows *s, struct span slug)
{
    struct list *bucket = slug_bucket(s, slug);

    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct cached_show *c = LIST_OWNER(n, struct cached_show, by_slug);
        if (span_is(slug, c->show.slug))
            return c;
    }
    return NULL;
}

/* Room for one more: the least recently used one that nobody holds goes. */
static bool make_room(struct shows *s)
{
    if (s->count < (size_t)s->gateway->options->shows_max)
        return true;
    for (struct list *n = s->by_use.next; n != &s->by_use; n = n->next) {
        struct cached_show *c = LIST_OWNER(n, struct cached_show, by_use);
        if (c->pins == 0) {
            forget(c);
            return true;
        }
    }
    return false;
}

/* A map's size is known by the capacity of its tiers. */
static size_t seats_in(const struct show *show)
{
    size_t seats = 0;

    for (size_t i = 0; i < show->tiers; i++)
        seats += show->tier[i].has_seats ? show->tier[i].capacity : 0;
    return seats;
}

bool shows_have_room_for_map(struct cached_show *c)
{
    struct shows *s = c->shows;
    size_t seats = seats_in(&c->show);

    for (struct list *n = s->by_use.next; n != &s->by_use; n = n->next) {
        const struct cached_show *other = LIST_OWNER(n, struct cached_show, by_use);
        seats += other->seatmap != NULL ? other->seatmap->count : 0;
    }
    for (struct list *n = s->by_use.next; seats > MAPPED_SEATS_MAX && n != &s->by_use;
         n = n->next) {
        struct cached_show *other = LIST_OWNER(n, struct cached_show, by_use);
        if (other->seatmap == NULL || other->pins > 0)
            continue;
        seats -= other->seatmap->count;
        seatmaps_forget(other);
    }
    return seats <= MAPPED_SEATS_MAX;
}

static struct cached_show *add(struct shows *s)
{
    struct cached_show *c = make_room(s) ? calloc(1, sizeof *c) : NULL;

    if (c == NULL)
        return NULL;
    c->shows = s;
    list_init(&c->by_number);
    list_init(&c->by_slug);
    list_init(&c->waiting);
    list_init(&c->waiting_for_map);
    buf_init(&c->counted, COUNTED_BYTES_MAX);
    list_init(&c->by_use);
    list_append(&s->by_use, &c->by_use);
    s->count++;
    return c;
}

/* False if there is no room for it, or it cannot be read. */
static bool take_row(struct shows *s, const struct postgres_rows *rows, size_t row)
{
    struct show fresh = {0};
    struct cached_show *c;

    if (show_from_row(&fresh, rows, row) != ERR_NONE) {
        log_event(LOG_ERROR, "show_unreadable", "show", log_i64(rows_i64(rows, row, 0)), NULL);
        return false;
    }
    partitions_note(s->gateway->partitions, fresh.partition);
    c = find_number(s, fresh.number);
    if (c == NULL)
        c = add(s);
    if (c == NULL) {
        show_free(&fresh);
        return false;
    }
    show_free(&c->show);
    c->show = fresh;
    c->show.seatmap = c->seatmap;
    c->loaded_us = clock_mono_us();
    c->is_stale = false;
    list_remove(&c->by_number);
    list_append(number_bucket(s, fresh.number), &c->by_number);
    list_remove(&c->by_slug);
    list_append(slug_bucket(s, span_of(fresh.slug)), &c->by_slug);
    return true;
}

static void on_looked_up(void *context, enum err err, const struct postgres_rows *rows)
{
    struct lookup *lookup = context;
    struct shows *s = lookup->shows;
    struct list *node;
    bool found = !err && rows_count(rows) > 0;
    bool is_there = found && take_row(s, rows, 0);

    list_remove(&lookup->node);
    s->lookup_count--;
    while ((node = list_take_first(&lookup->tasks)) != NULL) {
        struct task *task = LIST_OWNER(node, struct task, node);
        task->show_is_absent = !err && !found;
        task->show_is_unavailable = err || (found && !is_there);
        task->route->handle(task);
    }
    free(lookup);
}

static struct lookup *lookup_begin(struct shows *s, struct span name)
{
    struct lookup *lookup = s->lookup_count < LOOKUPS_MAX ? calloc(1, sizeof *lookup) : NULL;
    struct postgres_query query = {.values = 1, .done = on_looked_up, .context = lookup};

    if (lookup == NULL)
        return NULL;
    lookup->shows = s;
    copy_text(name, lookup->name, sizeof lookup->name);
    list_init(&lookup->tasks);
    list_init(&lookup->node);
    query.statement = lookup->name[0] <= '9' ? &by_number : &by_slug;
    query.value[0] = lookup->name;
    if (!databases_find(s->gateway->databases, &query)) {
        free(lookup);
        return NULL;
    }
    list_append(&s->lookups, &lookup->node);
    s->lookup_count++;
    return lookup;
}

static bool wait_for(struct task *task, struct span name)
{
    struct shows *s = task->gateway->shows;

    for (struct list *n = s->lookups.next; n != &s->lookups; n = n->next) {
        struct lookup *lookup = LIST_OWNER(n, struct lookup, node);
        if (span_is(name, lookup->name)) {
            list_append(&lookup->tasks, &task->node);
            return true;
        }
    }
    struct lookup *lookup = lookup_begin(s, name);
    if (lookup == NULL)
        return false;
    list_append(&lookup->tasks, &task->node);
    return true;
}

static struct database *database_of(const struct shows *s, const struct cached_show *c)
{
    return partitions_database(s->gateway->partitions, c->show.partition);
}

static bool is_usable(const struct shows *s, const struct cached_show *c, const struct task *task,
                      int64_t now_us)
{
    return now_us - c->loaded_us < FRESH_MS * 1000 || c->is_stale || task->show_is_unavailable ||
           !database_is_ready(database_of(s, c));
}

/* It has its seat map, if it has seats; false: the task was answered, or waits. */
static bool has_map(struct task *task, struct cached_show *c)
{
    if (!show_has_seats(&c->show) || c->seatmap != NULL)
        return true;
    if (task->show_is_unavailable || !seatmaps_wait(task, c))
        reply_overloaded(task, "The seat map cannot be read now", 1);
    return false;
}

static bool give(struct task *task, struct cached_show *c, struct span name)
{
    struct shows *s = task->gateway->shows;
    int64_t now_us = exchange_began_us(task->exchange); /* near enough, and already known */

    if (task->show != NULL)
        return true;
    if (task->show_is_absent) {
        reply_not_found(task, "There is no such show");
        return false;
    }
    if (c != NULL && is_usable(s, c, task, now_us)) {
        shows_use(c, now_us);
        if (!has_map(task, c))
            return false;
        shows_pin(c);
        task->cached = c;
        task->show = &c->show;
        return true;
    }
    if (task->show_is_unavailable || !wait_for(task, name))
        reply_overloaded(task, "The show cannot be looked up now", 1);
    return false;
}

bool shows_give_number(struct task *task, uint32_t number)
{
    char name[16];

    if (number == 0 || number > INT32_MAX) {
        reply_not_found(task, "There is no such show");
        return false;
    }
    snprintf(name, sizeof name, "%u", number);
    return give(task, find_number(task->gateway->shows, number), span_of(name));
}

bool shows_give(struct task *task, struct span name)
{
    uint64_t number;

    if (text_is_slug(name))
        return give(task, find_slug(task->gateway->shows, name), name);
    return shows_give_number(task, text_u64(name, INT32_MAX, &number) ? (uint32_t)number : 0);
}

const struct show *shows_given(const struct task *task, uint32_t number)
{
    if (task->show != NULL && task->show->number == number)
        return task->show;
    for (size_t i = 0; i < task->alsos; i++)
        if (task->also[i]->show.number == number)
            return &task->also[i]->show;
    return NULL;
}

static const struct show *give_also(struct task *task, struct cached_show *c, struct span name)
{
    struct shows *s = task->gateway->shows;
    const struct show *given = c != NULL ? shows_given(task, c->show.number) : NULL;

    if (given != NULL)
        return given;
    if (c != NULL && is_usable(s, c, task, exchange_began_us(task->exchange)) &&
        task->alsos < PARTS_MAX) {
        shows_use(c, exchange_began_us(task->exchange));
        if (!has_map(task, c))
            return NULL;
        shows_pin(c);
        task->also[task->alsos++] = c;
        return &c->show;
    }
    if (task->show_is_absent)
        reply_not_found(task, "There is no such show");
    else if (task->show_is_unavailable || !wait_for(task, name))
        reply_overloaded(task, "The show cannot be looked up now", 1);
    return NULL;
}

const struct show *shows_give_also_number(struct task *task, uint32_t number)
{
    char name[16];

    if (number == 0 || number > INT32_MAX) {
        reply_not_found(task, "There is no such show");
        return NULL;
    }
    snprintf(name, sizeof name, "%u", number);
    return give_also(task, find_number(task->gateway->shows, number), span_of(name));
}

const struct show *shows_give_also(struct task *task, struct span name)
{
    uint64_t number;

    if (text_is_slug(name))
        return give_also(task, find_slug(task->gateway->shows, name), name);
    return shows_give_also_number(task, text_u64(name, INT32_MAX, &number) ? (uint32_t)number : 0);
}

/* Those that could not be read anew go on serving as they are. */
static void on_refreshed(void *context, enum err err, const struct postgres_rows *rows)
{
    struct refresh *r = context;
    struct shows *s = r->shows;

    r->is_under_way = false;
    for (size_t i = 0; !err && i < rows_count(rows); i++)
        take_row(s, rows, i);
    for (size_t i = 0; err && i < r->count; i++) {
        struct cached_show *c = find_number(s, r->show[i]);
        if (c != NULL)
            c->is_stale = true;
    }
}

static void refresh(struct shows *s, struct refresh *r, struct database *database, int64_t now_us)
{
    char numbers[REFRESH_MAX * 12];
    size_t at = 0;
    struct postgres_query query = {.statement = &by_numbers,
                                   .values = 1,
                                   .value = {numbers},
                                   .done = on_refreshed,
                                   .context = r};

    r->count = 0;
    /* The most recently used ones come last in the list. */
    for (struct list *n = s->by_use.previous; n != &s->by_use && r->count < REFRESH_MAX;
         n = n->previous) {
        const struct cached_show *c = LIST_OWNER(n, struct cached_show, by_use);
        if (c->used_us < c->loaded_us || now_us - c->loaded_us < REFRESH_MS * 1000 ||
            database_of(s, c) != database)
            continue;
        at += (size_t)snprintf(numbers + at, sizeof numbers - at, "%c%u", r->count == 0 ? '{' : ',',
                               c->show.number);
        r->show[r->count++] = c->show.number;
    }
    if (r->count == 0)
        return;
    snprintf(numbers + at, sizeof numbers - at, "}");
    r->is_under_way = database_query(database, &query);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct shows *s = timer->data;
    int64_t now_us = clock_mono_us();
    struct database *database;

    (void)loop;
    (void)events;
    for (size_t i = 0; (database = databases_at(s->gateway->databases, i)) != NULL; i++)
        if (!s->refresh[i].is_under_way)
            refresh(s, &s->refresh[i], database, now_us);
}
