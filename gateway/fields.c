#include "gateway/fields.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.len > 0 && is_space(s.bytes[0])) {
        s.bytes++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.bytes[s.len - 1]))
        s.len--;
    return s;
}

/* The next element of a list, quoted strings kept whole; false at the end. */
static bool next_element(struct span *rest, char separator, struct span *element)
{
    bool quoted = false;
    size_t i = 0;

    if (rest->bytes == NULL)
        return false;
    for (; i < rest->len; i++) {
        char c = rest->bytes[i];
        if (quoted && c == '\\' && i + 1 < rest->len)
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == separator && !quoted)
            break;
    }
    *element = trim((struct span){rest->bytes, i});
    if (i == rest->len) {
        *rest = (struct span){NULL, 0};
    } else {
        rest->bytes += i + 1;
        rest->len -= i + 1;
    }
    return true;
}

static void read_one_preference(struct preference *p, struct span element)
{
    struct span rest = element, pair, name, value = {NULL, 0};
    const char *equals;
    uint64_t n;

    if (!next_element(&rest, ';', &pair))
        return;
    name = pair;
    equals = memchr(pair.bytes, '=', pair.len);
    if (equals != NULL) {
        size_t at = (size_t)(equals - pair.bytes);
        name = trim((struct span){pair.bytes, at});
        value = trim((struct span){equals + 1, pair.len - at - 1});
    }
    if (value.len >= 2 && value.bytes[0] == '"' && value.bytes[value.len - 1] == '"')
        value = (struct span){value.bytes + 1, value.len - 2};

    if (span_is_nocase(name, "respond-async")) {
        p->respond_async = true;
    } else if (span_is_nocase(name, "wait") && !p->has_wait && text_u64(value, UINT32_MAX, &n)) {
        p->has_wait = true;
        p->wait_s = n > WAIT_SECONDS_MAX ? WAIT_SECONDS_MAX : (int64_t)n;
    }
}

void preference_read(struct preference *p, struct span field)
{
    struct span element;

    while (next_element(&field, ',', &element))
        if (element.len > 0)
            read_one_preference(p, element);
}

void preference_format(const struct preference *p, char text[PREFERENCE_BYTES])
{
    char wait[16] = "";

    if (p->has_wait)
        snprintf(wait, sizeof wait, "wait=%d", (int)p->wait_s);
    snprintf(text, PREFERENCE_BYTES, "%s%s%s", p->respond_async ? "respond-async" : "",
             p->respond_async && p->has_wait ? ", " : "", wait);
}

static bool put_key_byte(struct idempotency_key *key, char c)
{
    if (c < ' ' || c > '~' || key->len == sizeof key->text)
        return false;
    key->text[key->len++] = c;
    return true;
}

bool idempotency_key_read(struct span field, struct idempotency_key *key)
{
    struct span s = trim(field);
    bool quoted = s.len > 0 && s.bytes[0] == '"';

    key->len = 0;
    if (quoted) {
        if (s.len < 2 || s.bytes[s.len - 1] != '"')
            return false;
        s = (struct span){s.bytes + 1, s.len - 2};
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.bytes[i];
        if (quoted && c == '\\') {
            if (++i == s.len || (s.bytes[i] != '"' && s.bytes[i] != '\\'))
                return false;
            c = s.bytes[i];
        } else if (c == '"') {
            return false;
        }
        if (!put_key_byte(key, c))
            return false;
    }
    return key->len > 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool percent_decode(struct span raw, bool plus_is_space, char *text, size_t max, size_t *len)
{
    size_t n = 0;

    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.bytes[i];
        if (c == '%') {
            bool whole = raw.len - i > 2;
            int high = whole ? hex_digit(raw.bytes[i + 1]) : -1;
            int low = whole ? hex_digit(raw.bytes[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (n == max)
            return false;
        text[n++] = c;
    }
    *len = n;
    return true;
}

enum query_found query_value(struct span query, const char *name, char *text, size_t max,
                             size_t *len)
{
    size_t at = 0;

    while (at < query.len) {
        struct span pair = {query.bytes + at, query.len - at};
        const char *end = memchr(pair.bytes, '&', pair.len);
        if (end != NULL)
            pair.len = (size_t)(end - pair.bytes);
        at += pair.len + 1;

        const char *equals = memchr(pair.bytes, '=', pair.len);
        struct span key = pair, value = {pair.bytes + pair.len, 0};
        if (equals != NULL) {
            key.len = (size_t)(equals - pair.bytes);
            value = (struct span){equals + 1, pair.len - key.len - 1};
        }
        if (!span_is(key, name))
            continue;
        return percent_decode(value, true, text, max, len) ? QUERY_FOUND : QUERY_BAD;
    }
    return QUERY_ABSENT;
}

/* A run of decimal digits within lo..hi; moves on. */
static bool take_number(struct span *s, size_t digits, int lo, int hi, int *n)
{
    *n = 0;
    if (s->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (s->bytes[i] < '0' || s->bytes[i] > '9')
            return false;
        *n = *n * 10 + (s->bytes[i] - '0');
    }
    s->bytes += digits;
    s->len -= digits;
    return *n >= lo && *n <= hi;
}

static bool take_char(struct span *s, const char *any_of)
{
    /* strchr would find the NUL that ends the set. */
    if (s->len == 0 || s->bytes[0] == '\0' || strchr(any_of, s->bytes[0]) == NULL)
        return false;
    s->bytes++;
    s->len--;
    return true;
}

static bool take_fraction(struct span *s, int *ms)
{
    size_t digits = 0;

    *ms = 0;
    if (!take_char(s, "."))
        return true;
    for (int scale = 100; s->len > 0 && s->bytes[0] >= '0' && s->bytes[0] <= '9'; digits++) {
        *ms += (s->bytes[0] - '0') * scale;
        scale /= 10;
        s->bytes++;
        s->len--;
    }
    return digits > 0;
}

static bool take_offset(struct span *s, int *minutes)
{
    int hour, minute, sign;

    *minutes = 0;
    if (take_char(s, "Zz"))
        return true;
    sign = s->len > 0 && s->bytes[0] == '-' ? -1 : 1;
    if (!take_char(s, "+-") || !take_number(s, 2, 0, 23, &hour) || !take_char(s, ":") ||
        !take_number(s, 2, 0, 59, &minute))
        return false;
    *minutes = sign * (hour * 60 + minute);
    return true;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970 in the proleptic Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool time_read(struct span s, int64_t *wall_ms)
{
    int year, month, day, hour = 0, minute = 0, second = 0, ms = 0, offset = 0;

    if (!take_number(&s, 4, 1, 9999, &year) || !take_char(&s, "-") ||
        !take_number(&s, 2, 1, 12, &month) || !take_char(&s, "-") ||
        !take_number(&s, 2, 1, days_in(year, month), &day))
        return false;
    if (s.len > 0 && (!take_char(&s, "Tt ") || !take_number(&s, 2, 0, 23, &hour) ||
                      !take_char(&s, ":") || !take_number(&s, 2, 0, 59, &minute) ||
                      !take_char(&s, ":") || !take_number(&s, 2, 0, 60, &second) ||
                      !take_fraction(&s, &ms) || !take_offset(&s, &offset)))
        return false;
    if (s.len > 0)
        return false;
    *wall_ms =
        (((days_of(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000 +
        ms;
    return true;
}

bool etag_matches(struct span if_none_match, struct span etag)
{
    struct span element;

    while (next_element(&if_none_match, ',', &element)) {
        if (element.len > 2 && memcmp(element.bytes, "W/", 2) == 0)
            element = (struct span){element.bytes + 2, element.len - 2};
        if (span_is(element, "*") || span_equal(element, etag))
            return true;
    }
    return false;
}

bool media_is_json(struct span content_type)
{
    struct span rest = content_type, media;

    if (!next_element(&rest, ';', &media))
        return false;
    if (span_is_nocase(media, "application/json"))
        return true;
    return media.len > 17 && span_is_nocase((struct span){media.bytes, 12}, "application/") &&
           span_is_nocase((struct span){media.bytes + media.len - 5, 5}, "+json");
}

static bool prefers(struct span accept, const char *type)
{
    struct span element, media;

    while (next_element(&accept, ',', &element)) {
        if (media_is_json(element))
            return false;
        if (next_element(&element, ';', &media) && span_is_nocase(media, type))
            return true;
    }
    return false;
}

bool media_prefers_stream(struct span accept)
{
    return prefers(accept, "text/event-stream");
}

bool media_prefers_page(struct span accept)
{
    return prefers(accept, "text/html");
}

bool media_prefers_csv(struct span accept)
{
    return prefers(accept, "text/csv");
}

bool list_has_token(struct span list, const char *token)
{
    struct span element;

    while (next_element(&list, ',', &element))
        if (span_is_nocase(element, token))
            return true;
    return false;
}

bool origin_is_of_host(struct span origin, struct span host)
{
    static const struct span schemes[] = {{"http://", 7}, {"https://", 8}};

    for (size_t i = 0; i < 2; i++) {
        size_t n = schemes[i].len;
        if (host.len > 0 && origin.len == n + host.len &&
            memcmp(origin.bytes, schemes[i].bytes, n) == 0 &&
            strncasecmp(origin.bytes + n, host.bytes, host.len) == 0)
            return true;
    }
    return false;
}

/* Whether the parameters of an element say q=0, in whatever spelling of nothing. */
static bool weighs_nothing(struct span parameters)
{
    struct span parameter;

    while (next_element(&parameters, ';', &parameter)) {
        if (parameter.len < 3 || !span_is_nocase((struct span){parameter.bytes, 2}, "q="))
            continue;
        for (size_t i = 2; i < parameter.len; i++)
            if (parameter.bytes[i] != '0' && parameter.bytes[i] != '.')
                return false;
        return true;
    }
    return false;
}

bool encoding_is_accepted(struct span accept_encoding, const char *name)
{
    struct span element, coding;
    bool others = false;

    while (next_element(&accept_encoding, ',', &element)) {
        if (!next_element(&element, ';', &coding))
            continue;
        if (span_is_nocase(coding, name))
            return !weighs_nothing(element);
        if (span_is(coding, "*"))
            others = !weighs_nothing(element);
    }
    return others;
}

static bool list_has(struct span list, struct span wanted)
{
    size_t at = 0;

    while (at < list.len) {
        size_t end = at;
        while (end < list.len && list.bytes[end] != ',' && list.bytes[end] != ' ')
            end++;
        if (end > at && span_equal((struct span){list.bytes + at, end - at}, wanted))
            return true;
        at = end + 1;
    }
    return false;
}

bool origin_is_named(struct span list, struct span origin)
{
    return !span_is(origin, "*") && list_has(list, origin);
}

bool origin_is_allowed(struct span list, struct span origin)
{
    return list_has(list, SPAN("*")) || list_has(list, origin);
}
