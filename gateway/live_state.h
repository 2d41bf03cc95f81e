/*
 * What the listeners of a show are told: its newest state as ready-made text, and the latest
 * changes of its numbered seats. Each change is rendered once, however many listen; what a listener
 * lacks follows from what it has seen. Pure: no I/O, no clock.
 *
 * Of availability, sale and queue only the newest counts. Changes of seats build upon each other,
 * and name every seat that was touched, so that they are right for a map of any version in between;
 * the last ones are kept, within bounds, and who lacks older ones is given all seats that are not
 * available, or is told to read them anew (`resync`) where those are too many for an event.
 *
 * live_state.c has the whole and its parts, live_seats.c the seats.
 */
#ifndef USHER_GATEWAY_LIVE_STATE_H
#define USHER_GATEWAY_LIVE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/availability.h"
#include "base/buf.h"
#include "base/news.h"
#include "gateway/seatmap.h"
#include "gateway/show.h"

#define LIVE_ID_BYTES 80             /* of an event's id, with its NUL */
#define LIVE_BURST_BYTES_MAX 131072  /* all that one listener can lack */
#define LIVE_CHANGES_MAX 64          /* changes of seats that are kept */
#define LIVE_CHANGES_BYTES_MAX 32768 /* … and their text */
#define LIVE_COMPLETE_BYTES_MAX 16384

enum live_part {
    LIVE_COUNTS,
    LIVE_SALE,
    LIVE_QUEUE,
    LIVE_AVAILABLE, /* what the seeds' clients are told of the counts */
    LIVE_PARTS
};

/* What a listener has seen: of the parts, what the text was; 0: none. It is an event's id. */
struct live_seen {
    uint64_t seats; /* the version, and one; 0: none */
    uint32_t part[LIVE_PARTS];
};

/* A way of telling: which parts, and how an event is put. */
struct live_way {
    unsigned parts; /* bits 1 << LIVE_… */
    bool seats;
    /* `text` are the members of a JSON object without its braces. */
    void (*put)(struct buf *out, const char *id, struct span text);
};
extern const struct live_way live_as_sse;       /* GET /v1/shows/{show}/events */
extern const struct live_way live_as_seeds_sse; /* GET /events */

struct live_change {
    uint64_t since, version;
    size_t at, len; /* of its text */
};

struct live_seats {
    bool are_known;
    uint64_t version; /* that the statuses are of */
    uint64_t told;    /* that of the last change, or of the beginning */
    size_t count;
    unsigned char *status; /* owned; of each seat of the map, a number of base/seats.h */
    size_t changes;
    struct live_change change[LIVE_CHANGES_MAX]; /* the oldest first, without a gap */
    struct buf log;                              /* their texts */
    struct buf complete;                         /* ready-made when somebody lacks too much */
    uint64_t complete_version;                   /* 0: not made */
    bool is_too_long;                            /* … and it was too long */
};

struct live_state {
    struct buf text[LIVE_PARTS];
    uint32_t hash[LIVE_PARTS];
    struct live_seats seats;
    uint64_t number; /* of changes of any kind; from 1 */
};

void live_state_init(struct live_state *s);
void live_state_free(struct live_state *s);

/* Each says whether anything is new. */
bool live_state_set_counts(struct live_state *s, const struct show *show,
                           const struct availability *a, int64_t now_ms);
bool live_state_set_sale(struct live_state *s, const struct show *show,
                         const struct availability *a, int64_t now_ms);
bool live_state_set_queue(struct live_state *s, const struct show *show,
                          const struct news_queue *queue);
/* The status of every seat as of a version: where they were known, they begin anew. */
bool live_state_set_seats(struct live_state *s, const struct show *show,
                          const unsigned char *status, uint64_t version);
/* Those that are marked (1 + status) have changed since the version that was known. */
bool live_state_change_seats(struct live_state *s, const struct show *show,
                             const unsigned char *marked, uint64_t version);

/* An id of another day may be ahead of what there is: it is taken for what there is. */
void live_state_limit(const struct live_state *s, struct live_seen *seen);
/* Whether who has seen this lacks nothing of what the way tells. */
bool live_state_is_seen(const struct live_state *s, const struct live_way *way,
                        const struct live_seen *seen);
/* Put the events that are lacking and move `seen` to where they lead. Returns their number. */
size_t live_state_put(struct live_state *s, const struct show *show, const struct live_way *way,
                      struct live_seen *seen, struct buf *out);

void live_seen_format(const struct live_seen *seen, const struct live_way *way,
                      char id[LIVE_ID_BYTES]);
/* False, and nothing seen, if it is no such id. */
bool live_seen_read(struct span id, const struct live_way *way, struct live_seen *seen);

/* live_seats.c: the same for seats alone. */
bool live_seats_set(struct live_seats *seats, const struct show *show, const unsigned char *status,
                    uint64_t version);
bool live_seats_change(struct live_seats *seats, const struct show *show,
                       const unsigned char *marked, uint64_t version);
size_t live_seats_put(struct live_seats *seats, const struct show *show, const struct live_way *way,
                      struct live_seen *seen, struct buf *out);

/* A sale's state as it is told. */
const char *live_sale_word(const struct show *show, const struct availability *a, int64_t now_ms);

#endif
