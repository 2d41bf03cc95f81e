#include "courier/delivery.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/digest.h"

#define TEXT_BYTES_MAX 65536
#define SECRET_BYTES_MAX 256
#define SECRET_PREFIX "whsec_"

static const char claim_sql[] =
    "SELECT id, attempts, kind, at_ms, coalesce(subject::text, ''), url, secret, secret_before,"
    " event, type, data, trace_of_delivery(id) FROM claim_deliveries($1, $2::text[], $3::integer, "
    "$4::bigint)";
enum { D_ROW, D_ATTEMPTS, D_KIND, D_AT, D_SUBJECT, D_TEXTS, D_TRACE = D_TEXTS + 6 };

static struct postgres_parameter word(const char *text)
{
    return (struct postgres_parameter){text, strlen(text), false};
}

/* The row goes with its result: its texts are kept behind one another. */
static bool read_texts(const struct postgres_result *r, size_t row, struct delivery *d)
{
    struct span *into[] = {&d->url, &d->secret, &d->secret_before, &d->event, &d->type, &d->data};
    size_t count = sizeof into / sizeof into[0], at = 0;

    buf_init(&d->text, TEXT_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct span text = postgres_cell(r, row, D_TEXTS + i);
        buf_put(&d->text, text.bytes, text.len);
        buf_putc(&d->text, '\0');
        into[i]->len = text.len;
    }
    if (d->text.failed)
        return false;
    for (size_t i = 0; i < count; i++) {
        into[i]->bytes = d->text.bytes + at;
        at += into[i]->len + 1;
    }
    return true;
}

static bool read_delivery(const struct postgres_result *r, size_t row, struct delivery *d)
{
    struct span subject = postgres_cell(r, row, D_SUBJECT);

    *d = (struct delivery){
        .is_taken = true,
        .kind = span_is(postgres_cell(r, row, D_KIND), "mail") ? DELIVERY_MAIL : DELIVERY_WEBHOOK,
        .row = postgres_cell_i64(r, row, D_ROW),
        .attempts = postgres_cell_i64(r, row, D_ATTEMPTS),
        .at_ms = postgres_cell_i64(r, row, D_AT),
        .began_us = clock_mono_us(),
        .has_subject = subject.len > 0};
    carried_begin(&d->carried, postgres_cell(r, row, D_TRACE));
    return (subject.len == 0 || id_from_uuid(subject, &d->subject) == ERR_NONE) &&
           read_texts(r, row, d);
}

enum err deliveries_claim(struct postgres *p, const char *courier, bool mail, size_t max,
                          int64_t lease_ms, struct delivery *delivery, size_t *count)
{
    struct postgres_result *result = NULL;
    char rows[24], lease[24];

    *count = 0;
    snprintf(rows, sizeof rows, "%zu", max);
    snprintf(lease, sizeof lease, "%" PRId64, lease_ms);
    struct postgres_parameter parameter[] = {
        word(courier), word(mail ? "{webhook,mail}" : "{webhook}"), word(rows), word(lease)};
    TRY(postgres_query(p, claim_sql, 4, parameter, false, &result));
    enum err err = ERR_NONE;
    for (size_t row = 0; !err && row < postgres_rows(result) && *count < max; row++) {
        if (read_delivery(result, row, &delivery[*count]))
            (*count)++;
        else
            err = ERR_INPUT;
    }
    postgres_result_free(result);
    return err;
}

void delivery_free(struct delivery *d)
{
    buf_free(&d->text);
    d->is_taken = false;
}

enum err deliveries_tell(struct postgres *p, const struct delivery *d,
                         const struct attempt *attempt)
{
    struct postgres_result *result = NULL;
    char row[24], attempts[24], status[24], took[24], pause[24];
    bool is_last = attempt->pause_ms < 0;

    snprintf(row, sizeof row, "%" PRId64, d->row);
    snprintf(attempts, sizeof attempts, "%" PRId64, d->attempts);
    snprintf(status, sizeof status, "%d", attempt->status);
    snprintf(took, sizeof took, "%" PRId64, (clock_mono_us() - d->began_us) / 1000);
    snprintf(pause, sizeof pause, "%" PRId64, attempt->pause_ms);
    struct postgres_parameter parameter[] = {word(row),
                                             word(attempts),
                                             word(status),
                                             word(took),
                                             word(attempt->why),
                                             word(attempt->is_done ? "t" : "f"),
                                             is_last ? (struct postgres_parameter){NULL, 0, false}
                                                     : word(pause),
                                             word(attempt->is_gone ? "t" : "f")};
    TRY(postgres_query(p,
                       "SELECT delivered($1::bigint, $2::integer, $3::integer, $4::integer, $5,"
                       " $6::boolean, $7::bigint, $8::boolean)",
                       8, parameter, false, &result));
    postgres_result_free(result);
    return ERR_NONE;
}

enum err deliveries_prune(struct postgres *p, int64_t keep_ms, bool *is_all)
{
    struct postgres_result *result = NULL;
    char keep[24];

    snprintf(keep, sizeof keep, "%" PRId64, keep_ms);
    struct postgres_parameter parameter[] = {word(keep)};
    TRY(postgres_query(p, "SELECT prune_deliveries($1::bigint)", 1, parameter, false, &result));
    *is_all = postgres_cell_i64(result, 0, 0) == 0;
    postgres_result_free(result);
    return ERR_NONE;
}

int64_t delivery_pause(int64_t attempts, int64_t first_ms, uint64_t random)
{
    /* 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, in units of the first. */
    static const int64_t units[DELIVERY_ATTEMPTS_MAX - 1] = {1,    60,    360,   1440, 3600,
                                                             7200, 10080, 14400, 17280};

    if (attempts < 1 || attempts >= DELIVERY_ATTEMPTS_MAX)
        return -1;
    int64_t pause_ms = units[attempts - 1] * first_ms;
    return pause_ms + (int64_t)(random % (uint64_t)(pause_ms / 10 + 1));
}

void delivery_body(struct buf *b, const struct delivery *d)
{
    char at[CLOCK_TEXT_BYTES], id[ID_TEXT_BYTES];

    clock_format(d->at_ms, at);
    buf_puts(b, "{\"type\":\"");
    buf_put(b, d->type.bytes, d->type.len);
    buf_putf(b, "\",\"timestamp\":\"%s\",\"data\":{", at);
    if (d->has_subject) {
        id_format(d->subject, id);
        buf_putf(b, "\"id\":\"%s\"%s", id, d->data.len > 2 ? "," : "");
    }
    buf_put(b, d->data.bytes + 1, d->data.len - 1); /* without its own bracket */
    buf_putc(b, '}');
}

/* "whsec_" and base64. */
static bool read_secret(struct span secret, struct buf *key)
{
    size_t n = sizeof SECRET_PREFIX - 1;

    return secret.len > n && memcmp(secret.bytes, SECRET_PREFIX, n) == 0 &&
           base64_read((struct span){secret.bytes + n, secret.len - n}, key) && key->len > 0;
}

static bool put_signature(struct buf *field, struct span secret, struct span message)
{
    unsigned char digest[DIGEST_BYTES];
    struct buf key;
    bool right;

    buf_init(&key, SECRET_BYTES_MAX);
    right = read_secret(secret, &key) && !key.failed;
    if (right) {
        digest_hmac_sha256(buf_span(&key), message, digest);
        buf_puts(field, field->len > 0 ? " v1," : "v1,");
        base64_write(field, (struct span){(const char *)digest, sizeof digest});
    }
    buf_free(&key);
    return right;
}

bool delivery_sign(struct buf *field, const struct delivery *d, struct span body, int64_t now_s)
{
    struct buf message;
    bool right;

    buf_init(&message, TEXT_BYTES_MAX + 4096);
    buf_put(&message, d->event.bytes, d->event.len);
    buf_putf(&message, ".%" PRId64 ".", now_s);
    buf_put(&message, body.bytes, body.len);
    right =
        !message.failed && put_signature(field, d->secret, buf_span(&message)) &&
        (d->secret_before.len == 0 || put_signature(field, d->secret_before, buf_span(&message)));
    buf_free(&message);
    return right && !field->failed;
}
