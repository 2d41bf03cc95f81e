/*
 * A show's numbered seats: their ids, by a pattern, and what became of each. A pattern is text with
 * ranges of numbers or capital letters in braces, "{A..J}-{1..10}": … J-10. The seats of
 * a show are known from it before the first request, so that a hall of any size needs no reading,
 * and a service that lists no seats can be asked the same. Pure.
 */
#ifndef USHER_BENCH_SEATS_H
#define USHER_BENCH_SEATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAT_RANGES_MAX 4
#define SEAT_NAME_BYTES 64
#define RUN_SEATS_MAX 10000000 /* of all shows of a run */

struct seat_range {
    size_t at;  /* where its brace opens in the pattern */
    size_t end; /* behind the brace that closes it */
    uint32_t first;
    uint32_t count;
    bool letters;
};

struct seat_pattern {
    const char *text; /* borrowed */
    struct seat_range range[SEAT_RANGES_MAX];
    size_t ranges;
    uint32_t count;
    uint32_t step; /* has no divisor in common with count */
};

/* False if the text is no pattern, an id could be too long, or there are more than RUN_SEATS_MAX.
 */
bool seat_pattern_read(struct seat_pattern *p, const char *text);
/* The id of a seat, 0 … count − 1, the last range counting fastest. */
void seat_pattern_name(const struct seat_pattern *p, uint32_t seat, char name[SEAT_NAME_BYTES]);
/* The seat that is asked for at a turn, 0 … count − 1: each once, and far from the one before, as
 * people choose. */
uint32_t seat_pattern_turn(const struct seat_pattern *p, uint32_t turn);

/* What is known of one seat of one show; shared by all processes; zero at first. */
struct seat_mark {
    _Atomic unsigned char bits;
};

/* False if somebody has it already: two people were told that it is theirs. */
bool seat_mark_granted(struct seat_mark *mark);
void seat_mark_refused(struct seat_mark *mark);
void seat_mark_unsure(struct seat_mark *mark); /* somebody may have got it and not heard of it */
/* Seats that were refused as taken while nobody has them or can have them. */
uint64_t seat_marks_denied(const struct seat_mark *marks, size_t n);

#endif
