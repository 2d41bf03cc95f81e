#include "gateway/counts.h"

#include <stdio.h>
#include <string.h>

#include "base/availability.h"
#include "base/clock.h"
#include "base/keys.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/redis_servers.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

/* Who has just booked sees it: for a while after a decision, what is kept may be this old only. */
#define TOUCHED_MAX_AGE_MS 5
#define TOUCHED_MS 200

/* The tag says what the bytes are, whichever gateway made them. */
static void make_etag(struct cached_show *c)
{
    uint64_t hash = 14695981039346656037U;

    for (size_t i = 0; i < c->counted.len; i++)
        hash = (hash ^ (unsigned char)c->counted.bytes[i]) * 1099511628211U;
    snprintf(c->etag, sizeof c->etag, "\"%016llx\"", (unsigned long long)hash);
    snprintf(c->counted_fields, sizeof c->counted_fields,
             "ETag: %s\r\nCache-Control: public, max-age=1\r\n", c->etag);
}

static void render(struct cached_show *c, const struct availability *a)
{
    buf_reset(&c->counted);
    render_availability(&c->counted, &c->show, a, clock_wall_ms());
    make_etag(c);
}

void counts_answer(struct task *task)
{
    struct cached_show *c = task->cached;
    struct span asked = exchange_header(task->exchange, "if-none-match");

    reply_open(task);
    buf_puts(&task->gateway->headers, c->counted_fields);
    if (asked.len > 0 && etag_matches(asked, span_of(c->etag)))
        reply_send_body(task, 304, NULL, (struct span){"", 0});
    else
        reply_send_body(task, 200, REPLY_JSON, buf_span(&c->counted));
}

static void tell(struct task *task)
{
    task->counted(task);
}

static void answer_all(struct cached_show *c)
{
    struct list waiting, *node;

    list_init(&waiting);
    list_move_all(&waiting, &c->waiting);
    while ((node = list_take_first(&waiting)) != NULL)
        tell(LIST_OWNER(node, struct task, node));
}

/* What Postgres said when the show was loaded, a second ago at most while Postgres is there. */
static void use_tiers(struct cached_show *c)
{
    struct availability a;

    show_availability(&c->show, &a);
    render(c, &a);
}

static bool use_reply(struct cached_show *c, const struct redis_value *reply)
{
    struct availability a;

    if (reply == NULL || redis_kind(*reply) != REDIS_STRING)
        return false;
    if (availability_read(redis_text(*reply), &a) != ERR_NONE || a.show != c->show.number) {
        log_event(LOG_ERROR, "availability_unreadable", "show", c->show.slug, NULL);
        return false;
    }
    show_set_counts(&c->show, &a);
    render(c, &a);
    return true;
}

static void on_counted(void *context, const struct redis_value *reply)
{
    struct cached_show *c = context;

    c->is_asking = false;
    if (!use_reply(c, reply))
        use_tiers(c);
    answer_all(c);
    shows_unpin(c);
}

static void ask(struct gateway *g, struct cached_show *c, int64_t now_us)
{
    struct key key = key_availability(c->show.partition, c->show.number);
    struct span argv[] = {SPAN("GET"), {key.text, key.len}};

    c->counted_us = now_us;
    c->is_asking = redis_servers_command(g->redis, c->show.partition,
                                         &(struct redis_command){2, argv, on_counted, c});
    if (c->is_asking) {
        shows_pin(c);
        return;
    }
    use_tiers(c);
    answer_all(c);
}

void counts_await(struct task *task, void (*counted)(struct task *task))
{
    struct gateway *g = task->gateway;
    struct cached_show *c = task->cached;
    int64_t now_us = exchange_began_us(task->exchange);
    int64_t max_age_ms = g->options->availability_max_age_ms;

    task->counted = counted;
    if (now_us - c->touched_us < TOUCHED_MS * 1000 && max_age_ms > TOUCHED_MAX_AGE_MS)
        max_age_ms = TOUCHED_MAX_AGE_MS;
    if (!c->is_asking && c->counted_us != 0 && now_us - c->counted_us < max_age_ms * 1000) {
        tell(task);
        return;
    }
    list_append(&c->waiting, &task->node);
    if (!c->is_asking)
        ask(g, c, now_us);
}

void counts_touch(struct cached_show *c)
{
    c->touched_us = clock_mono_us();
}
