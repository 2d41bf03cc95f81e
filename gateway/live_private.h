/* What the hub is made of. live.c: topics and their subscription; live_look.c: how a topic learns
 * what is new; live_clients.c: its listeners; live_routes.c and live_socket.c: who comes how. */
#ifndef USHER_GATEWAY_LIVE_PRIVATE_H
#define USHER_GATEWAY_LIVE_PRIVATE_H

#include <ev.h>

#include "base/availability.h"
#include "gateway/list.h"
#include "gateway/live.h"
#include "gateway/live_state.h"
#include "http/exchange.h"

#define LIVE_TICK_MS 25
#define LIVE_BUCKETS 256

struct cached_show;
struct redis_link;
struct websocket;

enum live_channel {
    CHANNEL_AWAY,    /* there is no connection to join it on, or it has not been tried */
    CHANNEL_JOINING, /* asked for; what is published meanwhile may be missed */
    CHANNEL_JOINED,
    CHANNEL_LEAVING, /* nobody listens; the topic goes when Redis has heard that */
};

struct live_topic {
    struct live *live;
    struct list by_number, node; /* of all */
    struct list due;             /* of those with listeners that lack something */
    struct cached_show *cached;  /* pinned */
    uint32_t number;             /* the show's */
    enum live_channel channel;   /* written by live.c alone */

    struct live_state state;
    struct availability record; /* the newest that is known */
    bool has_record;
    bool is_known;         /* it has looked once: somebody may listen */
    bool is_changed;       /* there may be something to tell */
    bool has_news;         /* … and some of it came on the channel */
    uint64_t told;         /* the state's number that listeners were last told of */
    uint64_t heard;        /* availabilities that came on the channel, ever */
    uint64_t heard_before; /* … when the look that is under way began */

    unsigned asking;      /* questions under way */
    bool is_asking_seats; /* … one of them for seats */
    bool seats_changed;
    int64_t round_us; /* spent so far on telling listeners the present state */
    int64_t made_us, looked_us, seats_looked_us, derived_us, told_us, idle_us;

    struct list waiting; /* tasks, until it is known */
    struct list current; /* listeners that lack nothing */
    struct list behind;  /* … that lack something; in neither: it has not taken the last event */
    size_t clients;
};

struct live_client {
    struct list node; /* in its topic's lists */
    struct list beat; /* in live->beats */
    struct live_topic *topic;
    struct exchange *exchange;
    const struct live_transport *transport;
    struct live_seen seen;
    int64_t beat_us;
    struct websocket *socket; /* live_socket.c: what was received in part, else NULL */
    bool was_heard;           /* since the last beat */
};

/* What everybody who has seen the same lacks, ready-made. */
struct live_burst {
    const struct live_topic *topic; /* NULL: nothing is made */
    uint64_t number;                /* of the topic's state */
    const struct live_way *way;
    struct live_seen from, to;
    size_t events;
    struct buf bytes;
};
#define LIVE_BURSTS 3 /* one for each transport */

struct live {
    struct gateway *gateway;
    struct redis_link *link; /* subscribed to the topics' channels; NULL before live_begin */
    struct list bucket[LIVE_BUCKETS], topics, due;
    size_t count, clients;
    struct list beats; /* listeners, whose sign of life is due first first */
    struct live_burst burst[LIVE_BURSTS];
    struct buf scratch;
    ev_timer tick, fan;
    bool is_draining;
};

/* live_look.c */
void live_hear(struct live *live, struct span message);
void live_look(struct live_topic *topic, int64_t now_us);
/* Whoever comes now is told what has been heard, though it may not be time to tell all others. */
void live_topic_catch_up(struct live_topic *topic);
/* Look and tell as it is due. */
void live_topic_tick(struct live_topic *topic, int64_t now_us);

/* live.c */
struct live_topic *live_find(struct live *live, uint32_t number);
/* It has looked for the first time: whoever waits for it goes on. */
void live_topic_is_known(struct live_topic *topic);

/* live_clients.c */
void live_tell(struct live_topic *topic); /* its state is a newer one */
void live_beat(struct live *live, int64_t now_us);
void live_on_fan(struct ev_loop *loop, ev_timer *timer, int events);
void live_client_free(struct live_client *client); /* its exchange is gone or ended */
void live_client_end(struct live_client *client, struct span last_words);
void live_client_gone(void *client);     /* of struct http_stream */
void live_client_writable(void *client); /* likewise */

#endif
