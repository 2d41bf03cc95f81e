/*
 * The waiting room over HTTP: join it, see how far one's place is, exchange it for the admission
 * that a booking must carry, and look at the room itself. A ticket says all about its place that
 * never changes, so asking costs a signature and what rooms.h keeps; only who joins and who is
 * admitted is written down, by a script in Redis.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/keys.h"
#include "base/ticket.h"
#include "gateway/commands.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/identity.h"
#include "gateway/limits.h"
#include "gateway/redis_servers.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/rooms.h"
#include "gateway/shows.h"

#define POLL_MS_MIN 1000
#define POLL_MS_MAX 15000
#define JOINS_MAX 20 /* attempts, as far apart as rooms_later has them */
#define JOIN_PATH "/v1/queue/"

static const unsigned char join_source[] = {
#include "lua/room_join.lua.inc"
};
static const unsigned char come_source[] = {
#include "lua/room_come.lua.inc"
};

/* What one person is told. */
struct place {
    struct ticket ticket;
    const char *state;
    uint32_t number;     /* 0: not drawn yet */
    int64_t admitted_ms; /* until when the admission is good; 0: there is none */
    char text[TICKET_TEXT_BYTES];
};

static void put_hex(struct buf *b, const unsigned char *bytes, size_t n)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < n; i++)
        buf_putf(b, "%02x", bytes[i]);
    buf_putc(b, '"');
}

static void put_word(struct buf *b, const char *name, const char *word)
{
    buf_putf(b, ",\"%s\":\"%s\"", name, word);
}

static void put_time(struct buf *b, const char *name, int64_t ms)
{
    buf_putf(b, ",\"%s\":", name);
    render_time(b, ms);
}

/* A number, or null below 0. */
static void put_number(struct buf *b, const char *name, int64_t n)
{
    if (n < 0)
        buf_putf(b, ",\"%s\":null", name);
    else
        buf_putf(b, ",\"%s\":%" PRId64, name, n);
}

/* What everybody may know of the room, behind "show". */
static void put_room(struct buf *b, const struct room_cache *cache)
{
    const struct room *r = &cache->room;

    put_word(b, "order", r->draws ? "draw" : "arrival");
    put_number(b, "serving", r->serving);
    put_number(b, "joined", cache->joined);
    put_number(b, "left", r->left);
    put_number(b, "returning", r->returning);
    put_number(b, "rate", r->rate);
    buf_puts(b, r->paused ? ",\"paused\":true" : ",\"paused\":false");
    put_time(b, "opens_at", r->opens_ms);
    put_time(b, "opened_at", r->opened_ms);
    buf_puts(b, ",\"commitment\":");
    put_hex(b, r->commitment, sizeof r->commitment);
    put_number(b, "arrivals", r->opened_ms > 0 && r->draws ? (int64_t)r->arrivals : -1);
    buf_puts(b, ",\"key\":");
    if (r->has_key)
        put_hex(b, r->key, sizeof r->key);
    else
        buf_puts(b, "null");
}

static void put_show(struct buf *b, const struct show *show)
{
    buf_putf(b, "\"show\":\"%s\",\"show_id\":%u", show->slug, show->number);
}

static bool is_called(const struct room *r, uint32_t number)
{
    return r->opened_ms > 0 && number > 0 && number <= r->serving;
}

/* How many are before one, and oneself; 0: it is one's turn; -1: nobody knows before the draw. */
static int64_t place_of(const struct room *r, uint32_t number)
{
    if (number == 0)
        return -1;
    return number > r->serving ? (int64_t)number - r->serving : 0;
}

/* -1: nobody can say. */
static int64_t eta_of(const struct room *r, uint32_t number, int64_t now_ms)
{
    int64_t until_ms = r->opened_ms == 0 && r->opens_ms > now_ms ? r->opens_ms - now_ms : 0;
    int64_t place = place_of(r, number);

    if (place < 0 || r->paused || r->rate == 0)
        return -1;
    return until_ms + place * 60000 / r->rate;
}

/* When it is worth asking again: more often the nearer one's turn is, and not all at once. */
static int64_t poll_of(const struct room *r, const struct place *p, int64_t now_ms)
{
    int64_t eta_ms = eta_of(r, p->number, now_ms), poll_ms;

    if (r->opened_ms == 0)
        eta_ms = r->opens_ms > now_ms ? r->opens_ms - now_ms : 0;
    poll_ms = eta_ms < 0 ? POLL_MS_MAX : eta_ms / 4;
    poll_ms = poll_ms < POLL_MS_MIN ? POLL_MS_MIN : poll_ms;
    return poll_ms > POLL_MS_MAX ? POLL_MS_MAX : poll_ms;
}

static void put_admission(struct buf *b, const struct task *task, const struct place *p)
{
    struct ticket admission = p->ticket;
    char text[TICKET_TEXT_BYTES];

    admission.kind = TICKET_ADMISSION;
    admission.number = p->number;
    admission.expires_ms = p->admitted_ms;
    if (p->admitted_ms > 0) {
        ticket_write(&task->gateway->options->keys, &admission, text);
        put_word(b, "admission", text);
    } else {
        buf_puts(b, ",\"admission\":null");
    }
    put_time(b, "admission_expires_at", p->admitted_ms);
}

static void tell_place(struct task *task, int status, const struct place *p)
{
    const struct room *r = &task->cached->room->room;
    struct buf *b = reply_open_private(task);
    int64_t now_ms = clock_wall_ms();

    if (status == 201) {
        char location[sizeof JOIN_PATH + TICKET_TEXT_BYTES];
        snprintf(location, sizeof location, "%s%s", JOIN_PATH, p->text);
        reply_field(task, "Location", location);
    }
    buf_puts(b, "{\"ticket\":\"");
    buf_puts(b, p->text);
    buf_puts(b, "\",");
    put_show(b, task->show);
    put_word(b, "state", p->state);
    put_number(b, "arrival", p->ticket.number);
    put_number(b, "number", p->number > 0 ? (int64_t)p->number : -1);
    put_number(b, "place", place_of(r, p->number));
    put_number(b, "eta_ms", eta_of(r, p->number, now_ms));
    put_number(b, "poll_ms", poll_of(r, p, now_ms));
    put_room(b, task->cached->room);
    put_admission(b, task, p);
    put_time(b, "expires_at", p->ticket.expires_ms);
    buf_putc(b, '}');
    reply_send(task, status, REPLY_JSON);
}

/* Nobody has to stand in line for this show now. */
static void tell_off(struct task *task)
{
    struct buf *b = reply_open_private(task);

    buf_putc(b, '{');
    put_show(b, task->show);
    put_word(b, "state", "off");
    buf_puts(b, ",\"admission\":null}");
    reply_send(task, 200, REPLY_JSON);
}

static void tell_over(struct task *task, const char *why)
{
    reply_problem(task, 410, CODE_QUEUE_REQUIRED, "Your place in the waiting room is over", why, 0);
}

static void find_place(const struct task *task, struct place *p)
{
    const struct room *r = &task->cached->room->room;

    p->number = room_number(r, p->ticket.number);
    if (r->opened_ms > 0 && room_is_sold_out(r))
        p->state = "sold_out";
    else
        p->state = p->number == 0 ? "draw" : "waiting";
}

/* Its owner brings it back in a moment; or the show has another partition, which is known by who
 * asks anew. */
static void tell_away(struct task *task)
{
    shows_expire(task->cached);
    rooms_touch(task->cached);
    reply_overloaded(task, "The waiting room cannot be reached now", 1);
}

/* Joining. */

static bool has_keys(struct task *task)
{
    if (task->gateway->options->keys.count > 0)
        return true;
    reply_overloaded(task, "ticket_keys is not set here: no ticket can be signed", 60);
    return false;
}

/* Who joins, as the body or the token says; "" if neither does. */
static struct span joiner(struct task *task, struct json *json)
{
    struct span user = SPAN("");

    command_read_user(task, json, json_root(json), "user", false, &user);
    return identity_is_known(task) ? identity_user(task) : user;
}

static void join(struct task *task, struct span user, uint32_t instead);
static void join_room(struct task *task);
static void tell_joined(struct task *task, struct span user);
static void come(struct task *task, uint32_t number,
                 void (*done)(void *context, const struct redis_value *reply));

/* Whoever joins again with a place that is over gets a new one. */
static void on_called_before(void *context, const struct redis_value *reply)
{
    struct task *task = context;
    struct json json;

    if (!task_resume(task))
        return;
    struct span word = reply != NULL ? redis_text(*reply) : SPAN("");
    task->has_rejoined = true;
    json_read(&json, exchange_body(task->exchange));
    if (span_is(word, "GONE") || span_is(word, "USED"))
        join(task, joiner(task, &json), task->arrival);
    else
        tell_joined(task, joiner(task, &json));
    json_free(&json);
}

static void tell_joined(struct task *task, struct span user)
{
    const struct room *r = &task->cached->room->room;
    int64_t now_ms = clock_wall_ms();
    struct place p = {.ticket = {.kind = TICKET_PLACE,
                                 .show = task->show->number,
                                 .number = task->arrival,
                                 .expires_ms = r->opens_ms > now_ms ? r->opens_ms : now_ms}};

    p.ticket.expires_ms += ROOM_TICKET_MS;
    ticket_set_user(&p.ticket, user);
    ticket_write(&task->gateway->options->keys, &p.ticket, p.text);
    find_place(task, &p);
    if (user.len > 0 && !task->has_rejoined && is_called(r, p.number))
        come(task, p.number, on_called_before);
    else
        tell_place(task, 201, &p);
}

/* The owner reserves numbers several times a second, and for as many as it finds joining. */
static void join_later(struct task *task)
{
    if (++task->joins < JOINS_MAX)
        rooms_later(task, join_room);
    else
        reply_overloaded(task, "Too many are joining at this moment", 1);
}

static void on_joined(void *context, const struct redis_value *reply)
{
    struct task *task = context;
    struct json json;

    if (!task_resume(task))
        return;
    if (reply != NULL && span_is(redis_text(*reply), "FULL")) {
        join_later(task);
        return;
    }
    if (reply == NULL || redis_kind(*reply) != REDIS_INTEGER) {
        tell_away(task);
        return;
    }
    task->arrival = (uint32_t)redis_integer(*reply);
    if (task->cached->room->joined < task->arrival)
        task->cached->room->joined = task->arrival;
    json_read(&json, exchange_body(task->exchange));
    tell_joined(task, joiner(task, &json));
    json_free(&json);
}

static void join(struct task *task, struct span user, uint32_t instead)
{
    struct key room = key_room(task->show->partition, task->show->number);
    struct key users = key_room_users(task->show->partition, task->show->number);
    char number[16];

    snprintf(number, sizeof number, "%u", instead);
    struct span argv[] = {SPAN("EVAL"),
                          {(const char *)join_source, sizeof join_source},
                          SPAN("2"),
                          {room.text, room.len},
                          {users.text, users.len},
                          user,
                          span_of(number)};
    task_park(task);
    if (!redis_servers_command(task->gateway->redis, task->show->partition,
                               &(struct redis_command){7, argv, on_joined, task}))
        on_joined(task, NULL);
}

static void join_room(struct task *task)
{
    struct json json;

    json_read(&json, exchange_body(task->exchange));
    join(task, joiner(task, &json), 0);
    json_free(&json);
}

void post_queue(struct task *task)
{
    struct json json;

    if (!shows_give(task, task->parameter[0]) || !command_begin(task, &json))
        return;
    task->varies_by_prefer = false; /* nothing is awaited here */
    struct span user = SPAN("");
    command_read_user(task, &json, json_root(&json), "user", false, &user);
    bool right = command_is_right(task, &json) && identity_speaks_as(task, &user) &&
                 limits_admit(task, OP_JOIN, user, task->show->number);
    json_free(&json);
    if (!right)
        return;
    if (!task->show->admission_required)
        tell_off(task);
    else if (has_keys(task))
        rooms_await(task, join_room);
}

/* Looking after one's place. */

static bool read_ticket(struct task *task, struct place *p)
{
    struct span text = task->parameter[0];

    memset(p, 0, sizeof *p);
    if (ticket_read(&task->gateway->options->keys, text, &p->ticket) ||
        p->ticket.kind != TICKET_PLACE ||
        (identity_is_known(task) && !ticket_is_for(&p->ticket, identity_user(task)))) {
        reply_not_found(task, "This is no ticket of a waiting room");
        return false;
    }
    memcpy(p->text, text.bytes, TICKET_TEXT_BYTES - 1);
    if (p->ticket.expires_ms > clock_wall_ms())
        return true;
    tell_over(task, "The ticket has expired: join again");
    return false;
}

/* The admission's time begins with the exchange, but not later than it may. */
static int64_t admitted_until(const struct room *r, uint32_t number)
{
    int64_t until_ms = clock_wall_ms() + r->admission_ms;
    int64_t latest_ms = room_called_ms(r, number) + r->no_show_ms + r->admission_ms;

    return until_ms < latest_ms ? until_ms : latest_ms;
}

static void on_came(void *context, const struct redis_value *reply)
{
    struct task *task = context;
    struct place p;

    if (!task_resume(task) || !read_ticket(task, &p))
        return;
    find_place(task, &p);
    struct span word = reply != NULL ? redis_text(*reply) : SPAN("");
    if (span_is(word, "CAME")) {
        p.state = "admitted";
        p.admitted_ms = admitted_until(&task->cached->room->room, p.number);
        tell_place(task, 200, &p);
    } else if (span_is(word, "WAIT")) {
        tell_place(task, 200, &p);
    } else if (span_is(word, "USED")) {
        tell_over(task, "A booking was made with its admission");
    } else if (span_is(word, "GONE")) {
        tell_over(task, "It was your turn, and the time to come for it is over: join again");
    } else {
        tell_away(task);
    }
}

static void come(struct task *task, uint32_t number,
                 void (*done)(void *context, const struct redis_value *reply))
{
    uint32_t partition = task->show->partition, show = task->show->number;
    struct key room = key_room(partition, show), came = key_room_came(partition, show);
    struct key state = key_state(partition);
    char number_text[16], show_text[16];

    snprintf(number_text, sizeof number_text, "%u", number);
    snprintf(show_text, sizeof show_text, "%u", show);
    struct span argv[] = {SPAN("EVAL"),
                          {(const char *)come_source, sizeof come_source},
                          SPAN("3"),
                          {room.text, room.len},
                          {came.text, came.len},
                          {state.text, state.len},
                          span_of(number_text),
                          span_of(show_text)};
    task_park(task);
    if (!redis_servers_command(task->gateway->redis, task->show->partition,
                               &(struct redis_command){8, argv, done, task}))
        done(task, NULL);
}

static void look_after(struct task *task)
{
    struct place p;

    if (!read_ticket(task, &p))
        return;
    find_place(task, &p);
    if (strcmp(p.state, "waiting") == 0 && is_called(&task->cached->room->room, p.number))
        come(task, p.number, on_came);
    else
        tell_place(task, 200, &p);
}

void get_queue(struct task *task)
{
    struct place p;

    if (!has_keys(task) || !read_ticket(task, &p) || !shows_give_number(task, p.ticket.show))
        return;
    if (task->show->admission_required)
        rooms_await(task, look_after);
    else
        tell_off(task);
}

/* The room itself. */

static void tell_room(struct task *task)
{
    const struct room *r = &task->cached->room->room;
    struct buf *b = reply_open_public(task);

    buf_putc(b, '{');
    put_show(b, task->show);
    put_word(b, "state", room_state(r));
    put_room(b, task->cached->room);
    buf_putc(b, '}');
    reply_send(task, 200, REPLY_JSON);
}

void get_show_queue(struct task *task)
{
    if (!shows_give(task, task->parameter[0]))
        return;
    if (task->show->admission_required)
        rooms_await(task, tell_room);
    else
        tell_off(task);
}
