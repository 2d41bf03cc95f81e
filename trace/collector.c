#include "trace/collector.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define SAYS_BYTES 200

struct collector {
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    bool is_busy;
    char why[CURL_ERROR_SIZE];
    char says[SAYS_BYTES]; /* the beginning of its answer */
    size_t says_len;
};

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct collector *c = context;
    size_t n = size * count, room = sizeof c->says - 1 - c->says_len;

    memcpy(c->says + c->says_len, bytes, n < room ? n : room);
    c->says_len += n < room ? n : room;
    c->says[c->says_len] = '\0';
    return n;
}

static bool set_up(struct collector *c, const char *url, const char *agent)
{
    CURL *easy = c->easy;
    static const char *const headers[] = {"Content-Type: application/json", "Accept:", "Expect:"};

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct curl_slist *more = curl_slist_append(c->headers, headers[i]);
        if (more == NULL)
            return false;
        c->headers = more;
    }
    return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, agent) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->why) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, c) == CURLE_OK;
}

struct collector *collector_new(const char *url, const char *agent)
{
    struct collector *c = calloc(1, sizeof *c);

    assert(c != NULL);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
        c->multi = curl_multi_init();
        c->easy = curl_easy_init();
        if (c->multi != NULL && c->easy != NULL && set_up(c, url, agent))
            return c;
    }
    collector_free(c);
    return NULL;
}

static void detach(struct collector *c)
{
    if (c->is_busy)
        curl_multi_remove_handle(c->multi, c->easy);
    c->is_busy = false;
}

void collector_free(struct collector *c)
{
    detach(c);
    if (c->easy != NULL)
        curl_easy_cleanup(c->easy);
    if (c->multi != NULL)
        curl_multi_cleanup(c->multi);
    curl_slist_free_all(c->headers);
    curl_global_cleanup();
    free(c);
}

bool collector_post(struct collector *c, struct span body, int64_t timeout_ms)
{
    assert(!c->is_busy);
    c->why[0] = c->says[0] = '\0';
    c->says_len = 0;
    c->is_busy =
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, body.bytes) == CURLE_OK &&
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) == CURLE_OK &&
        curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
        curl_multi_add_handle(c->multi, c->easy) == CURLM_OK;
    return c->is_busy;
}

bool collector_is_busy(const struct collector *c)
{
    return c->is_busy;
}

void collector_wait(struct collector *c, int descriptor, int64_t ms)
{
    struct curl_waitfd extra = {.fd = descriptor, .events = CURL_WAIT_POLLIN};
    int running, ready;

    curl_multi_perform(c->multi, &running);
    if (c->is_busy && running == 0)
        return;
    if (curl_multi_poll(c->multi, &extra, descriptor >= 0, (int)ms, &ready) != CURLM_OK)
        clock_sleep_ms(ms);
    curl_multi_perform(c->multi, &running);
}

bool collector_take(struct collector *c, struct collector_answer *answer)
{
    CURLMsg *message;
    int left;
    long status = 0;
    curl_off_t retry_after_s = 0;

    while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        *answer = (struct collector_answer){.status = code == CURLE_OK ? (int)status : 0,
                                            .retry_after_s = retry_after_s,
                                            .why = code == CURLE_OK    ? c->says
                                                   : c->why[0] != '\0' ? c->why
                                                                       : curl_easy_strerror(code)};
        detach(c);
        return true;
    }
    return false;
}
