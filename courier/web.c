#include "courier/web.h"

#include <assert.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define WEB_MAIL_BYTES_MAX (256u << 10)
#define WEB_LACKS_TLS                                                                              \
    "the mail server offers no TLS, and was not told the password: give smtps:// or its port "     \
    "with "                                                                                        \
    "STARTTLS, or smtp_tls = offered where the way to it is safe"

struct asked {
    struct web *web;
    CURL *easy;
    struct curl_slist *headers, *to;
    const struct networks *outside;
    bool is_refused; /* the address is one that it must not go to */
    struct buf mail;
    size_t mailed;
    struct buf body;
    void *about;
    char why[CURL_ERROR_SIZE];
    struct asked *next, **link; /* in the list of those under way */
};

struct web {
    CURLM *multi;
    int64_t timeout_ms;
    web_done *done;
    void *context;
    struct asked *asked;
};

struct web *web_new(int64_t timeout_ms, web_done *done, void *context)
{
    struct web *web = calloc(1, sizeof *web);

    assert(web != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    web->multi = curl_multi_init();
    assert(web->multi != NULL);
    web->timeout_ms = timeout_ms;
    web->done = done;
    web->context = context;
    return web;
}

static void asked_free(struct asked *asked)
{
    *asked->link = asked->next;
    if (asked->next != NULL)
        asked->next->link = asked->link;
    if (asked->easy != NULL) {
        curl_multi_remove_handle(asked->web->multi, asked->easy);
        curl_easy_cleanup(asked->easy);
    }
    curl_slist_free_all(asked->headers);
    curl_slist_free_all(asked->to);
    buf_free(&asked->mail);
    buf_free(&asked->body);
    free(asked);
}

void web_free(struct web *web)
{
    while (web->asked != NULL)
        asked_free(web->asked);
    curl_multi_cleanup(web->multi);
    curl_global_cleanup();
    free(web);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct asked *asked = context;

    buf_put(&asked->body, bytes, size * count);
    return asked->body.failed ? 0 : size * count;
}

static struct asked *asked_new(struct web *web, void *about)
{
    struct asked *asked = calloc(1, sizeof *asked);

    assert(asked != NULL);
    asked->web = web;
    asked->about = about;
    buf_init(&asked->body, WEB_ANSWER_BYTES_MAX);
    buf_init(&asked->mail, WEB_MAIL_BYTES_MAX);
    asked->next = web->asked;
    asked->link = &web->asked;
    if (asked->next != NULL)
        asked->next->link = &asked->next;
    web->asked = asked;
    return asked;
}

static bool read_address(const struct curl_sockaddr *from, struct address *address)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (from->family == AF_INET) {
        const struct sockaddr_in *in = (const void *)&from->addr;
        memcpy(address->bytes, mapped, sizeof mapped);
        memcpy(address->bytes + sizeof mapped, &in->sin_addr, 4);
        return true;
    }
    if (from->family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)&from->addr;
        memcpy(address->bytes, &in6->sin6_addr, ADDRESS_BYTES);
        return true;
    }
    return false;
}

/* libcurl asks for a socket when it knows where to: the last moment to say no. */
static curl_socket_t on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct asked *asked = context;
    struct address address;

    (void)purpose;
    if (!read_address(to, &address) || !outside_allows(asked->outside, address)) {
        asked->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static size_t on_mail(char *into, size_t size, size_t count, void *context)
{
    struct asked *asked = context;
    size_t n = asked->mail.len - asked->mailed;

    if (n > size * count)
        n = size * count;
    memcpy(into, asked->mail.bytes + asked->mailed, n);
    asked->mailed += n;
    return n;
}

static bool set_up_mail(struct asked *asked, const struct web_mail *mail)
{
    CURL *easy = asked->easy;

    buf_put(&asked->mail, mail->message.bytes, mail->message.len);
    asked->to = curl_slist_append(NULL, mail->to);
    return !asked->mail.failed && asked->to != NULL &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USE_SSL,
                            (long)(mail->needs_tls ? CURLUSESSL_ALL : CURLUSESSL_TRY)) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAIL_FROM, mail->from) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, asked->to) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_mail) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READDATA, asked) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) == CURLE_OK;
}

/* No proxy: it would be the proxy that connects, to wherever it is told. */
static bool keep_outside(struct asked *asked, const struct networks *outside)
{
    asked->outside = outside;
    return curl_easy_setopt(asked->easy, CURLOPT_OPENSOCKETFUNCTION, on_socket) == CURLE_OK &&
           curl_easy_setopt(asked->easy, CURLOPT_OPENSOCKETDATA, asked) == CURLE_OK &&
           curl_easy_setopt(asked->easy, CURLOPT_PROXY, "") == CURLE_OK;
}

static bool set_up(struct asked *asked, const struct web_question *question)
{
    CURL *easy = asked->easy = curl_easy_init();

    if (easy == NULL)
        return false;
    for (size_t i = 0; i < WEB_HEADERS_MAX && question->headers[i] != NULL; i++)
        asked->headers = curl_slist_append(asked->headers, question->headers[i]);
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, asked) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_URL, question->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)asked->web->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, asked->why) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, asked->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, asked) == CURLE_OK &&
           (question->form == NULL ||
            curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, question->form) == CURLE_OK) &&
           (question->outside == NULL || keep_outside(asked, question->outside)) &&
           (question->mail == NULL || set_up_mail(asked, question->mail)) &&
           curl_multi_add_handle(asked->web->multi, easy) == CURLM_OK;
}

void web_ask(struct web *web, const struct web_question *question)
{
    struct asked *asked = asked_new(web, question->about);

    if (set_up(asked, question))
        return;
    asked_free(asked);
    web->done(web->context, question->about, 0, (struct span){"", 0},
              "the question cannot be asked");
}

static void finish(struct asked *asked, CURLcode code)
{
    long status = 0;

    curl_easy_getinfo(asked->easy, CURLINFO_RESPONSE_CODE, &status);
    /* SMTP's refusals are answers, though libcurl takes them for failures; so is what a webhook's
     * receiver said before it talked too long. */
    bool is_cut = code == CURLE_WRITE_ERROR && asked->body.failed && asked->outside != NULL;
    /* A server that has no TLS has refused nothing that it was told: nothing was. */
    bool lacks_tls = code == CURLE_USE_SSL_FAILED;
    if (code != CURLE_OK && !is_cut && (asked->to == NULL || status < 400 || lacks_tls))
        status = 0;
    const char *why = asked->is_refused       ? "the address is not a public one"
                      : lacks_tls             ? WEB_LACKS_TLS
                      : asked->why[0] != '\0' ? asked->why
                                              : curl_easy_strerror(code);
    asked->web->done(asked->web->context, asked->about, (int)status, buf_span(&asked->body), why);
    asked_free(asked);
}

static void gather(struct web *web)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(web->multi, &left)) != NULL) {
        char *asked = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &asked);
        finish((struct asked *)(void *)asked, code);
    }
}

void web_wait(struct web *web, int64_t ms)
{
    int running, ready;

    curl_multi_perform(web->multi, &running);
    if (curl_multi_poll(web->multi, NULL, 0, (int)ms, &ready) != CURLM_OK)
        clock_sleep_ms(ms);
    curl_multi_perform(web->multi, &running);
    gather(web);
}
