#include "http/head.h"

#include <string.h>
#include <strings.h>

#include "base/bounds.h"

#define IN_TOKEN 1u
#define IN_TARGET 2u
#define IN_VALUE 4u
#define IN_HOST 8u

/* RFC 9110's token, any visible ASCII in a target but '#', and in values also SP, HTAB, obs-text.
 */
static const unsigned char byte_class[256] = {
    ['\t'] = IN_VALUE,
    [' '] = IN_VALUE,
    ['"'] = IN_TARGET | IN_VALUE,
    ['#'] = IN_TOKEN | IN_VALUE,
    ['!'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['$' ... '\''] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['('] = IN_TARGET | IN_VALUE | IN_HOST,
    [')'] = IN_TARGET | IN_VALUE | IN_HOST,
    ['*'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['+'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    [','] = IN_TARGET | IN_VALUE | IN_HOST,
    ['-'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['.'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['/'] = IN_TARGET | IN_VALUE,
    ['0' ... '9'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    [':'] = IN_TARGET | IN_VALUE,
    [';'] = IN_TARGET | IN_VALUE | IN_HOST,
    ['<'] = IN_TARGET | IN_VALUE,
    ['='] = IN_TARGET | IN_VALUE | IN_HOST,
    ['>' ... '@'] = IN_TARGET | IN_VALUE,
    ['A' ... 'Z'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['[' ... ']'] = IN_TARGET | IN_VALUE,
    ['^'] = IN_TOKEN | IN_TARGET | IN_VALUE,
    ['_'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['`'] = IN_TOKEN | IN_TARGET | IN_VALUE,
    ['a' ... 'z'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['{'] = IN_TARGET | IN_VALUE,
    ['|'] = IN_TOKEN | IN_TARGET | IN_VALUE,
    ['}'] = IN_TARGET | IN_VALUE,
    ['~'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    [0x80 ... 0xff] = IN_VALUE,
};

static const struct {
    const char *name;
    enum http_method method;
} methods[] = {
    {"GET", METHOD_GET},         {"POST", METHOD_POST},   {"HEAD", METHOD_HEAD},
    {"PUT", METHOD_PUT},         {"PATCH", METHOD_PATCH}, {"DELETE", METHOD_DELETE},
    {"OPTIONS", METHOD_OPTIONS},
};

/* Where the scan stands, and what it has seen that may stand only once. */
struct scan {
    const char *at;
    const char *end;
    struct head *head;
    bool has_host;
    bool has_encoding;
};

static enum head_verdict scan_request_line(struct scan *s);
static enum head_verdict scan_version(struct scan *s);
static enum head_verdict scan_fields(struct scan *s);
static enum head_verdict scan_field(struct scan *s);
static enum head_verdict scan_line_end(struct scan *s, const char *why);
static enum head_verdict judge_target(struct scan *s, struct span target);
static enum head_verdict judge_field(struct scan *s, struct span name, struct span value);
static enum head_verdict judge_end(struct scan *s);

static enum head_verdict bad(struct head *head, int status, const char *why)
{
    head->status = status;
    head->why = why;
    return HEAD_BAD;
}

enum head_verdict head_scan(struct span input, struct head *head)
{
    memset(head, 0, sizeof *head);
    size_t len = input.len < HEAD_BYTES_MAX ? input.len : HEAD_BYTES_MAX;
    struct scan s = {.at = input.bytes, .end = input.bytes + len, .head = head};
    enum head_verdict verdict = scan_request_line(&s);
    if (verdict == HEAD_COMPLETE)
        verdict = scan_fields(&s);
    if (verdict == HEAD_INCOMPLETE && len == HEAD_BYTES_MAX)
        return bad(head, 431, "The request's head is too large.");
    if (verdict == HEAD_COMPLETE)
        head->len = (size_t)(s.at - input.bytes);
    return verdict;
}

bool head_byte_in_token(unsigned char byte)
{
    return byte_class[byte] & IN_TOKEN;
}

bool head_byte_in_value(unsigned char byte)
{
    return byte_class[byte] & IN_VALUE;
}

/* Move over bytes of a class; what was passed is returned. */
static struct span pass(struct scan *s, unsigned class)
{
    const char *from = s->at;
    while (s->at < s->end && (byte_class[(unsigned char)*s->at] & class))
        s->at++;
    return (struct span){from, (size_t)(s->at - from)};
}

static enum http_method method_of(struct span name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (span_is(name, methods[i].name))
            return methods[i].method;
    return METHOD_UNKNOWN;
}

static enum head_verdict scan_request_line(struct scan *s)
{
    if (s->at < s->end && *s->at == '\r') {
        enum head_verdict verdict = scan_line_end(s, "The request line is missing.");
        if (verdict != HEAD_COMPLETE)
            return verdict;
        s->head->skipped = 2;
    }
    struct span method = pass(s, IN_TOKEN);
    if (s->at == s->end)
        return HEAD_INCOMPLETE;
    if (method.len == 0 || *s->at != ' ')
        return bad(s->head, 400, "The request line does not begin with a method and one space.");
    s->head->method = method_of(method);
    s->head->method_len = method.len;
    if (span_is(method, "CONNECT"))
        return bad(s->head, 501, "This server is not a proxy: CONNECT is not supported.");
    s->at++;

    struct span target = pass(s, IN_TARGET);
    if (target.len > TARGET_BYTES_MAX)
        return bad(s->head, 414, "The request target is too long.");
    if (s->at == s->end)
        return HEAD_INCOMPLETE;
    if (target.len == 0 || *s->at != ' ')
        return bad(s->head, 400,
                   "The request target is empty or has a byte that may not be in it.");
    s->at++;
    enum head_verdict verdict = judge_target(s, target);
    return verdict == HEAD_COMPLETE ? scan_version(s) : verdict;
}

/* The part of a host or an authority up to its port: a name, an IPv4 address, or [IPv6]. */
static bool host_is_sound(struct span host)
{
    size_t at = 0;
    if (host.len > 0 && host.bytes[0] == '[') {
        const char *end = memchr(host.bytes, ']', host.len);
        if (end == NULL || end == host.bytes + 1)
            return false;
        for (at = 1; host.bytes + at < end; at++)
            if (strchr("0123456789abcdefABCDEF:.", host.bytes[at]) == NULL)
                return false;
        at++;
    } else {
        while (at < host.len && (byte_class[(unsigned char)host.bytes[at]] & IN_HOST))
            at++;
    }
    if (at < host.len && host.bytes[at] == ':')
        for (at++; at < host.len && host.bytes[at] >= '0' && host.bytes[at] <= '9';)
            at++;
    return at == host.len;
}

/* Origin form; absolute form of our own schemes; "*" for OPTIONS alone. */
static enum head_verdict judge_target(struct scan *s, struct span target)
{
    if (target.bytes[0] == '/')
        return HEAD_COMPLETE;
    if (span_is(target, "*") && s->head->method == METHOD_OPTIONS)
        return HEAD_COMPLETE;
    for (size_t i = 0; i < 2; i++) {
        struct span scheme = i ? SPAN("https://") : SPAN("http://");
        if (target.len <= scheme.len || strncasecmp(target.bytes, scheme.bytes, scheme.len) != 0)
            continue;
        struct span host = {target.bytes + scheme.len, 0};
        while (scheme.len + host.len < target.len && host.bytes[host.len] != '/' &&
               host.bytes[host.len] != '?')
            host.len++;
        if (host.len > 0 && host.bytes[0] != ':' && host_is_sound(host))
            return HEAD_COMPLETE;
    }
    return bad(s->head, 400, "The request target is neither a path nor an http URL.");
}

static enum head_verdict scan_version(struct scan *s)
{
    static const char expected[] = "HTTP/";
    size_t here = (size_t)(s->end - s->at);
    size_t name_len = sizeof expected - 1;
    if (memcmp(s->at, expected, here < name_len ? here : name_len) != 0)
        return bad(s->head, 400, "The request line does not end with an HTTP version.");
    for (size_t i = name_len; i < name_len + 3 && i < here; i++)
        if (i == name_len + 1 ? s->at[i] != '.' : s->at[i] < '0' || s->at[i] > '9')
            return bad(s->head, 400, "The request line does not end with an HTTP version.");
    if (here < name_len + 3)
        return HEAD_INCOMPLETE;
    char major = s->at[name_len];
    char minor = s->at[name_len + 2];
    s->at += name_len + 3;
    enum head_verdict verdict = scan_line_end(s, "The request line does not end with CRLF.");
    if (verdict != HEAD_COMPLETE)
        return verdict;
    if (major != '1' || minor > '1')
        return bad(s->head, 505, "This server speaks HTTP/1.1 and HTTP/1.0.");
    s->head->minor = minor - '0';
    return HEAD_COMPLETE;
}

static enum head_verdict scan_line_end(struct scan *s, const char *why)
{
    if (s->at == s->end)
        return HEAD_INCOMPLETE;
    if (s->at[0] != '\r')
        return bad(s->head, 400, why);
    if (s->at + 1 == s->end)
        return HEAD_INCOMPLETE;
    if (s->at[1] != '\n')
        return bad(s->head, 400, why);
    s->at += 2;
    return HEAD_COMPLETE;
}

static enum head_verdict scan_fields(struct scan *s)
{
    while (s->at < s->end && *s->at != '\r') {
        if (s->head->fields == FIELDS_MAX)
            return bad(s->head, 431, "The request has too many header fields.");
        enum head_verdict verdict = scan_field(s);
        if (verdict != HEAD_COMPLETE)
            return verdict;
        s->head->fields++;
    }
    enum head_verdict verdict = scan_line_end(s, "The head does not end with an empty line.");
    return verdict == HEAD_COMPLETE ? judge_end(s) : verdict;
}

static enum head_verdict scan_field(struct scan *s)
{
    struct span name = pass(s, IN_TOKEN);
    if (s->at == s->end)
        return HEAD_INCOMPLETE;
    if (name.len == 0 || *s->at != ':')
        return bad(s->head, 400, "A header field is not a name, a colon and a value on one line.");
    s->at++;
    struct span value = pass(s, IN_VALUE);
    enum head_verdict verdict =
        scan_line_end(s, "A header field has a byte that may not be in it.");
    if (verdict != HEAD_COMPLETE)
        return verdict;
    while (value.len > 0 && (value.bytes[0] == ' ' || value.bytes[0] == '\t')) {
        value.bytes++;
        value.len--;
    }
    while (value.len > 0 &&
           (value.bytes[value.len - 1] == ' ' || value.bytes[value.len - 1] == '\t'))
        value.len--;
    return judge_field(s, name, value);
}

static enum head_verdict judge_host(struct scan *s, struct span value)
{
    if (s->has_host)
        return bad(s->head, 400, "The request has more than one Host.");
    if (!host_is_sound(value))
        return bad(s->head, 400, "The Host is not a host name with or without a port.");
    s->has_host = true;
    return HEAD_COMPLETE;
}

static enum head_verdict judge_length(struct scan *s, struct span value)
{
    if (s->head->has_length)
        return bad(s->head, 400, "The request has more than one Content-Length.");
    if (value.len == 0)
        return bad(s->head, 400, "The Content-Length is not a number.");
    uint64_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.bytes[i] < '0' || value.bytes[i] > '9')
            return bad(s->head, 400, "The Content-Length is not a number.");
        uint64_t digit = (uint64_t)(value.bytes[i] - '0');
        n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
    }
    if (n > INT64_MAX)
        return bad(s->head, 413, "The request's body is too large.");
    s->head->has_length = true;
    s->head->content_length = n;
    return HEAD_COMPLETE;
}

static enum head_verdict judge_encoding(struct scan *s, struct span value)
{
    if (s->has_encoding)
        return bad(s->head, 400, "The request has more than one Transfer-Encoding.");
    if (!span_is(value, "chunked"))
        return bad(s->head, 400, "The only Transfer-Encoding that is understood is chunked.");
    if (s->head->minor == 0)
        return bad(s->head, 400, "There is no Transfer-Encoding in HTTP/1.0.");
    s->has_encoding = true;
    s->head->chunked = true;
    return HEAD_COMPLETE;
}

static enum head_verdict judge_expect(struct scan *s, struct span value)
{
    if (!span_is_nocase(value, "100-continue"))
        return bad(s->head, 417, "The only expectation that is understood is 100-continue.");
    s->head->expects_continue = s->head->minor > 0;
    return HEAD_COMPLETE;
}

static enum head_verdict judge_field(struct scan *s, struct span name, struct span value)
{
    static const struct {
        struct span name;
        enum head_verdict (*judge)(struct scan *s, struct span value);
    } judged[] = {
        {{"Host", 4}, judge_host},
        {{"Content-Length", 14}, judge_length},
        {{"Transfer-Encoding", 17}, judge_encoding},
        {{"Expect", 6}, judge_expect},
    };
    for (size_t i = 0; i < sizeof judged / sizeof judged[0]; i++)
        if (name.len == judged[i].name.len &&
            strncasecmp(name.bytes, judged[i].name.bytes, name.len) == 0)
            return judged[i].judge(s, value);
    return HEAD_COMPLETE;
}

static enum head_verdict judge_end(struct scan *s)
{
    if (s->head->minor > 0 && !s->has_host)
        return bad(s->head, 400, "The request has no Host.");
    if (s->head->has_length && s->has_encoding)
        return bad(s->head, 400, "The request has both a Content-Length and a Transfer-Encoding.");
    return HEAD_COMPLETE;
}
