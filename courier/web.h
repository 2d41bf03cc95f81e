/*
 * Asking an HTTP server, many questions at a time; the only place that includes libcurl. Follows no
 * redirects; an answer is bounded in time and size.
 */
#ifndef USHER_COURIER_WEB_H
#define USHER_COURIER_WEB_H

#include <stdint.h>

#include "base/buf.h"

#define WEB_ANSWER_BYTES_MAX (1u << 20)
#define WEB_HEADERS_MAX 4

struct web;

/* Called once for each question, from within web_wait. status 0: no answer came, and whether the
 * question arrived is not known; `why` says in words what happened. The body is borrowed. */
typedef void web_done(void *context, void *about, int status, struct span body, const char *why);

struct web *web_new(int64_t timeout_ms, web_done *done, void *context); /* never NULL */
void web_free(struct web *web); /* what is under way is forgotten */

/* All is copied. `form` NULL: GET; else POST of that form, encoded already. Never fails here: what
 * cannot be asked is done with status 0. */
struct web_question {
    const char *url;
    const char *headers[WEB_HEADERS_MAX]; /* "Name: value"; NULL behind the last */
    const char *form;
    void *about; /* given back with the answer */
};
void web_ask(struct web *web, const struct web_question *question);

/* Go on for so long at most; comes back early when something happened. */
void web_wait(struct web *web, int64_t ms);

#endif
