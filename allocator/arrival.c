#include "allocator/arrival.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/keys.h"
#include "base/log.h"

#define SLICE_US 50000 /* at a time; then the partition's requests have their turn */
#define USERS_PAGE "1000"
#define USERS_AT_ONCE 1000u /* in one call of the script */
#define CAME_BYTES 65536u   /* the same */
#define AGAIN_MS 1000       /* after the other Redis was not to be reached … */
#define GIVEN_UP_MS 10000   /* … and so long it is tried */
#define ARGUMENTS 9         /* of the script, before what is written down */
#define NUMBER_BYTES 24

static const unsigned char leave_source[] = {
#include "lua/room_leave.lua.inc"
};

static const char arrived_sql[] = "SELECT room_arrived($1::integer, $2::bigint, $3::integer)";

/* One step's surroundings. */
struct step {
    struct arrival *a;
    const struct arrival_means *means;
    const struct tenure *t;
    bool is_away; /* the error is one of where the room was */
};

enum leaving { LEFT, LOST, FENCED };

void arrival_begin(struct arrival *a, uint32_t show, uint32_t from, int64_t move, int64_t now_ms)
{
    *a = (struct arrival){
        .show = show, .from = from, .move = move, .cursor = "0", .began_ms = now_ms};
}

static struct span key_span(const struct key *key)
{
    return (struct span){key->text, key->len};
}

/* Where it was. */

static enum err ask_there(struct step *s, size_t argc, const struct span *argv,
                          struct redis_reply **reply)
{
    enum err err = redis_go_to(s->means->elsewhere, s->a->from);

    if (!err)
        err = redis_do(s->means->elsewhere, argc, argv, reply);
    s->is_away = err != ERR_NONE;
    return err;
}

/* The script is loaded each time: who knows what that server has forgotten. */
static enum err load_there(struct step *s, char sha1[41])
{
    enum err err = redis_go_to(s->means->elsewhere, s->a->from);

    if (!err)
        err =
            redis_load_script(s->means->elsewhere,
                              (struct span){(const char *)leave_source, sizeof leave_source}, sha1);
    s->is_away = err != ERR_NONE;
    return err;
}

static enum err leave(struct step *s, const char *how, struct redis_reply **reply)
{
    const struct arrival *a = s->a;
    struct key room = key_room(a->from, a->show), users = key_room_users(a->from, a->show);
    struct key came = key_room_came(a->from, a->show), news = key_queue_news(a->from, a->show);
    char move[NUMBER_BYTES], sha1[41];

    TRY(load_there(s, sha1));
    snprintf(move, sizeof move, "%" PRId64, a->move);
    struct span argv[] = {SPAN("EVALSHA"), span_of(sha1),    SPAN("4"),
                          key_span(&room), key_span(&users), key_span(&came),
                          key_span(&news), span_of(move),    span_of(how)};
    return ask_there(s, sizeof argv / sizeof *argv, argv, reply);
}

/* From here on no number is given there. Said again it is the same, unless Redis has lost it. */
static enum err close_there(struct step *s, enum leaving *leaving)
{
    struct redis_reply *reply = NULL;

    TRY(leave(s, "close", &reply));
    if (redis_kind_of(reply) == REDIS_INTEGER) {
        s->a->next = redis_integer(reply);
        *leaving = LEFT;
    } else {
        *leaving = span_is(redis_text(reply), "FENCED") ? FENCED : LOST;
    }
    redis_reply_free(reply);
    return ERR_NONE;
}

/* What was fetched is of no more use there. If this does not come about, Redis drops it in a day.
 */
static void drop_there(struct step *s)
{
    struct redis_reply *reply = NULL;

    if (leave(s, "drop", &reply))
        redis_disconnect(s->means->elsewhere);
    redis_reply_free(reply);
}

/* Here. */

static enum err verdict_of(struct span word)
{
    if (span_is(word, "FENCED"))
        return ERR_FENCED;
    return span_is(word, "TAKEN") ? ERR_NONE : ERR_REBUILD;
}

/* argv has room for ARGUMENTS before the `count` that are there. */
static enum err write_here(struct step *s, const char *what, size_t count, struct span *argv)
{
    uint32_t partition = s->t->partition, show = s->a->show;
    struct key state = key_state(partition), room = key_room(partition, show);
    struct key users = key_room_users(partition, show), came = key_room_came(partition, show);
    struct key news = key_queue_news(partition, show);
    struct redis_reply *reply = NULL;
    char epoch[NUMBER_BYTES];
    size_t at = 2;

    snprintf(epoch, sizeof epoch, "%" PRIu64, s->t->epoch);
    argv[at++] = SPAN("5");
    argv[at++] = key_span(&state);
    argv[at++] = key_span(&room);
    argv[at++] = key_span(&users);
    argv[at++] = key_span(&came);
    argv[at++] = key_span(&news);
    argv[at++] = span_of(epoch);
    argv[at++] = span_of(what);
    assert(at == ARGUMENTS + 1);
    TRY(decider_run(s->means->decider, SCRIPT_ROOM_ARRIVE, at + count, argv, &reply));
    enum err err = verdict_of(redis_text(reply));
    redis_reply_free(reply);
    return err;
}

static enum err begin_here(struct step *s)
{
    struct span argv[ARGUMENTS + 1];

    return write_here(s, "begin", 0, argv);
}

static enum err write_users(struct step *s, const struct redis_reply *users)
{
    static struct span argv[ARGUMENTS + 1 + 2 * USERS_AT_ONCE];
    size_t count = redis_count(users);

    for (size_t from = 0; from < count; from += 2 * USERS_AT_ONCE) {
        size_t some = count - from < 2 * USERS_AT_ONCE ? count - from : 2 * USERS_AT_ONCE;
        for (size_t i = 0; i < some; i++)
            argv[ARGUMENTS + 1 + i] = redis_text(redis_at(users, from + i));
        TRY(write_here(s, "users", some, argv));
    }
    return ERR_NONE;
}

static enum err fetch_users(struct step *s)
{
    struct arrival *a = s->a;
    struct key users = key_room_users(a->from, a->show);
    struct span scan[] = {SPAN("HSCAN"), key_span(&users), span_of(a->cursor), SPAN("COUNT"),
                          SPAN(USERS_PAGE)};
    struct redis_reply *reply = NULL;

    TRY(ask_there(s, sizeof scan / sizeof *scan, scan, &reply));
    struct span cursor = redis_text(redis_at(reply, 0));
    enum err err = cursor.len == 0 || cursor.len >= sizeof a->cursor
                       ? ERR_REFUSED
                       : write_users(s, redis_at(reply, 1));
    if (!err) {
        memcpy(a->cursor, cursor.bytes, cursor.len);
        a->cursor[cursor.len] = '\0';
        if (strcmp(a->cursor, "0") == 0)
            a->phase = ARRIVAL_FETCHES_CAME;
    }
    redis_reply_free(reply);
    return err;
}

static enum err fetch_came(struct step *s)
{
    struct arrival *a = s->a;
    struct key came = key_room_came(a->from, a->show);
    char first[NUMBER_BYTES], last[NUMBER_BYTES];
    struct redis_reply *reply = NULL;
    struct span argv[ARGUMENTS + 3];

    snprintf(first, sizeof first, "%zu", a->offset);
    snprintf(last, sizeof last, "%zu", a->offset + CAME_BYTES - 1);
    struct span get[] = {SPAN("GETRANGE"), key_span(&came), span_of(first), span_of(last)};
    TRY(ask_there(s, sizeof get / sizeof *get, get, &reply));
    struct span bytes = redis_text(reply);
    argv[ARGUMENTS + 1] = span_of(first);
    argv[ARGUMENTS + 2] = bytes;
    enum err err = bytes.len > 0 ? write_here(s, "came", 2, argv) : ERR_NONE;
    a->offset += bytes.len;
    if (bytes.len < CAME_BYTES)
        a->phase = ARRIVAL_ENDS;
    redis_reply_free(reply);
    return err;
}

/* It is here now, whole or lost. */
static enum err settle_here(struct step *s)
{
    char number[3][NUMBER_BYTES];
    struct postgres_parameter parameters[3];
    struct postgres_result *result = NULL;
    const uint64_t values[] = {s->t->partition, s->t->epoch, s->a->show};

    for (size_t i = 0; i < 3; i++) {
        int n = snprintf(number[i], sizeof number[i], "%" PRIu64, values[i]);
        parameters[i] = (struct postgres_parameter){number[i], (size_t)n, false};
    }
    TRY(ledger_ask(s->means->ledger, arrived_sql, 3, parameters, &result));
    postgres_result_free(result);
    return ERR_NONE;
}

static void say(const struct step *s, const char *event)
{
    log_event(LOG_INFO, event, "show", log_u64(s->a->show), "from", log_u64(s->a->from), "to",
              log_u64(s->t->partition), "last", log_i64(s->a->next), NULL);
}

static enum err give_up(struct step *s)
{
    TRY(begin_here(s));
    TRY(settle_here(s));
    if (!s->is_away)
        drop_there(s);
    say(s, "room_arrived_empty");
    s->a->show = 0;
    return ERR_NONE;
}

static enum err close_or_give_up(struct step *s, bool *closed)
{
    enum leaving leaving;

    *closed = false;
    TRY(close_there(s, &leaving));
    switch (leaving) {
    case LEFT:
        *closed = true;
        return ERR_NONE;
    case LOST:
        return give_up(s);
    case FENCED:
        return ERR_FENCED; /* the show has gone on: so has this partition */
    }
    return ERR_REFUSED;
}

static enum err begin(struct step *s)
{
    bool closed;

    TRY(close_or_give_up(s, &closed));
    if (!closed)
        return ERR_NONE;
    TRY(begin_here(s));
    s->a->phase = ARRIVAL_FETCHES_USERS;
    return ERR_NONE;
}

/* What was read after Redis lost something would be a part of the truth. */
static enum err end(struct step *s)
{
    char move[NUMBER_BYTES], next[NUMBER_BYTES];
    struct span argv[ARGUMENTS + 3];
    bool closed;

    TRY(close_or_give_up(s, &closed));
    if (!closed)
        return ERR_NONE;
    snprintf(move, sizeof move, "%" PRId64, s->a->move);
    snprintf(next, sizeof next, "%" PRId64, s->a->next);
    argv[ARGUMENTS + 1] = span_of(move);
    argv[ARGUMENTS + 2] = span_of(next);
    TRY(write_here(s, "whole", 2, argv));
    TRY(settle_here(s));
    drop_there(s);
    say(s, "room_arrived");
    s->a->show = 0;
    return ERR_NONE;
}

static enum err take_step(struct step *s)
{
    switch (s->a->phase) {
    case ARRIVAL_CLOSES:
        return begin(s);
    case ARRIVAL_FETCHES_USERS:
        return fetch_users(s);
    case ARRIVAL_FETCHES_CAME:
        return fetch_came(s);
    case ARRIVAL_ENDS:
        return end(s);
    }
    return ERR_REFUSED;
}

/* The other server is away, not this partition's. */
static enum err wait_or_give_up(struct step *s, int64_t now_ms)
{
    log_event(LOG_WARN, "room_not_fetched", "show", log_u64(s->a->show), "from",
              log_u64(s->a->from), "why", redis_why(s->means->elsewhere), NULL);
    redis_disconnect(s->means->elsewhere);
    s->a->again_ms = now_ms + AGAIN_MS;
    return now_ms - s->a->began_ms < GIVEN_UP_MS ? ERR_NONE : give_up(s);
}

enum err arrival_go_on(struct arrival *a, const struct arrival_means *means, const struct tenure *t,
                       int64_t now_ms)
{
    struct step s = {.a = a, .means = means, .t = t};
    int64_t until_us = clock_mono_us() + SLICE_US;

    if (now_ms < a->again_ms)
        return ERR_NONE;
    while (a->show != 0 && clock_mono_us() < until_us) {
        enum err err = take_step(&s);
        if (err && s.is_away)
            return wait_or_give_up(&s, now_ms);
        TRY(err);
    }
    return ERR_NONE;
}
