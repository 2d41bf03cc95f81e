#include "bench/rivals/desk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench/generator/response.h"
#include "bench/serve.h"

#define ANSWER_BYTES_MAX 1024
#define SHOWS_MAX 1000000
#define QUANTITY_MAX 1000
#define SEAT_MAX 1000000000
#define HOLD_MS 600000

static void on_request(void *context, struct exchange *x);
static void on_gone(void *context, struct exchange *x);

static struct http_application application = {
    .handle = on_request,
    .gone = on_gone,
    .body_bytes_max = serve_body_bytes_max,
    .render_error = serve_render_error,
};

void desk_open(struct desk *desk, void *design, void (*begin)(void *design, struct wish *wish),
               bool seats)
{
    struct wish *wishes = calloc(WISHES_MAX, sizeof(*wishes));

    assert(wishes != NULL);
    *desk = (struct desk){.design = design, .begin = begin, .seats = seats};
    for (size_t i = 0; i < WISHES_MAX; i++) {
        wishes[i].next = desk->spare;
        desk->spare = &wishes[i];
    }
}

const struct http_application *desk_application(struct desk *desk)
{
    application.context = desk;
    return &application;
}

static void answer(struct exchange *x, int status, const char *type, const char *headers,
                   struct span body)
{
    struct response response = {
        .status = status, .content_type = type, .headers = span_of(headers), .body = body};
    exchange_answer(x, &response);
}

/* seat: the one in conflict, or 0. */
static void answer_conflict(struct exchange *x, int status, const char *code, const char *headers,
                            uint32_t seat)
{
    struct buf body;

    buf_init(&body, ANSWER_BYTES_MAX);
    buf_putf(&body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\"",
             code, status, code);
    if (seat != 0)
        buf_putf(&body, ",\"conflicts\":[\"%u\"]", seat);
    buf_putc(&body, '}');
    answer(x, status, "application/problem+json", headers, buf_span(&body));
    buf_free(&body);
}

static void answer_problem(struct exchange *x, int status, const char *code, const char *headers)
{
    answer_conflict(x, status, code, headers, 0);
}

static bool is_plain(struct span s, size_t bytes_max)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.bytes[i] < ' ' || s.bytes[i] > '~' || s.bytes[i] == '"' || s.bytes[i] == '\\')
            return false;
    return s.len > 0 && s.len < bytes_max;
}

static bool read_number(struct span s, uint32_t max, uint32_t *n)
{
    *n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.bytes[i] < '0' || s.bytes[i] > '9' || *n > max / 10)
            return false;
        *n = *n * 10 + (uint32_t)(s.bytes[i] - '0');
    }
    return s.len > 0 && *n > 0 && *n <= max;
}

static bool read_path(struct span path, uint32_t *show)
{
    static const char before[] = "/v1/shows/", after[] = "/bookings";
    size_t around = strlen(before) + strlen(after);

    if (path.len <= around || memcmp(path.bytes, before, strlen(before)) != 0 ||
        memcmp(path.bytes + path.len - strlen(after), after, strlen(after)) != 0)
        return false;
    struct span name = {path.bytes + strlen(before), path.len - around};
    const char *dash = memrchr(name.bytes, '-', name.len);
    *show = 1;
    if (dash != NULL) {
        struct span number = {dash + 1, (size_t)(name.bytes + name.len - dash) - 1};
        uint32_t n;
        if (read_number(number, SHOWS_MAX, &n))
            *show = n;
    }
    return true;
}

/* ["17"], and that only as a hold. */
static bool read_seat(struct span body, struct wish *wish)
{
    struct span seat = json_list(body, "seats");

    wish->quantity = 1;
    return seat.len > 2 && seat.bytes[0] == '"' && seat.bytes[seat.len - 1] == '"' &&
           read_number((struct span){seat.bytes + 1, seat.len - 2}, SEAT_MAX, &wish->seat) &&
           span_is(json_member(body, "hold"), "true");
}

static bool read_body(struct span body, struct wish *wish, bool seats)
{
    struct span user = json_member(body, "user");

    if (!is_plain(user, sizeof(wish->user)))
        return false;
    if (seats ? !read_seat(body, wish)
              : !read_number(json_member(body, "quantity"), QUANTITY_MAX, &wish->quantity))
        return false;
    memcpy(wish->user, user.bytes, user.len);
    wish->user[user.len] = '\0';
    return true;
}

static struct wish *wish_take(struct desk *desk)
{
    struct wish *wish = desk->spare;

    if (wish != NULL) {
        desk->spare = wish->next;
        *wish = (struct wish){0};
    }
    return wish;
}

static void wish_give_back(struct desk *desk, struct wish *wish)
{
    wish->next = desk->spare;
    desk->spare = wish;
}

static void on_request(void *context, struct exchange *x)
{
    struct desk *desk = context;
    struct wish *wish = wish_take(desk);

    if (wish == NULL) {
        answer_problem(x, 503, "OVERLOADED", "Retry-After: 1\r\n");
        return;
    }
    if (exchange_method(x) != METHOD_POST || !read_path(exchange_path(x), &wish->show)) {
        answer_problem(x, 404, "NOT_FOUND", "");
        wish_give_back(desk, wish);
        return;
    }
    if (!read_body(exchange_body(x), wish, desk->seats)) {
        answer_problem(x, 400, "INVALID", "");
        wish_give_back(desk, wish);
        return;
    }
    wish->x = x;
    exchange_set_data(x, wish);
    desk->begin(desk->design, wish);
}

static void on_gone(void *context, struct exchange *x)
{
    struct wish *wish = exchange_data(x);

    (void)context;
    if (wish != NULL)
        wish->x = NULL;
}

/* A booking; of a numbered seat, a hold that names it. */
static void put_booking(struct buf *body, const struct wish *wish, int64_t id)
{
    char at[CLOCK_TEXT_BYTES];

    clock_format(clock_wall_ms(), at);
    buf_putf(body,
             "{\"id\":\"%lld\",\"show\":%u,\"user\":\"%s\",\"items\":[{\"tier\":\"A\","
             "\"quantity\":%u,\"price\":%d}],\"quantity\":%u,\"amount\":%u,"
             "\"currency\":\"USD\",\"status\":\"%s\",\"created_at\":\"%s\"",
             (long long)id, wish->show, wish->user, wish->quantity, WISH_PRICE, wish->quantity,
             wish->quantity * WISH_PRICE, wish->seat != 0 ? "HELD" : "CONFIRMED", at);
    if (wish->seat != 0) {
        clock_format(clock_wall_ms() + HOLD_MS, at);
        buf_putf(body, ",\"seats\":[\"%u\"],\"expires_at\":\"%s\"", wish->seat, at);
    }
    buf_putc(body, '}');
}

void desk_grant(struct desk *desk, struct wish *wish, int64_t id)
{
    struct buf body;

    if (wish->x != NULL) {
        buf_init(&body, ANSWER_BYTES_MAX);
        put_booking(&body, wish, id);
        answer(wish->x, 201, "application/json", "", buf_span(&body));
        buf_free(&body);
    }
    wish_give_back(desk, wish);
}

void desk_refuse(struct desk *desk, struct wish *wish)
{
    if (wish->x != NULL)
        answer_conflict(wish->x, 409, wish->seat != 0 ? "SEAT_TAKEN" : "SOLD_OUT", "", wish->seat);
    wish_give_back(desk, wish);
}

void desk_unknown(struct desk *desk, struct wish *wish)
{
    if (wish->x != NULL)
        answer_problem(wish->x, 404, "NOT_FOUND", "");
    wish_give_back(desk, wish);
}

void desk_fail(struct desk *desk, struct wish *wish)
{
    if (wish->x != NULL)
        answer_problem(wish->x, 503, "OVERLOADED", "Retry-After: 1\r\n");
    wish_give_back(desk, wish);
}
