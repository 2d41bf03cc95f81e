#include "allocator/rooms.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/keys.h"
#include "base/log.h"
#include "base/news.h"
#include "base/text.h"

#define READ_EVERY_MS 1000 /* what an operator sets is seen so late */
/* The partition bears the whole rate while requests wait for less than this, nothing beyond that.
 */
#define WAIT_MS_LIGHT 250
#define WAIT_MS_HEAVY 2000
/* A room by rule is on once requests wait for so long, and off when nobody has waited for a while.
 */
#define WAIT_MS_ON 1000
#define CALM_MS_OFF 10000
#define TICKS_AHEAD 10 /* numbers are reserved for as many looks as this one's rush */
#define VIEW_BYTES_MAX 4096
#define NUMBER_BYTES 24

static const char rooms_sql[] =
    "SELECT r.show, r.draws::integer, (extract(epoch FROM r.opens_at) * 1000)::bigint,"
    " r.rate_per_minute, r.places_each, r.admission_ms, r.no_show_ms, r.paused::integer,"
    " r.issued_upto, r.serving, r.marks, r.opened_ms, r.arrivals, encode(r.commitment, 'hex'),"
    " encode(r.key, 'hex'), (r.mode = 'auto')::integer, r.active::integer, r.counted_in,"
    " (SELECT m.id FROM show_moves m WHERE m.show = r.show ORDER BY m.id DESC LIMIT 1)"
    " FROM rooms r JOIN shows s USING (show) WHERE s.partition = $1::integer"
    " AND (r.mode <> 'off' OR r.counted_in IS NOT NULL) ORDER BY r.show LIMIT $2::integer";
enum rooms_column {
    C_SHOW,
    C_DRAWS,
    C_OPENS,
    C_RATE,
    C_PLACES_EACH,
    C_ADMISSION,
    C_NO_SHOW,
    C_PAUSED,
    C_ISSUED,
    C_SERVING,
    C_MARKS,
    C_OPENED,
    C_ARRIVALS,
    C_COMMITMENT,
    C_KEY,
    C_AUTO,
    C_ACTIVE,
    C_COUNTED_IN,
    C_MOVE
};

static const char advance_sql[] =
    "SELECT encode(advance_room($1::integer, $2::bigint, $3::integer, $4::integer, $5::integer, $6,"
    " $7::boolean, $8::bigint, $9::integer), 'hex')";

void rooms_init(struct rooms *rooms, const struct arrival_means *means)
{
    memset(rooms, 0, sizeof *rooms);
    rooms->means = *means;
    rooms->ledger = means->ledger;
    rooms->decider = means->decider;
    buf_init(&rooms->view, VIEW_BYTES_MAX);
    buf_init(&rooms->news, VIEW_BYTES_MAX);
}

void rooms_free(struct rooms *rooms)
{
    buf_free(&rooms->view);
    buf_free(&rooms->news);
}

static void forget_all(struct rooms *rooms)
{
    rooms->is_read = false;
    rooms->count = 0;
    rooms->arrival.show = 0;
}

void rooms_end(struct rooms *rooms)
{
    forget_all(rooms);
    rooms->leaving = 0;
}

void rooms_forget(struct rooms *rooms, int64_t now_ms)
{
    log_event(LOG_ERROR, "rooms_not_served", "why", postgres_why(rooms->ledger->reader), NULL);
    forget_all(rooms);
    rooms->ticked_ms = now_ms + READ_EVERY_MS;
}

bool rooms_are_arriving(const struct rooms *rooms, int64_t now_ms)
{
    return rooms->arrival.show != 0 && now_ms >= rooms->arrival.again_ms &&
           now_ms >= rooms->ticked_ms;
}

static bool is_tick_due(const struct rooms *rooms, int64_t now_ms)
{
    return now_ms - rooms->ticked_ms >= ROOMS_TICK_MS;
}

bool rooms_are_due(const struct rooms *rooms, int64_t now_ms)
{
    return is_tick_due(rooms, now_ms) || rooms_are_arriving(rooms, now_ms);
}

static void forget_room(struct rooms *rooms, uint32_t show)
{
    size_t kept = 0;

    for (size_t i = 0; i < rooms->count; i++)
        if (rooms->room[i].show != show)
            rooms->room[kept++] = rooms->room[i];
    rooms->count = kept;
}

void rooms_leave(struct rooms *rooms, uint32_t show)
{
    rooms->leaving = show;
    forget_room(rooms, show);
}

void rooms_left(struct rooms *rooms)
{
    rooms->leaving = 0;
}

/* Numbers as text, for parameters and arguments. */
struct number {
    char text[NUMBER_BYTES];
};

static struct number number_of(int64_t n)
{
    struct number number;

    snprintf(number.text, sizeof number.text, "%" PRId64, n);
    return number;
}

static struct postgres_parameter parameter_of(const struct number *number)
{
    return (struct postgres_parameter){number->text, strlen(number->text), false};
}

/* Reading. */

static bool digest_cell(const struct postgres_result *rows, size_t row, size_t column,
                        unsigned char digest[DIGEST_BYTES])
{
    struct span hex = postgres_cell(rows, row, column);

    return hex.len == 2 * DIGEST_BYTES && text_unhex(hex, digest);
}

static uint32_t u32_cell(const struct postgres_result *rows, size_t row, size_t column)
{
    return (uint32_t)postgres_cell_i64(rows, row, column);
}

static bool read_room(const struct postgres_result *rows, size_t row, struct room_owned *o)
{
    struct room *r = &o->room;

    memset(o, 0, sizeof *o);
    o->show = u32_cell(rows, row, C_SHOW);
    o->places_each = u32_cell(rows, row, C_PLACES_EACH);
    o->issued_upto = u32_cell(rows, row, C_ISSUED);
    o->is_auto = postgres_cell_i64(rows, row, C_AUTO) == 1;
    o->is_active = postgres_cell_i64(rows, row, C_ACTIVE) == 1;
    o->counted_in = u32_cell(rows, row, C_COUNTED_IN);
    o->move = postgres_cell_i64(rows, row, C_MOVE);
    r->draws = postgres_cell_i64(rows, row, C_DRAWS) == 1;
    r->paused = postgres_cell_i64(rows, row, C_PAUSED) == 1;
    r->opens_ms = postgres_cell_i64(rows, row, C_OPENS);
    r->opened_ms = postgres_cell_i64(rows, row, C_OPENED);
    r->arrivals = u32_cell(rows, row, C_ARRIVALS);
    r->serving = u32_cell(rows, row, C_SERVING);
    r->rate = u32_cell(rows, row, C_RATE);
    r->admission_ms = postgres_cell_i64(rows, row, C_ADMISSION);
    r->no_show_ms = postgres_cell_i64(rows, row, C_NO_SHOW);
    r->has_key = !postgres_is_null(rows, row, C_KEY);
    return digest_cell(rows, row, C_COMMITMENT, r->commitment) &&
           (!r->has_key || digest_cell(rows, row, C_KEY, r->key)) &&
           room_read_marks(postgres_cell(rows, row, C_MARKS), r) == ERR_NONE;
}

static const struct room_owned *find(const struct rooms *rooms, uint32_t show)
{
    for (size_t i = 0; i < rooms->count; i++)
        if (rooms->room[i].show == show)
            return &rooms->room[i];
    return NULL;
}

/* What only this process knows of a room goes on. */
static void keep(const struct room_owned *before, struct room_owned *now)
{
    if (before == NULL)
        return;
    now->pace = before->pace;
    now->next = before->next;
    now->calm_ms = before->calm_ms;
    now->room.left = before->room.left;
    now->room.returning = before->room.returning;
}

static enum err tell(struct rooms *rooms, const struct tenure *t, const struct room_owned *o);

/* Rooms that an operator has switched off: whoever follows the show is told once. */
static enum err tell_off(struct rooms *rooms, const struct tenure *t,
                         const struct room_owned *fresh, size_t count)
{
    for (size_t i = 0; i < rooms->count; i++) {
        struct room_owned *old = &rooms->room[i];
        size_t at = 0;
        while (at < count && fresh[at].show != old->show)
            at++;
        if (at < count || !old->is_active)
            continue;
        old->is_active = false;
        TRY(tell(rooms, t, old));
    }
    return ERR_NONE;
}

static enum err take_rooms(struct rooms *rooms, const struct tenure *t,
                           const struct postgres_result *rows)
{
    static struct room_owned fresh[WAITING_ROOMS_MAX];
    size_t most = postgres_rows(rows) < WAITING_ROOMS_MAX ? postgres_rows(rows) : WAITING_ROOMS_MAX;
    size_t count = 0;

    if (postgres_rows(rows) > WAITING_ROOMS_MAX)
        log_event(LOG_ERROR, "too_many_rooms", "most", log_u64(WAITING_ROOMS_MAX), NULL);
    for (size_t i = 0; i < most; i++) {
        if (!read_room(rows, i, &fresh[count]))
            return ERR_REFUSED;
        if (fresh[count].show == rooms->leaving)
            continue;
        keep(find(rooms, fresh[count].show), &fresh[count]);
        count++;
    }
    TRY(tell_off(rooms, t, fresh, count));
    memcpy(rooms->room, fresh, count * sizeof fresh[0]);
    rooms->count = count;
    return ERR_NONE;
}

static enum err read_rooms(struct rooms *rooms, const struct tenure *t, int64_t now_ms)
{
    struct number partition = number_of(t->partition), most = number_of(WAITING_ROOMS_MAX + 1);
    struct postgres_parameter parameters[] = {parameter_of(&partition), parameter_of(&most)};
    struct postgres_result *rows = NULL;

    if (rooms->is_read && now_ms - rooms->read_ms < READ_EVERY_MS)
        return ERR_NONE;
    TRY(ledger_ask(rooms->ledger, rooms_sql, 2, parameters, &rows));
    enum err err = take_rooms(rooms, t, rows);
    postgres_result_free(rows);
    rooms->is_read = !err;
    rooms->read_ms = now_ms;
    return err;
}

/* Looking. */

struct look {
    int64_t next, missed, available, returning, live, used, no_shows, unused;
};

static bool read_look(const struct redis_reply *reply, struct look *look)
{
    int64_t *const fields[] = {&look->next, &look->missed, &look->available, &look->returning,
                               &look->live, &look->used,   &look->no_shows,  &look->unused};
    size_t count = sizeof fields / sizeof *fields;

    if (redis_count(reply) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        *fields[i] = redis_integer(redis_at(reply, i));
    return look->next >= 0 && look->next <= ROOM_PEOPLE_MAX;
}

/* What the scripts say instead of doing something. */
static enum err verdict_of(struct span word, bool *moved)
{
    *moved = span_is(word, "MOVED");
    if (span_is(word, "FENCED"))
        return ERR_FENCED;
    return *moved || span_is(word, "TOLD") ? ERR_NONE : ERR_REBUILD;
}

static struct span key_span(const struct key *key)
{
    return (struct span){key->text, key->len};
}

static enum err look_at(struct rooms *rooms, const struct tenure *t, const struct room_owned *o,
                        int64_t now_ms, struct look *look, bool *moved)
{
    struct key state = key_state(t->partition), room = key_room(t->partition, o->show);
    struct key came = key_room_came(t->partition, o->show);
    struct number epoch = number_of((int64_t)t->epoch), show = number_of(o->show);
    struct number upto = number_of(o->issued_upto), serving = number_of(o->room.serving);
    struct number gone = number_of(room_gone(&o->room, now_ms));
    struct number over = number_of(room_over(&o->room, now_ms)), move = number_of(o->move);
    struct redis_reply *reply = NULL;
    struct span argv[] = {
        SPAN(""),
        SPAN(""),
        SPAN("3"),
        key_span(&state),
        key_span(&room),
        key_span(&came),
        span_of(epoch.text),
        span_of(t->generation),
        span_of(show.text),
        span_of(upto.text),
        span_of(serving.text),
        span_of(gone.text),
        span_of(over.text),
        span_of(move.text),
    };

    TRY(decider_run(rooms->decider, SCRIPT_ROOM_LOOK, sizeof argv / sizeof *argv, argv, &reply));
    *moved = false;
    enum err err = redis_kind_of(reply) != REDIS_ARRAY ? verdict_of(redis_text(reply), moved)
                   : read_look(reply, look)            ? ERR_NONE
                                                       : ERR_REFUSED;
    redis_reply_free(reply);
    return err;
}

/* Deciding. */

/* Enough numbers ahead for a rush that goes on as this look found it. */
static void reserve(struct room_owned *o, const struct look *look)
{
    int64_t joined = o->next > 0 && look->next > o->next ? look->next - o->next : 0;
    int64_t ahead = TICKS_AHEAD * (joined + look->missed), upto;

    ahead = ahead < ROOM_BLOCK_MIN ? ROOM_BLOCK_MIN : ahead;
    ahead = ahead > ROOM_BLOCK_MAX ? ROOM_BLOCK_MAX : ahead;
    if (o->issued_upto - look->next >= ahead / 2 || o->issued_upto == ROOM_PEOPLE_MAX)
        return;
    upto = look->next + ahead;
    o->issued_upto = (uint32_t)(upto < ROOM_PEOPLE_MAX ? upto : ROOM_PEOPLE_MAX);
    o->changed = true;
}

/* Whoever has joined by now takes part in the draw; a number that is given from here on is behind
 * them all. If this does not get into Postgres, nobody has seen it. */
static void open_if_due(struct room_owned *o, const struct look *look, int64_t now_ms)
{
    struct room *r = &o->room;

    if (r->opened_ms > 0 || r->opens_ms > now_ms)
        return;
    r->opened_ms = now_ms;
    r->arrivals = r->draws ? (uint32_t)look->next : 0;
    room_serve(r, now_ms, 0);
    pace_rest(&o->pace, now_ms);
    o->changed = true;
    log_event(LOG_INFO, "room_opened", "show", log_u64(o->show), "arrivals", log_i64(look->next),
              NULL);
}

/* Of 1000: how much of the rate the partition bears. */
static uint32_t throttle(int64_t waited_ms)
{
    if (waited_ms <= WAIT_MS_LIGHT)
        return 1000;
    if (waited_ms >= WAIT_MS_HEAVY)
        return 0;
    return (uint32_t)(1000 * (WAIT_MS_HEAVY - waited_ms) / (WAIT_MS_HEAVY - WAIT_MS_LIGHT));
}

static void set_active(struct room_owned *o, bool active)
{
    o->is_active = active;
    o->changed = true;
    log_event(LOG_INFO, active ? "room_on" : "room_off", "show", log_u64(o->show), NULL);
}

static void switch_by_rule(struct room_owned *o, int64_t now_ms, int64_t waited_ms)
{
    bool somebody_waits = o->room.serving < o->next || waited_ms > WAIT_MS_LIGHT;

    if (!o->is_auto)
        return;
    if (somebody_waits || o->calm_ms == 0)
        o->calm_ms = now_ms;
    if (!o->is_active && waited_ms >= WAIT_MS_ON)
        set_active(o, true);
    else if (o->is_active && now_ms - o->calm_ms >= CALM_MS_OFF)
        set_active(o, false);
}

static void let_in(struct room_owned *o, const struct look *look, int64_t now_ms, int64_t waited_ms)
{
    struct room *r = &o->room;
    struct pace_look pace = {.now_ms = now_ms,
                             .serving = r->serving,
                             .issued = (uint32_t)look->next,
                             .rate = r->rate,
                             .throttle = throttle(waited_ms),
                             .available = r->left,
                             .places_each = o->places_each,
                             .live = look->live,
                             .used = look->used,
                             .no_shows = (uint32_t)(look->no_shows > 0 ? look->no_shows : 0),
                             .unused = (uint32_t)(look->unused > 0 ? look->unused : 0)};

    if (r->opened_ms == 0 || r->paused || look->available < 0) {
        pace_rest(&o->pace, now_ms);
        return;
    }
    uint32_t serving = pace_step(&o->pace, &pace);
    if (serving == r->serving)
        return;
    room_serve(r, now_ms, serving);
    o->changed = true;
}

/* Telling. */

static enum err write_down(struct rooms *rooms, const struct tenure *t, struct room_owned *o)
{
    struct room *r = &o->room;
    struct number partition = number_of(t->partition), epoch = number_of((int64_t)t->epoch);
    struct number show = number_of(o->show), upto = number_of(o->issued_upto);
    struct number serving = number_of(r->serving), opened = number_of(r->opened_ms);
    struct number arrivals = number_of(r->arrivals);
    struct postgres_parameter none = {NULL, 0, false};
    struct postgres_result *row = NULL;

    buf_reset(&rooms->view);
    room_put_marks(&rooms->view, r);
    const char *marks = buf_text(&rooms->view);
    if (marks == NULL)
        return ERR_MEMORY;
    struct postgres_parameter parameters[] = {
        parameter_of(&partition),
        parameter_of(&epoch),
        parameter_of(&show),
        parameter_of(&upto),
        parameter_of(&serving),
        {marks, strlen(marks), false},
        {o->is_active ? "true" : "false", o->is_active ? 4 : 5, false},
        r->opened_ms > 0 ? parameter_of(&opened) : none,
        r->opened_ms > 0 ? parameter_of(&arrivals) : none,
    };
    enum err err = ledger_ask(rooms->ledger, advance_sql, sizeof parameters / sizeof *parameters,
                              parameters, &row);
    /* The show is elsewhere: that is no fence of this partition. */
    o->has_left =
        err == ERR_REFUSED && strcmp(postgres_sqlstate(rooms->ledger->reader), "US003") == 0;
    if (o->has_left)
        return ERR_NONE;
    TRY(err);
    if (r->opened_ms > 0 && !r->has_key) {
        r->has_key = digest_cell(row, 0, 0, r->key);
        err = r->has_key ? ERR_NONE : ERR_REFUSED;
    }
    postgres_result_free(row);
    o->changed = false;
    return err;
}

static void pack_news(struct buf *b, const struct room_owned *o)
{
    const struct room *r = &o->room;
    struct news news = {
        .kind = NEWS_QUEUE,
        .show = o->show,
        .queue = {.serving = r->serving, .rate = r->rate, .left = r->left, .joined = o->next}};

    snprintf(news.queue.state, sizeof news.queue.state, "%s", o->is_active ? room_state(r) : "off");
    buf_reset(b);
    news_pack(b, &news);
}

static enum err tell(struct rooms *rooms, const struct tenure *t, const struct room_owned *o)
{
    struct key state = key_state(t->partition), room = key_room(t->partition, o->show);
    struct key news = key_queue_news(t->partition, o->show), channel = key_show_channel(o->show);
    struct number epoch = number_of((int64_t)t->epoch), upto = number_of(o->issued_upto);
    struct number serving = number_of(o->room.serving);
    struct redis_reply *reply = NULL;

    buf_reset(&rooms->view);
    room_pack(&rooms->view, &o->room);
    pack_news(&rooms->news, o);
    if (rooms->view.failed || rooms->news.failed)
        return ERR_MEMORY;
    struct span argv[] = {
        SPAN(""),
        SPAN(""),
        SPAN("3"),
        key_span(&state),
        key_span(&room),
        key_span(&news),
        span_of(epoch.text),
        span_of(upto.text),
        span_of(serving.text),
        buf_span(&rooms->view),
        key_span(&channel),
        buf_span(&rooms->news),
    };
    TRY(decider_run(rooms->decider, SCRIPT_ROOM_TELL, sizeof argv / sizeof *argv, argv, &reply));
    bool moved;
    enum err err = verdict_of(redis_text(reply), &moved);
    redis_reply_free(reply);
    return err;
}

/* Its numbers are fetched from where they were; one room after the other. */
static enum err fetch(struct rooms *rooms, const struct tenure *t, struct room_owned *o,
                      int64_t now_ms)
{
    struct arrival *a = &rooms->arrival;

    if (a->show == 0)
        arrival_begin(a, o->show, o->counted_in, o->move, now_ms);
    if (a->show != o->show)
        return ERR_NONE;
    TRY(arrival_go_on(a, &rooms->means, t, now_ms));
    if (a->show == 0)
        o->counted_in = 0;
    return ERR_NONE;
}

static enum err serve(struct rooms *rooms, const struct tenure *t, struct room_owned *o,
                      int64_t now_ms, int64_t waited_ms)
{
    struct look look = {0};
    bool was_active = o->is_active;

    if (o->counted_in != 0)
        TRY(fetch(rooms, t, o, now_ms));
    if (o->counted_in != 0)
        return ERR_NONE;
    switch_by_rule(o, now_ms, waited_ms);
    if (!o->is_active && !was_active)
        return ERR_NONE;
    TRY(look_at(rooms, t, o, now_ms, &look, &o->has_left));
    if (o->has_left)
        return ERR_NONE;
    if (look.available < 0)
        rooms->unloaded = o->show;
    else
        o->room.left = (uint32_t)look.available;
    o->room.returning = (uint32_t)look.returning;
    reserve(o, &look);
    open_if_due(o, &look, now_ms);
    let_in(o, &look, now_ms, waited_ms);
    o->next = (uint32_t)look.next;
    if (o->changed)
        TRY(write_down(rooms, t, o));
    return o->has_left ? ERR_NONE : tell(rooms, t, o);
}

/* Between two ticks only what is being fetched goes on. */
static bool is_next(const struct rooms *rooms, const struct room_owned *o, bool whole)
{
    return whole || o->show == rooms->arrival.show;
}

enum err rooms_tick(struct rooms *rooms, const struct tenure *t, int64_t now_ms, int64_t waited_ms)
{
    bool whole = is_tick_due(rooms, now_ms);

    rooms->unloaded = 0;
    if (whole) {
        rooms->ticked_ms = now_ms;
        TRY(read_rooms(rooms, t, now_ms));
    }
    for (size_t i = 0; i < rooms->count; i++)
        if (is_next(rooms, &rooms->room[i], whole))
            TRY(serve(rooms, t, &rooms->room[i], now_ms, waited_ms));
    for (size_t i = rooms->count; i-- > 0;)
        if (rooms->room[i].has_left)
            forget_room(rooms, rooms->room[i].show);
    return ERR_NONE;
}
