/* What stands in a request's head, path and query beyond plain text. Pure. */
#ifndef USHER_GATEWAY_FIELDS_H
#define USHER_GATEWAY_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/buf.h"

/* RFC 7240. Of a preference that is given more than once, the first one counts. */
struct preference {
    bool respond_async;
    bool has_wait;
    int64_t wait_s; /* clamped to WAIT_SECONDS_MAX */
};
/* Take in one field of that name; start from a zeroed struct. What is malformed is ignored. */
void preference_read(struct preference *p, struct span field);
/* The value of Preference-Applied, or "" if there was nothing to apply. */
#define PREFERENCE_BYTES 32
void preference_format(const struct preference *p, char text[PREFERENCE_BYTES]);

/* Idempotency-Key, bare or quoted; false if it is no key of 1..KEY_BYTES_MAX printable bytes. */
struct idempotency_key {
    char text[KEY_BYTES_MAX];
    size_t len;
};
bool idempotency_key_read(struct span field, struct idempotency_key *key);

/* Percent-decoding of a path segment or (plus_is_space) of a query value. False if it is malformed
 * or longer than max. */
bool percent_decode(struct span raw, bool plus_is_space, char *text, size_t max, size_t *len);

enum query_found { QUERY_ABSENT, QUERY_FOUND, QUERY_BAD };
/* The first parameter of that name, decoded. */
enum query_found query_value(struct span query, const char *name, char *text, size_t max,
                             size_t *len);

/* RFC 3339, or a date alone (its midnight in UTC), as milliseconds since 1970. */
bool time_read(struct span text, int64_t *wall_ms);

/* If-None-Match against one strong tag (with its quotes), compared weakly. */
bool etag_matches(struct span if_none_match, struct span etag);

/* True for application/json and anything +json, with whatever parameters. */
bool media_is_json(struct span content_type);

/* Whether an Accept field names text/event-stream, and no JSON before it. */
bool media_prefers_stream(struct span accept);
/* The same of text/html: a browser that is shown an address. */
bool media_prefers_page(struct span accept);
bool media_prefers_csv(struct span accept); /* and of text/csv */

/* Whether a list of tokens, as in Connection or Upgrade, has this one, in any case. */
bool list_has_token(struct span list, const char *token);

/* Whether an Origin is http(s):// and just this Host. */
bool origin_is_of_host(struct span origin, struct span host);
/* Whether an Accept-Encoding field allows this content coding, by its name or by "*". */
bool encoding_is_accepted(struct span accept_encoding, const char *name);

/* Whether the origin stands in the list (separated by commas or spaces; "*" allows all). */
bool origin_is_allowed(struct span list, struct span origin);
/* Whether it stands there by its own name. */
bool origin_is_named(struct span list, struct span origin);

#endif
