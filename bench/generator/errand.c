#include "bench/generator/errand.h"

#include <stdio.h>
#include <string.h>

#define BODY_BYTES_MAX 320

struct step_row {
    const char *name;
    void (*write)(const struct errand *e, const struct errand_world *world, const char *host,
                  struct buf *out);
    enum verdict (*check)(struct errand *e, const struct response_seen *r);
};

static void write_book(const struct errand *e, const struct errand_world *world, const char *host,
                       struct buf *out);
static void write_hold(const struct errand *e, const struct errand_world *world, const char *host,
                       struct buf *out);
static void write_confirm(const struct errand *e, const struct errand_world *world,
                          const char *host, struct buf *out);
static void write_refused(const struct errand *e, const struct errand_world *world,
                          const char *host, struct buf *out);
static void write_read(const struct errand *e, const struct errand_world *world, const char *host,
                       struct buf *out);
static void write_keyed(const struct errand *e, const struct errand_world *world, const char *host,
                        struct buf *out);
static void write_seat(const struct errand *e, const struct errand_world *world, const char *host,
                       struct buf *out);
static enum verdict check_book(struct errand *e, const struct response_seen *r);
static enum verdict check_hold(struct errand *e, const struct response_seen *r);
static enum verdict check_confirm(struct errand *e, const struct response_seen *r);
static enum verdict check_refused(struct errand *e, const struct response_seen *r);
static enum verdict check_read(struct errand *e, const struct response_seen *r);
static enum verdict check_first(struct errand *e, const struct response_seen *r);
static enum verdict check_again(struct errand *e, const struct response_seen *r);
static enum verdict check_seat(struct errand *e, const struct response_seen *r);
static enum verdict check_race(struct errand *e, const struct response_seen *r);

static const struct step_row step_rows[STEPS_END] = {
    [STEP_BOOK] = {"book", write_book, check_book},
    [STEP_HOLD] = {"hold", write_hold, check_hold},
    [STEP_CONFIRM] = {"confirm", write_confirm, check_confirm},
    [STEP_REFUSED] = {"refused", write_refused, check_refused},
    [STEP_READ] = {"read", write_read, check_read},
    [STEP_FIRST] = {"first", write_keyed, check_first},
    [STEP_AGAIN] = {"again", write_keyed, check_again},
    [STEP_SEAT] = {"seat", write_seat, check_seat},
    [STEP_RACE] = {"race", write_seat, check_race},
};

static const struct {
    const char *name;
    enum step step[2];
} kinds[ERRANDS] = {
#define X(name, text, first, second) [ERRAND_##name] = {text, {first, second}},
    ERRAND_KINDS(X)
#undef X
};

const char *errand_kind_name(enum errand_kind kind)
{
    return kinds[kind].name;
}

const char *step_name(enum step step)
{
    return step_rows[step].name;
}

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[VERDICTS_END] = {
#define X(name, text) [VERDICT_##name] = text,
        VERDICTS(X)
#undef X
    };
    return names[verdict];
}

static void choose_seat(struct errand *e, const struct errand_world *world, uint64_t turn)
{
    uint64_t show = turn / world->seats.count % world->shows;
    uint32_t seat = seat_pattern_turn(&world->seats, (uint32_t)(turn % world->seats.count));

    e->show = 1 + (uint32_t)show;
    e->mark = &world->mark[show * world->seats.count + seat];
    seat_pattern_name(&world->seats, seat, e->seat);
}

void errand_begin(struct errand *e, enum errand_kind kind, const struct errand_world *world,
                  uint32_t show, uint32_t process, uint64_t serial)
{
    e->kind = kind;
    e->second = false;
    e->show = show;
    e->first_len = 0;
    e->booking[0] = '\0';
    e->mark = NULL;
    if (kind == ERRAND_SEAT || kind == ERRAND_RACE) {
        uint64_t turn = serial * world->processes + process;
        choose_seat(e, world, kind == ERRAND_RACE ? turn / world->racers : turn);
    }
    snprintf(e->user, sizeof(e->user), "s%llx-%u-%llu", (unsigned long long)world->seed, process,
             (unsigned long long)serial);
}

enum step errand_step(const struct errand *e)
{
    return kinds[e->kind].step[e->second ? 1 : 0];
}

void errand_write(const struct errand *e, const struct errand_world *world, const char *host,
                  struct buf *out)
{
    step_rows[errand_step(e)].write(e, world, host, out);
}

enum verdict errand_check(struct errand *e, const struct response_seen *r)
{
    enum verdict verdict = step_rows[errand_step(e)].check(e, r);

    if (verdict == VERDICT_QUEUED)
        errand_abandon(e);
    return verdict;
}

void errand_abandon(struct errand *e)
{
    if (e->mark != NULL)
        seat_mark_unsure(e->mark);
}

bool errand_advance(struct errand *e)
{
    if (e->second || kinds[e->kind].step[1] == STEPS_END)
        return false;
    e->second = true;
    return true;
}

static void put_show(const struct errand *e, const struct errand_world *world, struct buf *out)
{
    buf_puts(out, world->show);
    if (world->shows > 1) {
        buf_putc(out, '-');
        buf_put_u64(out, e->show);
    }
}

/* The rest of a POST's head, and its body. */
static void put_post_rest(const char *host, const char *key, const char *body, struct buf *out)
{
    buf_puts(out, " HTTP/1.1\r\nHost: ");
    buf_puts(out, host);
    if (key != NULL) {
        buf_puts(out, "\r\nIdempotency-Key: ");
        buf_puts(out, key);
    }
    buf_puts(out, "\r\nContent-Type: application/json\r\nContent-Length: ");
    buf_put_u64(out, strlen(body));
    buf_puts(out, "\r\n\r\n");
    buf_puts(out, body);
}

static void put_booking_body(const struct errand *e, const struct errand_world *world, bool hold,
                             char body[BODY_BYTES_MAX])
{
    snprintf(body, BODY_BYTES_MAX, "{\"user\":\"%s\",\"tier\":\"%s\",\"quantity\":1%s}", e->user,
             world->tier, hold ? ",\"hold\":true" : "");
}

static void post_booking(const struct errand *e, const struct errand_world *world, const char *host,
                         const char *key, const char *body, struct buf *out)
{
    buf_puts(out, "POST /v1/shows/");
    put_show(e, world, out);
    buf_puts(out, "/bookings");
    put_post_rest(host, key, body, out);
}

static void put_booking(const struct errand *e, const struct errand_world *world, const char *host,
                        bool hold, bool keyed, struct buf *out)
{
    char body[BODY_BYTES_MAX];

    put_booking_body(e, world, hold, body);
    post_booking(e, world, host, keyed ? e->user : NULL, body, out);
}

static void write_book(const struct errand *e, const struct errand_world *world, const char *host,
                       struct buf *out)
{
    put_booking(e, world, host, false, false, out);
}

static void write_hold(const struct errand *e, const struct errand_world *world, const char *host,
                       struct buf *out)
{
    put_booking(e, world, host, true, false, out);
}

static void write_keyed(const struct errand *e, const struct errand_world *world, const char *host,
                        struct buf *out)
{
    put_booking(e, world, host, false, true, out);
}

static void write_seat(const struct errand *e, const struct errand_world *world, const char *host,
                       struct buf *out)
{
    char body[BODY_BYTES_MAX];

    snprintf(body, sizeof(body), "{\"user\":\"%s\",\"seats\":[\"%s\"],\"hold\":true}", e->user,
             e->seat);
    post_booking(e, world, host, NULL, body, out);
}

static void write_confirm(const struct errand *e, const struct errand_world *world,
                          const char *host, struct buf *out)
{
    (void)world;
    buf_puts(out, "POST /v1/bookings/");
    buf_puts(out, e->booking);
    buf_puts(out, "/confirm");
    put_post_rest(host, NULL, "{}", out);
}

static void write_refused(const struct errand *e, const struct errand_world *world,
                          const char *host, struct buf *out)
{
    char body[BODY_BYTES_MAX];

    put_booking_body(e, world, false, body);
    buf_puts(out, "POST /v1/shows/");
    buf_puts(out, world->sold_out);
    buf_puts(out, "/bookings");
    put_post_rest(host, NULL, body, out);
}

static void write_read(const struct errand *e, const struct errand_world *world, const char *host,
                       struct buf *out)
{
    buf_puts(out, "GET /v1/shows/");
    put_show(e, world, out);
    buf_puts(out, "/availability HTTP/1.1\r\nHost: ");
    buf_puts(out, host);
    buf_puts(out, "\r\n\r\n");
}

/* Every answer that is not a grant. */
static enum verdict check_refusal(const struct response_seen *r)
{
    struct span code;

    switch (r->status) {
    case 202:
        return VERDICT_QUEUED;
    case 409:
        code = json_member(r->body, "code");
        return span_is(code, "SOLD_OUT") || span_is(code, "NOT_ENOUGH") ? VERDICT_REFUSED
                                                                        : VERDICT_WRONG;
    case 429:
    case 503:
        return response_field(r, "Retry-After").bytes != NULL ? VERDICT_BUSY : VERDICT_WRONG;
    case 504:
        return span_is(json_member(r->body, "code"), "TIMED_OUT") ? VERDICT_TIMED_OUT
                                                                  : VERDICT_WRONG;
    default:
        return VERDICT_WRONG;
    }
}

/* A booking: of the user who asked, in the state asked for, under an id; the id is kept. */
static enum verdict check_granted(struct errand *e, const struct response_seen *r, int status,
                                  const char *state)
{
    struct span id = json_member(r->body, "id");

    if (r->status != status)
        return check_refusal(r);
    if (id.len == 0 || id.len >= sizeof(e->booking))
        return VERDICT_WRONG;
    if (!span_is(json_member(r->body, "user"), e->user))
        return VERDICT_WRONG;
    if (!span_is(json_member(r->body, "status"), state))
        return VERDICT_WRONG;
    if (!span_is(json_member(r->body, "quantity"), "1"))
        return VERDICT_WRONG;
    if (e->second && !span_is(id, e->booking))
        return VERDICT_WRONG;
    memcpy(e->booking, id.bytes, id.len);
    e->booking[id.len] = '\0';
    return VERDICT_DONE;
}

static enum verdict check_book(struct errand *e, const struct response_seen *r)
{
    return check_granted(e, r, 201, "CONFIRMED");
}

static enum verdict check_hold(struct errand *e, const struct response_seen *r)
{
    return check_granted(e, r, 201, "HELD");
}

static enum verdict check_confirm(struct errand *e, const struct response_seen *r)
{
    return check_granted(e, r, 200, "CONFIRMED");
}

static enum verdict check_refused(struct errand *e, const struct response_seen *r)
{
    (void)e;
    return check_refusal(r);
}

static enum verdict check_read(struct errand *e, const struct response_seen *r)
{
    struct span available = json_member(r->body, "available");

    (void)e;
    if (r->status != 200)
        return check_refusal(r);
    return available.len > 0 && available.bytes[0] >= '0' && available.bytes[0] <= '9'
               ? VERDICT_DONE
               : VERDICT_WRONG;
}

static enum verdict check_first(struct errand *e, const struct response_seen *r)
{
    enum verdict verdict = check_granted(e, r, 201, "CONFIRMED");

    if (verdict != VERDICT_DONE)
        return verdict;
    if (r->body.len > sizeof(e->first))
        return VERDICT_WRONG;
    memcpy(e->first, r->body.bytes, r->body.len);
    e->first_len = r->body.len;
    return VERDICT_DONE;
}

/* The same answer once more, byte for byte, and marked as a repetition. */
static enum verdict check_again(struct errand *e, const struct response_seen *r)
{
    if (r->status != 201)
        return check_refusal(r) == VERDICT_BUSY ? VERDICT_BUSY : VERDICT_WRONG;
    if (!span_is(response_field(r, "Idempotent-Replayed"), "true"))
        return VERDICT_WRONG;
    return span_equal(r->body, (struct span){e->first, e->first_len}) ? VERDICT_DONE
                                                                      : VERDICT_WRONG;
}

/* A list of this one text. */
static bool is_only(struct span list, const char *text)
{
    size_t n = strlen(text);

    return list.len == n + 2 && list.bytes[0] == '"' && list.bytes[n + 1] == '"' &&
           memcmp(list.bytes + 1, text, n) == 0;
}

/* The very seat that was asked for, and nobody else's. */
static enum verdict check_seat(struct errand *e, const struct response_seen *r)
{
    enum verdict verdict = r->status == 409 ? VERDICT_WRONG : check_granted(e, r, 201, "HELD");

    if (verdict != VERDICT_DONE)
        return verdict;
    if (!is_only(json_list(r->body, "seats"), e->seat))
        return VERDICT_WRONG;
    return seat_mark_granted(e->mark) ? VERDICT_DONE : VERDICT_WRONG;
}

/* Whether the seat was rightly refused is known when all have their answers. */
static enum verdict check_race(struct errand *e, const struct response_seen *r)
{
    if (r->status != 409)
        return check_seat(e, r);
    if (!span_is(json_member(r->body, "code"), "SEAT_TAKEN") ||
        !is_only(json_list(r->body, "conflicts"), e->seat))
        return VERDICT_WRONG;
    seat_mark_refused(e->mark);
    return VERDICT_REFUSED;
}
