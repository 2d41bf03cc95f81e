/*
 * Asking HTTP servers, many questions at a time, and handing mail to an SMTP server; the only place
 * that includes libcurl. Follows no redirects; an answer is bounded in time and size.
 */
#ifndef USHER_COURIER_WEB_H
#define USHER_COURIER_WEB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "courier/outside.h"

#define WEB_ANSWER_BYTES_MAX (1u << 20)
#define WEB_HEADERS_MAX 8

struct web;

/* Called once for each question, from within web_wait. status 0: no answer came, and whether the
 * question arrived is not known; `why` says in words what happened. The body is borrowed. */
typedef void web_done(void *context, void *about, int status, struct span body, const char *why);

struct web *web_new(int64_t timeout_ms, web_done *done, void *context); /* never NULL */
void web_free(struct web *web); /* what is under way is forgotten */

/*
 * A message as it is handed to SMTP (RFC 5322, lines ending in CRLF), from one to one.
 */
struct web_mail {
    const char *from, *to;
    struct span message;
    bool needs_tls; /* else it is used if the server has it */
};

/* All is copied. Never fails here: what cannot be asked is done with status 0. */
struct web_question {
    const char *url;
    const char *headers[WEB_HEADERS_MAX]; /* "Name: value"; NULL behind the last */
    const char *form;                     /* NULL: GET; else POST of that text, encoded already */
    const struct networks *outside; /* not NULL: to public addresses and these alone, directly;
                                       kept by the caller until it is done */
    const struct web_mail *mail;    /* not NULL: no HTTP at all; the url is an SMTP server's */
    void *about;                    /* given back with the answer */
};
void web_ask(struct web *web, const struct web_question *question);

/* Go on for so long at most; comes back early when something happened. */
void web_wait(struct web *web, int64_t ms);

#endif
