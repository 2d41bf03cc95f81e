#include "show_spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

#define NAME_BYTES_MAX 200
#define HOLD_SECONDS_MAX 86400

#define TEXT(name, field, value, help)                                                             \
    {                                                                                              \
        name, FLAG_TEXT, offsetof(struct show_spec, field), 0, 0, value, help                      \
    }
#define NUMBER(name, field, min, max, help)                                                        \
    {                                                                                              \
        name, FLAG_NUMBER, offsetof(struct show_spec, field), min, max, "N", help                  \
    }

const struct flag show_fields[SHOW_FIELDS] = {
    TEXT("--slug", slug, "SLUG", "its short name: a-z, 0-9 and -, first a letter"),
    TEXT("--name", name, "TEXT", "its name for people [the slug]"),
    NUMBER("--number", number, 1, INT32_MAX, "its number [the next free one]"),
    TEXT("--category", category, "WORD", "concert, movie, hotel, … [event]"),
    NUMBER("--partition", partition, 1, INT32_MAX, "who decides its bookings [1]"),
    NUMBER("--max-per-user", max_per_user, 1, INT32_MAX, "live places of one person [no limit]"),
    NUMBER("--max-per-booking", max_per_booking, 1, QUANTITY_MAX, "places in one booking [10]"),
    NUMBER("--hold-seconds", hold_seconds, 1, HOLD_SECONDS_MAX, "how long a hold lasts [600]"),
    NUMBER("--hold-seconds-max", hold_seconds_max, 1, HOLD_SECONDS_MAX * 2,
           "and at most, once extended [twice that]"),
    NUMBER("--offer-seconds", offer_seconds, 1, HOLD_SECONDS_MAX,
           "how long an offer to who waits lasts [as a hold]"),
    TEXT("--starts-at", starts_at, "TIME", "when it begins, RFC 3339"),
    TEXT("--ends-at", ends_at, "TIME", "when it ends, RFC 3339"),
    TEXT("--opens-at", opens_at, "TIME", "sales open, RFC 3339 [at once]"),
    TEXT("--closes-at", closes_at, "TIME", "sales close, RFC 3339 [never]"),
    TEXT("--currency", currency, "CODE", "ISO 4217 [USD]"),
    TEXT("--series", series, "SLUG", "the schedule that it is one date of [none]"),
    TEXT("--payment", payment, "WORD", "required: a booking must be paid; or optional [optional]"),
    TEXT("--map", map_path, "FILE", "its numbered seats, CSV or JSON (see SEAT MAPS)"),
    {"--draft", FLAG_SWITCH, offsetof(struct show_spec, draft), 0, 0, "", "do not open sales yet"},
};

static bool is_word(const char *text, size_t bytes_max);
static bool is_currency(const char *text);
static bool time_from(const char *text, int64_t *at_s);
static const char *tier_fault(const struct tier_spec *tier);

void show_field_key(const struct flag *field, char key[SHOW_FIELD_BYTES])
{
    snprintf(key, SHOW_FIELD_BYTES, "%s", field->name + 2);
    for (char *at = key; *at != '\0'; at++)
        if (*at == '-')
            *at = '_';
}

void show_spec_init(struct show_spec *spec)
{
    *spec = (struct show_spec){
        .category = "event",
        .partition = 1,
        .max_per_booking = 10,
        .hold_seconds = 600,
        .currency = "USD",
        .payment = "optional",
    };
}

bool show_spec_add_tier(struct show_spec *spec, const char *text, char why[SHOW_WHY_BYTES])
{
    if (spec->tiers == TIERS_MAX) {
        snprintf(why, SHOW_WHY_BYTES, "a show has at most %d tiers", TIERS_MAX);
        return false;
    }
    struct tier_spec *tier = &spec->tier[spec->tiers];
    const char *first = strchr(text, ':'), *second = first ? strchr(first + 1, ':') : NULL;
    const char *price_end = second != NULL ? second : text + strlen(text);
    uint64_t price, capacity = 0;
    if (first == NULL || (size_t)(first - text) > TIER_BYTES_MAX ||
        !text_u64((struct span){first + 1, (size_t)(price_end - first - 1)}, PRICE_MAX, &price) ||
        (second != NULL && !text_u64(span_of(second + 1), CAPACITY_MAX, &capacity))) {
        snprintf(why, SHOW_WHY_BYTES,
                 "a tier is CODE:PRICE:CAPACITY, or CODE:PRICE if it has numbered seats, the price"
                 " in minor units, not '%.60s'",
                 text);
        return false;
    }
    tier->has_seats = second == NULL;
    snprintf(tier->code, sizeof(tier->code), "%.*s", (int)(first - text), text);
    tier->price = (int64_t)price;
    tier->capacity = (int64_t)capacity;
    spec->tiers++;
    return true;
}

static struct tier_spec *tier_named(struct show_spec *spec, struct span code)
{
    for (size_t i = 0; i < spec->tiers; i++)
        if (span_is(code, spec->tier[i].code))
            return &spec->tier[i];
    return NULL;
}

/* "50%", or a time. */
static bool read_when(struct span when, struct price_step_spec *step)
{
    uint64_t percent;

    if (when.len > 1 && when.bytes[when.len - 1] == '%') {
        if (!text_u64((struct span){when.bytes, when.len - 1}, 100, &percent))
            return false;
        step->sold_percent = (int64_t)percent;
        return percent > 0;
    }
    if (when.len == 0 || when.len >= sizeof(step->from))
        return false;
    memcpy(step->from, when.bytes, when.len);
    return true;
}

bool show_spec_add_step(struct show_spec *spec, const char *text, char why[SHOW_WHY_BYTES])
{
    struct price_step_spec step = {0};
    const char *first = strchr(text, ':'), *last = strrchr(text, ':');
    uint64_t price;
    if (first == NULL || last <= first ||
        !read_when((struct span){first + 1, (size_t)(last - first - 1)}, &step) ||
        !text_u64(span_of(last + 1), PRICE_MAX, &price)) {
        snprintf(why, SHOW_WHY_BYTES,
                 "a price step is CODE:N%%:PRICE or CODE:TIME:PRICE, N from 1 to 100, not '%.60s'",
                 text);
        return false;
    }
    struct tier_spec *tier = tier_named(spec, (struct span){text, (size_t)(first - text)});
    if (tier == NULL) {
        snprintf(why, SHOW_WHY_BYTES, "there is no tier '%.*s' for the price step '%.60s'",
                 (int)(first - text < 40 ? first - text : 40), text, text);
        return false;
    }
    if (tier->steps == PRICE_STEPS_MAX) {
        snprintf(why, SHOW_WHY_BYTES, "a tier has at most %d price steps", PRICE_STEPS_MAX);
        return false;
    }
    step.price = (int64_t)price;
    tier->step[tier->steps++] = step;
    return true;
}

static bool fault(char why[SHOW_WHY_BYTES], const char *text)
{
    snprintf(why, SHOW_WHY_BYTES, "%s", text);
    return false;
}

static bool tiers_check(const struct show_spec *spec, char why[SHOW_WHY_BYTES])
{
    if (spec->tiers == 0)
        return fault(why, "a show needs a tier");
    for (size_t i = 0; i < spec->tiers; i++) {
        const char *wrong = tier_fault(&spec->tier[i]);
        for (size_t j = 0; wrong == NULL && j < i; j++)
            if (strcmp(spec->tier[i].code, spec->tier[j].code) == 0)
                wrong = "its code is another's too";
        if (wrong == NULL)
            continue;
        snprintf(why, SHOW_WHY_BYTES, "tier %zu: %s", i + 1, wrong);
        return false;
    }
    return true;
}

static bool times_check(const struct show_spec *spec, char why[SHOW_WHY_BYTES])
{
    int64_t starts_s = INT64_MIN, ends_s = INT64_MAX, opens_s = INT64_MIN, closes_s = INT64_MAX;
    if (spec->starts_at != NULL && !time_from(spec->starts_at, &starts_s))
        return fault(why, "starts-at must be a time like 2027-05-03T19:30:00Z");
    if (spec->ends_at != NULL && !time_from(spec->ends_at, &ends_s))
        return fault(why, "ends-at must be a time like 2027-05-03T22:00:00Z");
    if (starts_s >= ends_s)
        return fault(why, "a show must begin before it ends");
    if (spec->opens_at != NULL && !time_from(spec->opens_at, &opens_s))
        return fault(why, "opens-at must be a time like 2027-05-03T19:30:00Z");
    if (spec->closes_at != NULL && !time_from(spec->closes_at, &closes_s))
        return fault(why, "closes-at must be a time like 2027-05-03T19:30:00Z");
    return opens_s < closes_s || fault(why, "sales must open before they close");
}

bool show_spec_check(struct show_spec *spec, char why[SHOW_WHY_BYTES])
{
    if (spec->slug == NULL)
        return fault(why, "a show needs a slug");
    if (!text_is_slug(span_of(spec->slug)))
        return fault(why, "a slug is 1 to 64 of a-z, 0-9 and -, the first one a letter");
    if (spec->name == NULL)
        spec->name = spec->slug;
    struct span name = span_of(spec->name);
    if (name.len == 0 || name.len > NAME_BYTES_MAX || !text_is_utf8(name) || text_has_control(name))
        return fault(why, "a name is 1 to 200 bytes of UTF-8 without control characters");
    if (!is_word(spec->category, 32))
        return fault(why, "a category is 1 to 32 of a-z, 0-9 and -, the first one a letter");
    if (spec->series != NULL && !text_is_slug(span_of(spec->series)))
        return fault(why, "a series is 1 to 64 of a-z, 0-9 and -, the first one a letter");
    if (!is_currency(spec->currency))
        return fault(why, "a currency is three capitals (ISO 4217)");
    if (strcmp(spec->payment, "optional") != 0 && strcmp(spec->payment, "required") != 0)
        return fault(why, "payment is optional or required");
    if (spec->hold_seconds_max == 0)
        spec->hold_seconds_max = 2 * spec->hold_seconds;
    if (spec->hold_seconds_max < spec->hold_seconds)
        return fault(why, "hold-seconds-max is less than hold-seconds");
    return times_check(spec, why) && tiers_check(spec, why);
}

static bool is_word(const char *text, size_t bytes_max)
{
    struct span word = span_of(text);
    return word.len <= bytes_max && text_is_slug(word);
}

static bool is_currency(const char *text)
{
    return strlen(text) == 3 && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3;
}

static const char *steps_fault(const struct tier_spec *tier)
{
    for (size_t i = 0; i < tier->steps; i++) {
        const struct price_step_spec *step = &tier->step[i];
        int64_t at_s;
        if (step->price < 0 || step->price > PRICE_MAX)
            return "the price of a step is out of range";
        if (step->sold_percent != 0 && (step->sold_percent < 1 || step->sold_percent > 100))
            return "a price step begins at 1 to 100 percent sold";
        if (step->sold_percent == 0 && (!time_from(step->from, &at_s) || at_s < 0))
            return "a price step begins at N% or at a time like 2027-05-03T19:30:00Z";
    }
    return NULL;
}

static const char *tier_fault(const struct tier_spec *tier)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t n = strlen(tier->code);
    if (n == 0 || strchr(letters, tier->code[0]) == NULL)
        return "its code must begin with a letter or digit";
    for (size_t i = 0; i < n; i++)
        if (strchr(letters, tier->code[i]) == NULL && strchr(" _.-", tier->code[i]) == NULL)
            return "its code may have letters, digits, spaces and _ . - only";
    if (tier->price < 0 || tier->price > PRICE_MAX)
        return "its price is out of range";
    if (tier->capacity < 0 || tier->capacity > CAPACITY_MAX)
        return "its capacity is out of range";
    return steps_fault(tier);
}

/* RFC 3339, as seconds since 1970; a fraction is allowed and left out of the comparison. */
static bool time_from(const char *text, int64_t *at_s)
{
    struct tm tm = {0};
    const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (at == NULL || strlen(text) < 20 || text[4] != '-' || text[10] != 'T' || text[16] != ':' ||
        at != text + 19)
        return false;
    if (*at == '.') {
        size_t digits = strspn(at + 1, "0123456789");
        if (digits == 0 || digits > 6)
            return false;
        at += 1 + digits;
    }
    struct tm same = tm;
    time_t seconds = timegm(&same);
    if (same.tm_mday != tm.tm_mday || same.tm_mon != tm.tm_mon) /* the 30th of February */
        return false;
    int hours = 0, minutes = 0, used = 0;
    char sign[2] = "+";
    if (strcmp(at, "Z") != 0 &&
        (sscanf(at, "%1[+-]%2d:%2d%n", sign, &hours, &minutes, &used) != 3 || used != 6 ||
         at[6] != '\0' || hours > 23 || minutes > 59))
        return false;
    int64_t offset_s = (hours * 60 + minutes) * 60;
    *at_s = (int64_t)seconds - (sign[0] == '-' ? -offset_s : offset_s);
    return true;
}
