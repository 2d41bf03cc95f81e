#include "web.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert(WEB_WHY_BYTES >= CURL_ERROR_SIZE, "libcurl writes that much");

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct buf *body = context;

    buf_put(body, bytes, size * count);
    return body->failed ? 0 : size * count;
}

/* A line of the head. A new answer begins with its status. */
static size_t on_head(char *bytes, size_t size, size_t count, void *context)
{
    static const char name[] = "Link: ";
    struct buf *link = context;
    struct span line = {bytes, size * count};

    if (line.len > 5 && span_is_nocase((struct span){bytes, 5}, "HTTP/"))
        buf_reset(link);
    if (line.len > sizeof name && span_is_nocase((struct span){bytes, sizeof name - 1}, name))
        buf_put(link, bytes + sizeof name - 1, line.len - sizeof name + 1);
    return line.len;
}

static struct curl_slist *add_header(struct curl_slist *headers, const char *name,
                                     const char *value)
{
    struct buf line;
    struct curl_slist *longer;

    buf_init(&line, 4096);
    buf_putf(&line, "%s: %s", name, value);
    const char *text = buf_text(&line);
    longer = text != NULL ? curl_slist_append(headers, text) : NULL;
    buf_free(&line);
    if (longer == NULL)
        abort();
    return longer;
}

static struct curl_slist *headers_of(const struct web_question *q)
{
    struct curl_slist *headers =
        add_header(NULL, "Accept", q->accept != NULL ? q->accept : "application/json");
    char bearer[2048];

    /* What is read is acted upon: what a replica knows will not do. */
    headers = add_header(headers, "Cache-Control", "no-cache");
    if (q->token[0] != '\0') {
        snprintf(bearer, sizeof(bearer), "Bearer %s", q->token);
        headers = add_header(headers, "Authorization", bearer);
    }
    if (q->key != NULL)
        headers = add_header(headers, "Idempotency-Key", q->key);
    if (q->body != NULL)
        headers = add_header(headers, "Content-Type", "application/json");
    return headers;
}

static bool set_up(CURL *easy, const struct web_question *q, struct curl_slist *headers,
                   struct buf *body, char why[WEB_WHY_BYTES])
{
    return curl_easy_setopt(easy, CURLOPT_URL, q->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)q->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, body) == CURLE_OK &&
           (q->link == NULL ||
            (curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_HEADERDATA, q->link) == CURLE_OK)) &&
           (q->body == NULL ||
            curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, q->body) == CURLE_OK) &&
           curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method) == CURLE_OK;
}

bool web_ask(const struct web_question *q, int *status, struct buf *body, char why[WEB_WHY_BYTES])
{
    struct curl_slist *headers = headers_of(q);
    CURL *easy = curl_easy_init();
    CURLcode code = CURLE_FAILED_INIT;
    long number = 0;

    buf_init(body, WEB_ANSWER_BYTES_MAX);
    why[0] = '\0';
    if (easy != NULL && set_up(easy, q, headers, body, why))
        code = curl_easy_perform(easy);
    if (code == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &number);
    if (code != CURLE_OK && why[0] == '\0')
        snprintf(why, WEB_WHY_BYTES, "%s", curl_easy_strerror(code));
    *status = (int)number;
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    return code == CURLE_OK;
}
