/* The answer to a task: reply_open, more header fields and a body, reply_send. The task is given
 * back by reply_send and by whatever ends in it. */
#ifndef USHER_GATEWAY_REPLY_H
#define USHER_GATEWAY_REPLY_H

#include "base/buf.h"
#include "base/model.h"
#include "gateway/task.h"

#define REPLY_JSON "application/json"

/* Begin: the fields that every answer has. Returns the body to write to; until reply_send, nothing
 * may be done that could begin another answer. */
struct buf *reply_open(struct task *task);
struct buf *reply_open_private(struct task *task); /* nobody may keep it */
struct buf *reply_open_public(struct task *task);  /* anybody may keep it for a second */
void reply_field(struct task *task, const char *name, const char *value);
void reply_send(struct task *task, int status, const char *content_type);
/* The same with a body that is not in the buffer; borrowed for the call. */
void reply_send_body(struct task *task, int status, const char *content_type, struct span body);

/* The same, but the answer goes on as a stream (exchange.h). The task ends here. */
void reply_stream(struct task *task, int status, const char *content_type,
                  const struct http_stream *stream, void *context);

/*
 * A refusal. `error` NULL: the code's own sentence; `detail` NULL: the error. Codes that mean
 * "later" get a Retry-After of retry_after_s, at least 1; others of 0 get none.
 */
void reply_problem(struct task *task, int status, enum code code, const char *error,
                   const char *detail, unsigned retry_after_s);
/* The same, with more members (problem.h). */
void reply_problem_more(struct task *task, int status, enum code code, const char *error,
                        const char *detail, unsigned retry_after_s, struct span more);
/* Where what becomes of the task's request is told to who sent it, up to the id. */
const char *reply_request_path(const struct task *task);
void reply_not_found(struct task *task, const char *what);
void reply_invalid(struct task *task, int status, const char *detail);
void reply_overloaded(struct task *task, const char *why, unsigned retry_after_s);

/* Append the fields that every answer has; also for the server's own refusals (exchange NULL). */
struct gateway;
void reply_put_common(struct gateway *gateway, const struct exchange *exchange,
                      const char *request_id, struct buf *headers);

#endif
