#include "bench/generator/seats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARK_GRANTED = 1, MARK_REFUSED = 2, MARK_UNSURE = 4 };

static bool read_bound(const char **at, bool letter, uint32_t *n)
{
    char *end;

    if (letter) {
        *n = (uint32_t)(**at - 'A');
        return *(*at)++ <= 'Z' && *n < 26;
    }
    if (**at < '0' || **at > '9')
        return false;
    unsigned long number = strtoul(*at, &end, 10);
    *at = end;
    *n = (uint32_t)number;
    return number <= RUN_SEATS_MAX;
}

/* "{1..20}" or "{A..J}" at p->text + at. */
static bool read_range(struct seat_pattern *p, size_t at)
{
    const char *text = p->text + at + 1;
    uint32_t last;

    if (p->ranges == SEAT_RANGES_MAX)
        return false;
    struct seat_range *r = &p->range[p->ranges++];
    *r = (struct seat_range){.at = at, .letters = *text >= 'A' && *text <= 'Z'};
    if (!read_bound(&text, r->letters, &r->first) || strncmp(text, "..", 2) != 0)
        return false;
    text += 2;
    if (!read_bound(&text, r->letters, &last) || *text != '}' || last < r->first)
        return false;
    r->count = last - r->first + 1;
    r->end = (size_t)(text + 1 - p->text);
    return p->count <= RUN_SEATS_MAX / r->count;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Near the golden section, so that any few turns in a row are spread over the whole hall. */
static uint32_t choose_step(uint32_t count)
{
    uint32_t step = (uint32_t)(count * 0.618) + 1;

    while (common_divisor(count, step) != 1)
        step++;
    return step;
}

bool seat_pattern_read(struct seat_pattern *p, const char *text)
{
    *p = (struct seat_pattern){.text = text, .count = 1};
    /* A range's numbers are never longer than its text. */
    if (text[0] == '\0' || strlen(text) >= SEAT_NAME_BYTES)
        return false;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\' || text[i] == '}')
            return false;
        if (text[i] != '{')
            continue;
        if (!read_range(p, i))
            return false;
        p->count *= p->range[p->ranges - 1].count;
        i = p->range[p->ranges - 1].end - 1;
    }
    p->step = choose_step(p->count);
    return true;
}

void seat_pattern_name(const struct seat_pattern *p, uint32_t seat, char name[SEAT_NAME_BYTES])
{
    uint32_t place[SEAT_RANGES_MAX] = {0};
    size_t n = 0, from = 0;

    for (size_t i = p->ranges; i-- > 0; seat /= p->range[i].count)
        place[i] = p->range[i].first + seat % p->range[i].count;
    for (size_t i = 0; i < p->ranges; i++) {
        const struct seat_range *r = &p->range[i];
        memcpy(name + n, p->text + from, r->at - from);
        n += r->at - from;
        n += (size_t)(r->letters
                          ? snprintf(name + n, SEAT_NAME_BYTES - n, "%c", (char)('A' + place[i]))
                          : snprintf(name + n, SEAT_NAME_BYTES - n, "%u", place[i]));
        from = r->end;
    }
    snprintf(name + n, SEAT_NAME_BYTES - n, "%s", p->text + from);
}

uint32_t seat_pattern_turn(const struct seat_pattern *p, uint32_t turn)
{
    return (uint32_t)((uint64_t)turn * p->step % p->count);
}

bool seat_mark_granted(struct seat_mark *mark)
{
    return (atomic_fetch_or(&mark->bits, MARK_GRANTED) & MARK_GRANTED) == 0;
}

void seat_mark_refused(struct seat_mark *mark)
{
    atomic_fetch_or(&mark->bits, MARK_REFUSED);
}

void seat_mark_unsure(struct seat_mark *mark)
{
    atomic_fetch_or(&mark->bits, MARK_UNSURE);
}

uint64_t seat_marks_denied(const struct seat_mark *marks, size_t n)
{
    uint64_t denied = 0;

    for (size_t i = 0; i < n; i++)
        denied += marks[i].bits == MARK_REFUSED;
    return denied;
}
