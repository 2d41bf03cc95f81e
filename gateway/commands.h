/* Commands: from a request to the stream, and from the decision to the answer. */
#ifndef USHER_GATEWAY_COMMANDS_H
#define USHER_GATEWAY_COMMANDS_H

#include "base/request.h"
#include "gateway/json.h"
#include "gateway/task.h"

/* The head of a command: Prefer, traceparent, Content-Type; then its body. False: the task was
 * answered. json_free is due if it was true. */
bool command_begin(struct task *task, struct json *json);

/* What json_fail said, if it did, is the answer: false then. */
bool command_is_right(struct task *task, const struct json *json);

/* A user's name in a body. It may be missing where a token says who asks (identity.h). */
void command_read_user(const struct task *task, struct json *json, struct json_object in,
                       const char *name, bool required, struct span *user);
/* "deadline_ms", 0 if it is not there. */
int64_t command_read_deadline(struct json *json, struct json_object in);

/*
 * Send a request on its way and await its decision as the client prefers. The task has its show; in
 * `request`, op, user, lines and booking are set, the rest is done here. `scope` tells the keys of
 * one route from another's. The user is the caller, where that is known, and naming another is
 * refused; else, without a user (BOOK, HOLD), one is made up for this request.
 */
struct command {
    struct request *request;
    int64_t deadline_ms; /* what the body asked for, or 0 */
    struct span scope;
    struct span admission; /* what the body has for one (admission.h), or empty */
    task_grant *grant;
    task_words *words; /* or NULL */
};
void command_send(struct task *task, const struct command *command);

/*
 * Send a request that is named already on its way (settlement.h), without its decision: once the
 * stream has it, task->awaited's `undecided` is called. The task has its show.
 */
void command_queue(struct task *task, const struct request *request);

/* A decision as the task's grant and words have it. */
void command_tell(struct task *task, const struct answer *answer, bool repeated);
/* A task_grant: 201 or 200, the booking, Location. */
void command_grant(struct task *task, const struct answer *answer);
/* 202: not decided yet; where it will be found. */
void command_tell_queued(struct task *task);
/* Location: the path with the id behind it. */
void command_put_location(struct task *task, const char *path, struct id id);

#endif
