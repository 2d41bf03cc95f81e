/* Heads of requests: the strict scan, and http-parser behind it, must see the same thing. */
#include "http/head.h"
#include "http/parser.h"
#include "tests/fuzz/fuzz.h"

#define PREFIXES_ALL_MAX 128 /* of shorter inputs, every beginning is tried */

/* A verdict on a beginning may be "more", but never one that the whole takes back. */
static void check_prefix(struct span whole, size_t n, enum head_verdict verdict,
                         const struct head *head)
{
    char *copy = malloc(n + 1); /* so that reading on is seen */
    struct head of;

    CHECK(copy != NULL);
    memcpy(copy, whole.bytes, n);
    enum head_verdict early = head_scan((struct span){copy, n}, &of);
    switch (early) {
    case HEAD_INCOMPLETE:
        CHECK(verdict != HEAD_COMPLETE || n < head->len);
        break;
    case HEAD_COMPLETE:
        CHECK(verdict == HEAD_COMPLETE && of.len == head->len && of.fields == head->fields);
        break;
    case HEAD_BAD:
        CHECK(verdict == HEAD_BAD && of.status == head->status);
        break;
    }
    free(copy);
}

static bool name_is(struct span head, const struct parser_field *f, const char *name)
{
    return span_is_nocase((struct span){head.bytes + f->name_at, f->name_len}, name);
}

static struct span value_in(struct span head, const struct parser_field *f)
{
    return (struct span){head.bytes + f->value_at, f->value_len};
}

static void check_length(const struct head *head, struct span value)
{
    unsigned long long n = 0;

    CHECK(head->has_length && value.len > 0);
    for (size_t i = 0; i < value.len; i++) {
        CHECK(value.bytes[i] >= '0' && value.bytes[i] <= '9');
        n = n * 10 + (unsigned long long)(value.bytes[i] - '0');
    }
    CHECK(n == head->content_length);
}

/* Read off the lines, the framing is what the scan said. */
static void check_framing(const struct head *head, struct span raw, const struct parser_result *p)
{
    size_t hosts = 0, lengths = 0, encodings = 0, connections = 0;

    for (size_t i = 0; i < p->count; i++) {
        const struct parser_field *f = &p->field[i];
        if (name_is(raw, f, "host"))
            hosts++;
        if (name_is(raw, f, "connection"))
            connections++;
        if (name_is(raw, f, "content-length")) {
            lengths++;
            check_length(head, value_in(raw, f));
        }
        if (name_is(raw, f, "transfer-encoding")) {
            encodings++;
            CHECK(span_is_nocase(value_in(raw, f), "chunked"));
        }
    }
    CHECK(hosts <= 1 && (hosts == 1 || head->minor == 0));
    CHECK(lengths == (head->has_length ? 1u : 0u) && encodings == (head->chunked ? 1u : 0u));
    CHECK(!(head->chunked && (head->has_length || head->minor == 0)));
    CHECK(connections > 0 || p->keep_alive == (head->minor == 1));
}

static void check_field(struct span raw, const struct parser_field *f)
{
    CHECK((size_t)f->name_at + f->name_len < raw.len && f->name_len > 0);
    CHECK((size_t)f->value_at + f->value_len <= raw.len);
    CHECK(raw.bytes[f->name_at + f->name_len] == ':');
    for (size_t i = 0; i < f->name_len; i++)
        CHECK(head_byte_in_token((unsigned char)raw.bytes[f->name_at + i]));
    for (size_t i = 0; i < f->value_len; i++)
        CHECK(head_byte_in_value((unsigned char)raw.bytes[f->value_at + i]));
}

static void check_lines(const struct head *head, struct span raw)
{
    size_t lines = 0;

    for (size_t i = 0; i < raw.len; i++) {
        CHECK(raw.bytes[i] != '\0');
        if (raw.bytes[i] == '\n') {
            lines++;
            CHECK(i > 0 && raw.bytes[i - 1] == '\r');
        } else if (raw.bytes[i] == '\r') {
            CHECK(i + 1 < raw.len && raw.bytes[i + 1] == '\n');
        }
    }
    CHECK(lines == head->fields + 2 && memcmp(raw.bytes + raw.len - 4, "\r\n\r\n", 4) == 0);
}

static void check_complete(struct span input, const struct head *head)
{
    struct span raw = {input.bytes + head->skipped, head->len - head->skipped};
    struct parser_result parsed;

    CHECK(head->len <= input.len && head->len <= HEAD_BYTES_MAX + 2 && head->skipped <= 2);
    CHECK(head->fields <= FIELDS_MAX && head->method != HTTP_OTHER_);
    check_lines(head, raw);
    if (!parser_read(raw, head->method_len, &parsed))
        return; /* the server refuses what the two do not agree on */
    CHECK(parsed.count == head->fields);
    CHECK(parsed.target_len > 0 && parsed.target_len <= TARGET_BYTES_MAX);
    CHECK(parsed.target_at == head->method_len + 1);
    CHECK(raw.bytes[parsed.target_at + parsed.target_len] == ' ');
    for (size_t i = 0; i < parsed.count; i++)
        check_field(raw, &parsed.field[i]);
    check_framing(head, raw, &parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    struct head head;
    unsigned seed = (unsigned)size;
    enum head_verdict verdict = head_scan(input, &head);

    for (size_t n = 0; n < size; n += size <= PREFIXES_ALL_MAX ? 1 : fuzz_step(&seed) * 4)
        check_prefix(input, n, verdict, &head);
    switch (verdict) {
    case HEAD_INCOMPLETE:
        CHECK(size <= HEAD_BYTES_MAX + 2);
        break;
    case HEAD_COMPLETE:
        check_prefix(input, head.len - 1, verdict, &head);
        check_prefix(input, head.len, verdict, &head);
        check_complete(input, &head);
        break;
    case HEAD_BAD:
        CHECK(head.status >= 400 && head.status < 600 && head.why != NULL && head.why[0] != '\0');
        break;
    }
    return 0;
}
