/*
 * Who asks. With auth = open it is whom the request names, and whoever has an id may act on what it
 * names. With auth = jwt it is the `sub` of a bearer token: a request may name nobody else, and
 * what belongs to others is not there.
 */
#ifndef USHER_GATEWAY_IDENTITY_H
#define USHER_GATEWAY_IDENTITY_H

#include <stdbool.h>

#include "base/answer.h"
#include "base/buf.h"

struct gateway;
struct identity;
struct task;

/* Of a task; empty with auth = open, and where anyone may ask. */
struct caller {
    size_t len;
    char user[USER_BYTES_MAX];
    bool is_admin; /* the token has the role */
};

/* Logs what is wrong and returns NULL if the keys cannot be read. */
struct identity *identity_new(struct gateway *gateway);
void identity_free(struct identity *identity);
bool identity_is_open(const struct gateway *gateway); /* auth = open */
/* Read the keys again. If that fails, those that there were go on being used, and it is logged. */
void identity_reload(struct identity *identity);

/* What the task's route demands of whoever asks is there: the task knows its caller then. False: it
 * was answered. */
bool identity_admits(struct task *task);

/* A token is demanded, whatever the route says; with auth = open there is nobody to be known. */
bool identity_demands(struct task *task);

/* The same for a stream, whatever its route: a browser cannot set header fields there. Nothing but
 * a GET that changes nothing may be asked for so: a cookie comes along whoever made the page. */
bool identity_watches(struct task *task);
bool identity_is_known(const struct task *task);
struct span identity_user(const struct task *task); /* or empty */

/* Speak for the caller: the user of a request becomes the caller if it names none. False: it names
 * another one, and was answered. */
bool identity_speaks_as(struct task *task, struct span *user);
void identity_refuse_other(struct task *task); /* 403 */
/* Whether what belongs to this user is to be hidden from who asks. */
bool identity_hides(const struct task *task, struct span owner);
/* The same of a decided request, and of an id of which nothing is known. */
bool identity_hides_answer(const struct task *task, const struct answer *answer);
bool identity_hides_id(const struct task *task, struct id id);

#endif
