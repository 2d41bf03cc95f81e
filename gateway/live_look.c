/* How a topic learns what is new: by what comes on its channel, by looking where that is kept, and
 * by the clock. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/news.h"
#include "base/text.h"
#include "gateway/gateway.h"
#include "gateway/live_private.h"
#include "gateway/redis_servers.h"
#include "gateway/seat_look.h"
#include "gateway/shows.h"

#define LOOK_MS 1000       /* news may have been missed */
#define SEATS_LOOK_MS 5000 /* likewise; they cost more to look at */
#define DERIVE_MS 250      /* a sale opens and prices step by time alone */
#define ROUND_SHARE 4      /* telling all listeners takes at most such a part of the time … */
#define ROUND_MS_MAX 500   /* … unless it takes that long */
#define SEATS_WAIT_MS 100  /* counts and seats of one change are told together, if that is soon */

static void take_record(struct live_topic *t, const struct availability *a)
{
    t->record = *a;
    t->has_record = true;
    t->is_changed = true;
}

static void hear_availability(struct live_topic *t, const struct availability *a)
{
    t->heard++;
    if (t->has_record && a->version < t->record.version)
        return;
    if (t->has_news)
        t->live->gateway->own[G_STREAM_COALESCED].count++;
    t->has_news = true;
    take_record(t, a);
}

void live_hear(struct live *live, struct span message)
{
    struct live_topic *t;
    struct news news;
    enum err err = news_read(message, &news);

    if (err) {
        log_event(LOG_ERROR, "news_unreadable", "why", err_name(err), NULL);
        return;
    }
    t = live_find(live, news.show);
    if (t == NULL)
        return;
    switch (news.kind) {
    case NEWS_AVAILABILITY:
        hear_availability(t, &news.availability);
        break;
    case NEWS_SEATS:
        t->seats_changed = true;
        break;
    case NEWS_QUEUE:
        live_state_set_queue(&t->state, &t->cached->show, &news.queue);
        t->is_changed = true;
        break;
    case NEWS_SALE:
        shows_expire(t->cached);
        break;
    case NEWS_OTHER:
        break;
    }
}

static void answered(struct live_topic *t)
{
    t->asking--;
    if (t->asking == 0 && !t->is_known) {
        t->is_changed = true;
        live_topic_tick(t, clock_mono_us());
        live_topic_is_known(t);
    }
}

/* Where Redis has none, or is away and was behind, Postgres' word holds, a second old at most. */
static void use_tiers(struct live_topic *t)
{
    struct availability a;

    show_availability(&t->cached->show, &a);
    take_record(t, &a);
}

static void on_counts(void *context, const struct redis_value *reply)
{
    struct live_topic *t = context;
    struct availability a;

    if (reply != NULL && redis_kind(*reply) == REDIS_STRING) {
        if (availability_read(redis_text(*reply), &a) || a.show != t->number)
            log_event(LOG_ERROR, "availability_unreadable", "show", t->cached->show.slug, NULL);
        else if (t->heard == t->heard_before || !t->has_record || a.version >= t->record.version)
            take_record(t, &a);
    } else if (reply != NULL || !t->has_record || t->cached->show.version >= t->record.version) {
        use_tiers(t);
    }
    answered(t);
}

static void on_queue(void *context, const struct redis_value *reply)
{
    struct live_topic *t = context;
    struct news news;

    if (reply != NULL && redis_kind(*reply) == REDIS_STRING) {
        if (news_read(redis_text(*reply), &news) || news.kind != NEWS_QUEUE ||
            news.show != t->number)
            log_event(LOG_ERROR, "queue_news_unreadable", "show", t->cached->show.slug, NULL);
        else if (live_state_set_queue(&t->state, &t->cached->show, &news.queue))
            t->is_changed = true;
    }
    answered(t);
}

/* Statuses, or changes of them: `bytes` has a byte for each seat of the map, zeroed. */
static bool take_seats(struct live_topic *t, struct redis_value look, unsigned char *bytes)
{
    const struct show *show = &t->cached->show;
    uint64_t version;

    if (!text_u64(seat_look_version(look), UINT64_MAX, &version))
        return false;
    if (seat_look_is_complete(look)) {
        if (!seat_look_read(look, show->seatmap, bytes))
            return false;
        live_state_set_seats(&t->state, show, bytes, version);
    } else {
        if (!t->state.seats.are_known || !seat_look_mark(look, show->seatmap, bytes))
            return false;
        live_state_change_seats(&t->state, show, bytes, version);
    }
    t->is_changed = true;
    return true;
}

static void on_seats(void *context, const struct redis_value *reply)
{
    struct live_topic *t = context;

    t->is_asking_seats = false;
    if (seat_look_has_come(reply) && t->cached->show.seatmap != NULL) {
        unsigned char *bytes = calloc(t->cached->show.seatmap->count + 1, 1);
        if (bytes == NULL || !take_seats(t, *reply, bytes))
            log_event(LOG_ERROR, "seats_unreadable", "show", t->cached->show.slug, NULL);
        free(bytes);
    }
    answered(t);
}

static void look_at_seats(struct live_topic *t, int64_t now_us)
{
    const struct live_seats *seats = &t->state.seats;

    t->seats_changed = false;
    t->seats_looked_us = now_us;
    t->is_asking_seats = seat_look_send(t->live->gateway->redis, &t->cached->show,
                                        seats->are_known ? &seats->version : NULL, on_seats, t);
    t->asking += t->is_asking_seats;
}

static void ask(struct live_topic *t, struct key key,
                void (*done)(void *context, const struct redis_value *reply))
{
    struct span argv[] = {SPAN("GET"), {key.text, key.len}};

    t->asking++;
    if (!redis_servers_command(t->live->gateway->redis, t->cached->show.partition,
                               &(struct redis_command){2, argv, done, t}))
        done(t, NULL);
}

void live_look(struct live_topic *t, int64_t now_us)
{
    const struct show *show = &t->cached->show;

    t->looked_us = now_us;
    t->heard_before = t->heard;
    t->asking++; /* lest it be known before all was asked */
    if (show->seatmap != NULL && !t->is_asking_seats && t->seats_changed)
        look_at_seats(t, now_us);
    ask(t, key_queue_news(show->partition, t->number), on_queue);
    ask(t, key_availability(show->partition, t->number), on_counts);
    answered(t);
}

static bool is_due(int64_t now_us, int64_t last_us, int64_t pause_ms)
{
    return now_us - last_us >= pause_ms * 1000;
}

/* How long a state stands before the next is told. A crowd is told less often than a few, so that
 * bookings have their time too; and not the next before the last, if that can be. */
static int64_t pause_ms(const struct live_topic *t)
{
    int64_t least_ms = t->live->gateway->options->stream_interval_ms;
    int64_t round_ms = t->round_us * ROUND_SHARE / 1000;

    if (round_ms > ROUND_MS_MAX || !list_is_empty(&t->behind))
        round_ms = ROUND_MS_MAX;
    return round_ms > least_ms ? round_ms : least_ms;
}

static void derive(struct live_topic *t)
{
    const struct show *show = &t->cached->show;
    int64_t now_ms = clock_wall_ms();

    live_state_set_counts(&t->state, show, &t->record, now_ms);
    live_state_set_sale(&t->state, show, &t->record, now_ms);
}

static void tell(struct live_topic *t, int64_t now_us)
{
    t->derived_us = now_us;
    t->is_changed = t->has_news = false;
    derive(t);
    if (t->state.number == t->told)
        return;
    t->told = t->state.number;
    t->told_us = now_us;
    t->round_us = 0;
    live_tell(t);
}

void live_topic_catch_up(struct live_topic *t)
{
    if (t->is_changed && t->has_record)
        derive(t);
}

void live_topic_tick(struct live_topic *t, int64_t now_us)
{
    int64_t interval_ms = t->live->gateway->options->stream_interval_ms;

    shows_use(t->cached, now_us);
    if (is_due(now_us, t->looked_us, LOOK_MS))
        live_look(t, now_us);
    if (t->cached->show.seatmap != NULL && !t->is_asking_seats &&
        is_due(now_us, t->seats_looked_us, t->seats_changed ? interval_ms : SEATS_LOOK_MS))
        look_at_seats(t, now_us);
    if (!t->has_record || !is_due(now_us, t->told_us, pause_ms(t)) ||
        (t->is_asking_seats && !is_due(now_us, t->seats_looked_us, SEATS_WAIT_MS)))
        return;
    if (t->is_changed || is_due(now_us, t->derived_us, DERIVE_MS))
        tell(t, now_us);
}
