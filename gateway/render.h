/*
 * The domain as JSON, written by hand: what comes out depends on nothing but what goes in, so the
 * same answer is the same bytes again. Pure.
 */
#ifndef USHER_GATEWAY_RENDER_H
#define USHER_GATEWAY_RENDER_H

#include "base/answer.h"
#include "base/availability.h"
#include "base/buf.h"
#include "gateway/show.h"

void render_text(struct buf *b, struct span text);     /* with its quotes; the text is UTF-8 */
void render_time(struct buf *b, int64_t wall_ms);      /* quoted; 0: null */
void render_time_bare(struct buf *b, int64_t wall_ms); /* without quotes; 0: nothing */
void render_i64(struct buf *b, int64_t n);
/* Money in whole units of its currency, as the seeds have it: 10000 in USD is 100. */
void render_whole_units(struct buf *b, int64_t minor, const char *currency);

/* The members of a booking without the braces, so that more can be put beside them. */
void render_booking_members(struct buf *b, const struct show *show, const struct booking *booking);
void render_booking(struct buf *b, const struct show *show, const struct booking *booking);
/* Packed seats as an array of their ids. */
void render_seats(struct buf *b, const struct show *show, struct span seats);
/* A tier's code as JSON; of one that is not known here, its number. */
void render_tier_code(struct buf *b, const struct show *show, uint32_t number);
/* With the prices of this moment; of a tier, the members without the braces. */
void render_tier_count(struct buf *b, const struct show *show, const struct tier_count *count,
                       int64_t now_ms);
void render_show(struct buf *b, const struct show *show, int64_t now_ms);
void render_availability(struct buf *b, const struct show *show, const struct availability *a,
                         int64_t now_ms);

#endif
