#include "gateway/admission.h"

#include "base/clock.h"
#include "base/ticket.h"
#include "gateway/gateway.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

static const char expired[] = "The admission has expired: join the waiting room again";

/* The details of lua/admission.lua. */
const char *admission_refused(uint64_t detail)
{
    if (detail == 1)
        return expired;
    return detail == 2 ? "The admission was used for a booking: join the waiting room again" : "";
}

static bool is_keyed(const struct task *task)
{
    return exchange_header(task->exchange, "idempotency-key").len > 0;
}

/* NULL: it is right, and goes along. */
static const char *wrong_with(const struct task *task, struct request *request, struct span given)
{
    struct ticket admission;

    if (given.len == 0)
        return "This show has a waiting room: POST to its queue, and send the admission along";
    if (ticket_read(&task->gateway->options->keys, given, &admission) ||
        admission.kind != TICKET_ADMISSION)
        return "The admission is not one of ours";
    if (admission.show != task->show->number)
        return "The admission is for another show";
    if (!ticket_is_for(&admission, request->user))
        return "The admission is for another user";
    if (admission.expires_ms <= clock_wall_ms() && !is_keyed(task))
        return expired;
    request->admission = admission.number;
    request->admitted_ms = admission.expires_ms;
    return NULL;
}

/* Several shows may be booked at once; only the one in the path can have a waiting room. */
static bool is_behind_other_rooms(const struct task *task)
{
    for (size_t i = 0; i < task->alsos; i++)
        if (task->also[i]->show.admission_required)
            return true;
    return false;
}

static void refuse(struct task *task, const char *why)
{
    reply_problem(task, code_status(CODE_QUEUE_REQUIRED), CODE_QUEUE_REQUIRED, NULL, why, 0);
}

bool admission_check(struct task *task, struct request *request, struct span given)
{
    const char *why = NULL;

    if (!op_takes(request->op) && request->op != OP_SEVERAL)
        return true;
    if (is_behind_other_rooms(task)) {
        refuse(task, "One of these shows has a waiting room: book it in the path of its own");
        return false;
    }
    if (!task->show->admission_required)
        return true;
    if (given.len == 0)
        given = exchange_header(task->exchange, "usher-admission");
    why = wrong_with(task, request, given);
    if (why != NULL)
        refuse(task, why);
    return why == NULL;
}
