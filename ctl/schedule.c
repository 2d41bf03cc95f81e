#include "schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400
#define TIME_BYTES 48

/* Longer than what they may be: what is too long is found too long, and not cut. */
struct schedule_texts {
    char slug[2 * SLUG_BYTES_MAX];
    char name[512];
    char starts[TIME_BYTES], ends[TIME_BYTES], closes[TIME_BYTES];
};

struct day {
    time_t at; /* its midnight, as if it were in UTC */
    char text[16];
};

static bool days_of(const struct schedule *schedule, struct day *days, size_t *count,
                    char why[SHOW_WHY_BYTES]);
static bool show_make(const struct schedule *schedule, const struct room *room,
                      const struct day *day, const struct slot *slot, struct show_spec *spec,
                      struct schedule_texts *texts, char why[SHOW_WHY_BYTES]);

static bool fault(char why[SHOW_WHY_BYTES], const char *text)
{
    snprintf(why, SHOW_WHY_BYTES, "%s", text);
    return false;
}

static bool shows_make(const struct schedule *schedule, const struct day *days, size_t day_count,
                       struct show_spec *specs, struct schedule_texts *texts,
                       char why[SHOW_WHY_BYTES])
{
    size_t rooms = schedule->rooms > 0 ? schedule->rooms : 1, at = 0;
    for (size_t r = 0; r < rooms; r++)
        for (size_t d = 0; d < day_count; d++)
            for (size_t s = 0; s < schedule->slots; s++, at++) {
                const struct room *room = schedule->rooms > 0 ? &schedule->room[r] : NULL;
                if (!show_make(schedule, room, &days[d], &schedule->slot[s], &specs[at], &texts[at],
                               why))
                    return false;
                if (schedule->common.number > 0)
                    specs[at].number = schedule->common.number + (int64_t)at;
            }
    return true;
}

bool schedule_expand(const struct schedule *schedule, struct show_spec **specs, size_t *count,
                     struct schedule_texts **texts, char why[SHOW_WHY_BYTES])
{
    static struct day days[DAYS_MAX];
    size_t day_count, rooms = schedule->rooms > 0 ? schedule->rooms : 1;
    *specs = NULL;
    *texts = NULL;
    if (schedule->common.series == NULL)
        return fault(why, "a schedule needs a \"series\"");
    if (schedule->slots == 0)
        return fault(why, "a schedule needs \"slots\"");
    if (!days_of(schedule, days, &day_count, why))
        return false;
    *count = rooms * day_count * schedule->slots;
    if (*count > SCHEDULE_SHOWS_MAX) {
        snprintf(why, SHOW_WHY_BYTES, "it makes %zu shows, more than %d at once", *count,
                 SCHEDULE_SHOWS_MAX);
        return false;
    }
    if (schedule->common.number > INT32_MAX - (int64_t)*count)
        return fault(why, "the \"number\" is too high for so many shows");
    *specs = calloc(*count, sizeof(**specs));
    *texts = calloc(*count, sizeof(**texts));
    if (*specs == NULL || *texts == NULL)
        abort();
    return shows_make(schedule, days, day_count, *specs, *texts, why);
}

/* Digits where the form has 0, itself elsewhere. */
static bool has_form(const char *text, const char *form)
{
    for (; *form != '\0'; text++, form++)
        if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
            return false;
    return *text == '\0';
}

static bool day_from(const char *text, time_t *at)
{
    struct tm tm = {0};
    if (text == NULL || !has_form(text, "0000-00-00") || strptime(text, "%Y-%m-%d", &tm) == NULL)
        return false;
    int day = tm.tm_mday;
    *at = timegm(&tm);
    return tm.tm_mday == day; /* not so for the 30th of February */
}

static bool days_of(const struct schedule *schedule, struct day *days, size_t *count,
                    char why[SHOW_WHY_BYTES])
{
    time_t from, to;
    *count = 0;
    if (!day_from(schedule->from, &from) || !day_from(schedule->to, &to))
        return fault(why, "\"days\" need \"from\" and \"to\", each a day like 2035-05-03");
    if (from > to || (to - from) / DAY_S >= DAYS_MAX)
        return fault(why, "\"days\" must end after they begin, and within ten years");
    for (time_t at = from; at <= to; at += DAY_S) {
        struct tm tm;
        gmtime_r(&at, &tm);
        if (schedule->weekdays != 0 && (schedule->weekdays >> tm.tm_wday & 1) == 0)
            continue;
        days[*count].at = at;
        strftime(days[*count].text, sizeof(days[*count].text), "%Y-%m-%d", &tm);
        ++*count;
    }
    return *count > 0 || fault(why, "none of the \"days\" is one of the \"weekdays\"");
}

/* "15:00" in minutes. */
static bool minutes_from(const char *text, int *minutes)
{
    if (text == NULL || !has_form(text, "00:00"))
        return false;
    *minutes = atoi(text) * 60 + atoi(text + 3);
    return atoi(text) < 24 && atoi(text + 3) < 60;
}

static void time_put(char text[TIME_BYTES], time_t at, const char *offset)
{
    struct tm tm;
    size_t n = strftime(text, TIME_BYTES, "%Y-%m-%dT%H:%M:%S", gmtime_r(&at, &tm));
    snprintf(text + n, TIME_BYTES - n, "%s", offset);
}

static bool times_make(const struct schedule *schedule, const struct day *day,
                       const struct slot *slot, struct show_spec *spec,
                       struct schedule_texts *texts, char why[SHOW_WHY_BYTES])
{
    int begins, ends;
    if (!minutes_from(slot->begins, &begins) || !minutes_from(slot->ends, &ends))
        return fault(why, "a slot is {\"begins\": \"15:00\", \"ends\": \"17:30\"}");
    time_t start = day->at + begins * 60;
    time_put(texts->starts, start, schedule->utc_offset);
    time_put(texts->ends, day->at + ends * 60 + (ends <= begins ? DAY_S : 0), schedule->utc_offset);
    spec->starts_at = texts->starts;
    spec->ends_at = texts->ends;
    if (schedule->closes_minutes_before >= 0) {
        time_put(texts->closes, start - schedule->closes_minutes_before * 60, schedule->utc_offset);
        spec->closes_at = texts->closes;
    }
    return true;
}

static void name_make(const struct schedule *schedule, const struct room *room,
                      const struct day *day, const struct slot *slot, struct schedule_texts *texts)
{
    const char *series = schedule->common.series, *name = schedule->common.name;
    bool timed = schedule->slots > 1;
    snprintf(texts->slug, sizeof(texts->slug), "%s-%.4s%.2s%.2s%s%.2s%.2s",
             room != NULL ? room->slug : series, day->text, day->text + 5, day->text + 8,
             timed ? "-" : "", timed ? slot->begins : "", timed ? slot->begins + 3 : "");
    const char *part = room == NULL ? NULL : room->name != NULL ? room->name : room->slug;
    snprintf(texts->name, sizeof(texts->name), "%s%s%s, %s%s%s", name != NULL ? name : series,
             part != NULL ? ", " : "", part != NULL ? part : "", day->text, timed ? " " : "",
             timed ? slot->begins : "");
}

static bool show_make(const struct schedule *schedule, const struct room *room,
                      const struct day *day, const struct slot *slot, struct show_spec *spec,
                      struct schedule_texts *texts, char why[SHOW_WHY_BYTES])
{
    char clause[SHOW_WHY_BYTES];
    *spec = schedule->common;
    if (!times_make(schedule, day, slot, spec, texts, why))
        return false;
    name_make(schedule, room, day, slot, texts);
    spec->slug = texts->slug;
    spec->name = texts->name;
    if (room != NULL && room->has_tiers) {
        spec->tiers = room->tiers;
        memcpy(spec->tier, room->tier, sizeof(spec->tier));
    }
    if (show_spec_check(spec, clause))
        return true;
    snprintf(why, SHOW_WHY_BYTES, "show %.60s: %.120s", spec->slug, clause);
    return false;
}
