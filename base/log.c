#include "log.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "text.h"

#define NUMBERS 16
#define NUMBER_BYTES 24

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

static const char *log_program = "usher";
static enum log_level log_level_min = LOG_INFO;
static enum log_format log_format = LOG_LOGFMT;

/* A line under construction; what does not fit is dropped. */
struct log_line {
    char bytes[LOG_BYTES_MAX];
    size_t len; /* leaves a byte for the newline */
};

static void put(struct log_line *line, const char *bytes, size_t n);
static void put_pair(struct log_line *line, const char *key, const char *value);
static void put_quoted(struct log_line *line, struct span s);
static void put_json_pair(struct log_line *line, const char *key, const char *value);
static char *number_text(unsigned long long n);

void log_open(const char *program, enum log_level level_min, enum log_format format)
{
    log_program = program;
    log_level_min = level_min;
    log_format = format;
}

bool log_level_from(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_format_from(const char *name, enum log_format *format)
{
    bool is_json = strcmp(name, "json") == 0;

    if (!is_json && strcmp(name, "logfmt") != 0)
        return false;
    *format = is_json ? LOG_JSON : LOG_LOGFMT;
    return true;
}

bool log_wants(enum log_level level)
{
    return level >= log_level_min;
}

void log_event(enum log_level level, const char *event, ...)
{
    struct log_line line;
    char at[CLOCK_TEXT_BYTES];
    const char *key;
    va_list pairs;

    if (!log_wants(level))
        return;
    clock_format(clock_wall_ms(), at);
    line.len = 0;
    put_pair(&line, "at", at);
    put_pair(&line, "level", level_names[level]);
    put_pair(&line, "program", log_program);
    put_pair(&line, "event", event);
    va_start(pairs, event);
    while ((key = va_arg(pairs, const char *)) != NULL)
        put_pair(&line, key, va_arg(pairs, const char *));
    va_end(pairs);
    if (log_format == LOG_JSON)
        line.bytes[line.len++] = '}'; /* put_json_pair has left room */
    line.bytes[line.len++] = '\n';
    /* One write, so that lines of several processes do not mix. Nobody is told if it fails. */
    if (write(STDERR_FILENO, line.bytes, line.len) < 0)
        return;
}

const char *log_u64(unsigned long long n)
{
    return number_text(n);
}

const char *log_i64(long long n)
{
    char *text = number_text(n < 0 ? 0ULL - (unsigned long long)n : (unsigned long long)n);

    if (n < 0)
        *--text = '-'; /* twenty digits, filled in from the end, leave room for it */
    return text;
}

static char *number_text(unsigned long long n)
{
    static char numbers[NUMBERS][NUMBER_BYTES];
    static unsigned next;
    char *at = numbers[next++ % NUMBERS] + NUMBER_BYTES - 1;

    *at = '\0';
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    return at;
}

static void put(struct log_line *line, const char *bytes, size_t n)
{
    size_t room = LOG_BYTES_MAX - 1 - line->len;

    if (n > room)
        n = room;
    memcpy(line->bytes + line->len, bytes, n);
    line->len += n;
}

static void put_pair(struct log_line *line, const char *key, const char *value)
{
    struct span s = span_of(value != NULL ? value : "-");
    bool bare = s.len > 0;

    if (log_format == LOG_JSON) {
        put_json_pair(line, key, value != NULL ? value : "-");
        return;
    }
    for (size_t i = 0; i < s.len && bare; i++) {
        unsigned char c = (unsigned char)s.bytes[i];

        bare = c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
    }
    if (line->len > 0)
        put(line, " ", 1);
    put(line, key, strlen(key));
    put(line, "=", 1);
    if (bare)
        put(line, s.bytes, s.len);
    else
        put_quoted(line, s);
}

/* Control bytes, and bytes that are no UTF-8, as \xNN: a log line is one line of text. */
static void put_quoted(struct log_line *line, struct span s)
{
    bool readable = text_is_utf8(s) && !text_has_control(s);

    put(line, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.bytes[i];
        char escaped[4] = {'\\', 'x', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};

        if (c == '"' || c == '\\') {
            escaped[1] = (char)c;
            put(line, escaped, 2);
        } else if (c == '\n' || c == '\t') {
            escaped[1] = c == '\n' ? 'n' : 't';
            put(line, escaped, 2);
        } else if (!readable && (c < ' ' || c >= 0x7f)) {
            put(line, escaped, 4);
        } else {
            put(line, s.bytes + i, 1);
        }
    }
    put(line, "\"", 1);
}

/* A pair is whole, or its value is cut behind a character, or it is not there: so that what stands
 * is JSON however much did not fit. */
static void put_json_pair(struct log_line *line, const char *key, const char *value)
{
    const size_t end = LOG_BYTES_MAX - sizeof("\"}"); /* … and the newline */
    struct span rest = span_of(value);
    char piece[TEXT_JSON_BYTES_MAX];
    size_t n;

    if (line->len + strlen(key) + sizeof(",\"\":\"") > end)
        return;
    put(line, line->len == 0 ? "{\"" : ",\"", 2);
    put(line, key, strlen(key));
    put(line, "\":\"", 3);
    while ((n = text_put_json(&rest, piece)) > 0 && line->len + n <= end)
        put(line, piece, n);
    put(line, "\"", 1);
}
