/* Asking the gateway; the only place in ctl/ that includes libcurl. */
#ifndef USHER_CTL_WEB_H
#define USHER_CTL_WEB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define WEB_ANSWER_BYTES_MAX (4u << 20)
#define WEB_WHY_BYTES 256

struct web_question {
    const char *method; /* "GET", "POST", "PATCH" */
    const char *url;
    const char *token;  /* of the bearer, or "" */
    const char *key;    /* the Idempotency-Key, or NULL */
    const char *body;   /* JSON, or NULL */
    const char *accept; /* a media type; NULL: JSON */
    struct buf *link;   /* gets the answer's Link, or nothing; NULL: it is not wanted */
    int64_t timeout_ms;
};

/* The answer's status and body, which is owned by the caller (buf_free). False: none came, and why
 * not; whether the question arrived is not known then. */
bool web_ask(const struct web_question *question, int *status, struct buf *body,
             char why[WEB_WHY_BYTES]);

#endif
