#include "bench/generator/response.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_BYTES_MAX 62

struct span response_field(const struct response_seen *r, const char *name)
{
    size_t n = strlen(name);
    const char *end = r->head.bytes + r->head.len;
    const char *line = memchr(r->head.bytes, '\n', r->head.len);

    while (line != NULL && ++line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        const char *stop = next != NULL ? next : end;
        if ((size_t)(stop - line) > n && line[n] == ':' && strncasecmp(line, name, n) == 0) {
            const char *value = line + n + 1;
            while (value < stop && *value == ' ')
                value++;
            while (stop > value && (stop[-1] == '\r' || stop[-1] == '\n' || stop[-1] == ' '))
                stop--;
            return (struct span){value, (size_t)(stop - value)};
        }
        line = next;
    }
    return (struct span){NULL, 0};
}

static bool read_length(struct span digits, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.bytes[i] < '0' || digits.bytes[i] > '9' || *n > 1u << 24)
            return false;
        *n = *n * 10 + (size_t)(digits.bytes[i] - '0');
    }
    return digits.len > 0;
}

static bool read_status(struct span head, int *status)
{
    if (head.len < 12 || memcmp(head.bytes, "HTTP/1.1 ", 9) != 0)
        return false;
    *status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (head.bytes[i] < '0' || head.bytes[i] > '9')
            return false;
        *status = *status * 10 + (head.bytes[i] - '0');
    }
    return true;
}

enum response_state response_read(struct span bytes, struct response_seen *r, size_t *used)
{
    const char *end = memmem(bytes.bytes, bytes.len, "\r\n\r\n", 4);
    size_t length;

    if (end == NULL)
        return RESPONSE_PART;
    r->head = (struct span){bytes.bytes, (size_t)(end - bytes.bytes) + 2};
    if (!read_status(r->head, &r->status))
        return RESPONSE_BAD;
    if (!read_length(response_field(r, "Content-Length"), &length))
        return RESPONSE_BAD;
    size_t head = r->head.len + 2;
    if (bytes.len - head < length)
        return RESPONSE_PART;
    r->body = (struct span){bytes.bytes + head, length};
    r->close = span_is_nocase(response_field(r, "Connection"), "close");
    *used = head + length;
    return RESPONSE_WHOLE;
}

static const char *skip_spaces(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

static struct span read_scalar(const char *at, const char *end)
{
    const char *stop;

    if (at < end && *at == '"') {
        at++;
        stop = memchr(at, '"', (size_t)(end - at));
    } else {
        stop = at;
        while (stop < end && strchr(",}] \r\n\t", *stop) == NULL)
            stop++;
    }
    return stop != NULL ? (struct span){at, (size_t)(stop - at)} : (struct span){NULL, 0};
}

/* Where the value of the first member of that name begins, or NULL. */
static const char *find_value(struct span json, const char *name)
{
    char quoted[NAME_BYTES_MAX + 3];
    size_t n = strlen(name);
    const char *at = json.bytes;
    const char *end = json.bytes + json.len;

    if (n > NAME_BYTES_MAX || json.len == 0)
        return NULL;
    snprintf(quoted, sizeof(quoted), "\"%s\"", name);
    while ((at = memmem(at, (size_t)(end - at), quoted, n + 2)) != NULL) {
        at = skip_spaces(at + n + 2, end);
        if (at < end && *at == ':')
            return skip_spaces(at + 1, end);
    }
    return NULL;
}

struct span json_member(struct span json, const char *name)
{
    const char *at = find_value(json, name);

    return at != NULL ? read_scalar(at, json.bytes + json.len) : (struct span){NULL, 0};
}

struct span json_list(struct span json, const char *name)
{
    const char *at = find_value(json, name);
    const char *end = json.bytes + json.len;

    if (at == NULL || at == end || *at != '[')
        return (struct span){NULL, 0};
    at = skip_spaces(at + 1, end);
    const char *stop = memchr(at, ']', (size_t)(end - at));
    while (stop != NULL && stop > at && strchr(" \n\t\r", stop[-1]) != NULL)
        stop--;
    return stop != NULL ? (struct span){at, (size_t)(stop - at)} : (struct span){NULL, 0};
}
