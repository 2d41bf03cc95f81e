/*
 * What operators do, as commands: POST /v1/admin/…. Each becomes one ADMIN in the queue of its
 * show; those about the list of shows go to the first partition. What is asked is checked where it
 * is decided (lua/admin.lua, sql/): here a body becomes settings, tiers and seats become numbers.
 */
#ifndef USHER_GATEWAY_ADMIN_H
#define USHER_GATEWAY_ADMIN_H

#include <stdbool.h>

#include "base/answer.h"
#include "gateway/admin_access.h"
#include "gateway/json.h"
#include "gateway/task.h"

/* Granted: {"request_id", "show_id", "at", "result"}. Refused with a sentence. */
void admin_grant(struct task *task, const struct answer *answer);
void admin_refuse(struct task *task, const struct answer *answer);

/*
 * The task's show is the list of shows, as the first partition of a database decides it: of the one
 * that has the partition which the query's "partition" names, or home. False: the task was
 * answered.
 */
bool admin_give_catalogue(struct task *task);
/* … of the database with this number (databases_at); false: there is none, or it has no partition
 * that is known. */
bool admin_give_catalogue_of(struct task *task, size_t database);
/* For reads: what the query's "partition" names, if it names one, is where reads_ask will ask. */
bool admin_give_database(struct task *task);

/*
 * Send an action whose settings are the request's body, but for what `prepare` (or NULL) makes of
 * it; `booking` is what it is about, or NULL. The task has its show.
 */
void admin_send(struct task *task, const struct administrator *who, const char *action,
                const struct id *booking, void (*prepare)(struct task *task, struct json *json));

#endif
