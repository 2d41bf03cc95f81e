/* What the provider answers, and what an event tells: JSON, read by path; the only place in
 * courier/ that includes jansson. */
#ifndef USHER_COURIER_JSON_H
#define USHER_COURIER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct json {
    void *root; /* owned; NULL if it was no JSON */
};

struct json json_read(struct span text);
void json_free(struct json *json);

/*
 * A text within objects and arrays: "error.payment_intent.id", "data.0.status". False if there is
 * none, or it does not fit; then `into` is "".
 */
bool json_text(const struct json *json, const char *path, char *into, size_t size);
/* The same, borrowed from the JSON; empty if there is none. */
struct span json_span(const struct json *json, const char *path);
int64_t json_number(const struct json *json, const char *path); /* 0 if there is none */
/* How many elements an array has; 0 if there is none. */
size_t json_length(const struct json *json, const char *path);

#endif
