/*
 * What subcommands ask of the gateway's administrators' routes. Whatever goes wrong is said on
 * standard error by whoever finds it.
 */
#ifndef USHER_CTL_ASK_H
#define USHER_CTL_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "arguments.h"
#include "base/buf.h"
#include "context.h"
#include "web_json.h"

#define ASK_PATH_BYTES_MAX 512

/* False: it was said why; else the body is there, for the caller to free (buf_free). A question
 * with a body is a write, under a key of its own: done once, however often it has to be asked. */
bool ask_gateway(struct context *context, const char *method, const char *path, const char *body,
                 struct buf *answer);
/* The same of a read, as another media type than JSON (NULL: as JSON); `link`, inited by the
 * caller, gets what the answer's Link says. */
bool ask_to_read(struct context *context, const char *path, const char *accept, struct buf *link,
                 struct buf *answer);
/* A write; what it is like afterwards is printed behind `what`. Returns an exit code. */
int ask_to_change(struct context *context, const char *method, const char *path, const char *body,
                  const char *what);
/* A list, an element a line. Returns an exit code. */
int ask_for_list(struct context *context, const char *path, const char *member);

/* A body of these members, or a usage error. Owned by the caller (free). */
char *ask_body(const struct command *command, const struct json_member *members, size_t count);
/* The word, if a path may hold it as it is; else a usage error. */
const char *ask_word(const struct command *command, const char *word);
/* The text as a path has it, percent-encoded; false if it does not fit. */
bool ask_quote(const char *text, char *quoted, size_t size);
const char *ask_second_word(const struct command *command); /* "open" of "show open" */

#endif
