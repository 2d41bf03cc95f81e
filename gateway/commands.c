#include "gateway/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/seats.h"
#include "base/text.h"
#include "gateway/admin.h"
#include "gateway/admission.h"
#include "gateway/alternatives.h"
#include "gateway/counts.h"
#include "gateway/enqueue.h"
#include "gateway/gateway.h"
#include "gateway/identity.h"
#include "gateway/limits.h"
#include "gateway/payments.h"
#include "gateway/redis_servers.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/several.h"
#include "gateway/shows.h"
#include "gateway/tracing.h"
#include "gateway/waiters.h"
#include "gateway/waitlist.h"

#define MORE_BYTES_MAX (96 << 10) /* of a refusal: a thousand seats at most, and alternatives */
#define LOOK_FIRST_MS 300         /* messages are quicker than this, unless one was lost */

static void read_preferences(struct task *task)
{
    struct span field;
    size_t at = 0;

    task->varies_by_prefer = true;
    task->preference = (struct preference){0};
    while (exchange_header_next(task->exchange, "prefer", &at, &field))
        preference_read(&task->preference, field);
}

static bool check_media(struct task *task)
{
    struct span body = exchange_body(task->exchange);
    struct span type = exchange_header(task->exchange, "content-type");

    if (body.len == 0 && task->route->body == BODY_OPTIONAL)
        return true;
    if (type.bytes != NULL && media_is_json(type))
        return true;
    if (body.len == 0)
        reply_invalid(task, 400, "A JSON body is missing");
    else
        reply_invalid(task, 415, "The Content-Type must be application/json");
    return false;
}

bool command_begin(struct task *task, struct json *json)
{
    read_preferences(task);
    tracing_begin(task);
    if (!check_media(task))
        return false;
    if (exchange_body(task->exchange).len == 0 && task->route->body == BODY_REQUIRED) {
        reply_invalid(task, 400, "A JSON body is missing");
        return false;
    }
    json_read(json, exchange_body(task->exchange));
    if (command_is_right(task, json))
        return true;
    json_free(json);
    return false;
}

bool command_is_right(struct task *task, const struct json *json)
{
    if (!json->failed)
        return true;
    if (json->status == 403)
        identity_refuse_other(task);
    else
        reply_invalid(task, json->status, json->why);
    return false;
}

void command_read_user(const struct task *task, struct json *json, struct json_object in,
                       const char *name, bool required, struct span *user)
{
    if (!json_text(json, in, name, required && !identity_is_known(task), user))
        return;
    if (!text_is_user(*user)) {
        json_fail(json, "\"%s\" must be 1 to %d bytes of text without control characters", name,
                  USER_BYTES_MAX);
    } else if (identity_hides(task, *user)) {
        json_fail(json, "\"%s\" is another user than the token's", name);
        json->status = 403;
    }
}

int64_t command_read_deadline(struct json *json, struct json_object in)
{
    int64_t deadline_ms = 0;

    json_whole(json, in, "deadline_ms", false, 1, DEADLINE_MS_MAX, &deadline_ms);
    return deadline_ms;
}

/* How long this client waits, and how long its request may stand in line. */
struct patience {
    int64_t wait_ms, deadline_ms;
    bool only_accepted; /* it wants to know no more than that the request is in line */
};

static struct patience patience_of(const struct task *task, int64_t body_deadline_ms)
{
    const struct preference *p = &task->preference;
    struct patience patience = {.wait_ms = task->gateway->options->wait_ms,
                                .deadline_ms = DEADLINE_MS_DEFAULT,
                                .only_accepted = p->has_wait ? p->wait_s == 0 : p->respond_async};

    if (p->has_wait && p->wait_s > 0)
        patience.wait_ms = p->wait_s * 1000;
    if (patience.wait_ms > patience.deadline_ms)
        patience.deadline_ms = patience.wait_ms;
    if (body_deadline_ms > patience.deadline_ms)
        patience.deadline_ms = body_deadline_ms;
    return patience;
}

enum key_found { KEY_ABSENT, KEY_FOUND, KEY_BAD };

static enum key_found read_key(const struct task *task, struct idempotency_key *key)
{
    struct span field;
    size_t at = 0;

    if (!exchange_header_next(task->exchange, "idempotency-key", &at, &field))
        return KEY_ABSENT;
    if (!idempotency_key_read(field, key) ||
        exchange_header_next(task->exchange, "idempotency-key", &at, &field))
        return KEY_BAD;
    return KEY_FOUND;
}

/* Give the request its id, its user if it has none, its deadline and its fingerprint. */
static bool name_request(struct task *task, const struct command *command, int64_t deadline_ms,
                         char guest[USER_BYTES_MAX])
{
    struct request *r = command->request;
    struct idempotency_key key;
    char id[ID_TEXT_BYTES];

    r->show = task->show->number;
    switch (read_key(task, &key)) {
    case KEY_BAD:
        reply_invalid(task, 400,
                      "The Idempotency-Key must be one text of 1 to 255 printable ASCII bytes");
        return false;
    case KEY_FOUND:
        r->id = id_keyed(r->show, r->user, command->scope, (struct span){key.text, key.len});
        break;
    case KEY_ABSENT:
        r->id = id_fresh(r->show, task->arrived_ms, deadline_ms, random_u64());
        break;
    }
    if (identity_is_known(task))
        r->id = id_owned(r->id, r->user);
    if (r->user.len == 0 && op_takes(r->op)) {
        id_format(r->id, id);
        r->user.len = (size_t)snprintf(guest, USER_BYTES_MAX, "guest-%s", id);
        r->user.bytes = guest;
    }
    r->deadline_ms = task->arrived_ms + deadline_ms;
    r->reply_to = span_of(task->gateway->name);
    r->trace = span_of(task->trace);
    request_set_fingerprint(r);
    return true;
}

static void on_decided(struct task *task, const struct answer *answer, bool repeated);
static const struct awaited awaited_command = {on_decided, command_tell_queued};

static void await(struct task *task, const struct command *command, const struct patience *patience)
{
    const struct request *r = command->request;

    task->deadline_ms = r->deadline_ms;
    task->checks_fingerprint = true;
    memcpy(task->fingerprint, r->fingerprint, FINGERPRINT_BYTES);
    task->awaited = &awaited_command;
    task->grant = command->grant;
    task->words = command->words;
    if (r->op == OP_BOOK || r->op == OP_HOLD) {
        task->lines = r->lines;
        memcpy(task->line, r->line, r->lines * sizeof r->line[0]);
    }
    task->wait_until_us = clock_mono_us() + patience->wait_ms * 1000;
    task->look_ms = LOOK_FIRST_MS;
    task->phase = patience->only_accepted ? WAIT_ACCEPTED : WAIT_DECIDED;
    waiters_add(task->gateway->waiters, task);
}

static bool may_queue(struct task *task, struct partition *partition)
{
    struct gateway *g = task->gateway;
    unsigned retry_s;

    if (partition == NULL || waiters_are_full(g->waiters)) {
        g->own[G_REFUSED_BOUND].count++;
        reply_overloaded(task, "Too many requests are under way", 1);
        return false;
    }
    if (!redis_servers_have(g->redis, task->show->partition)) {
        g->own[G_REFUSED_REDIS].count++;
        reply_overloaded(task, "The queue cannot be reached now", 1);
        return false;
    }
    retry_s = partitions_refuse(g->partitions, partition);
    if (retry_s > 0) {
        g->own[G_REFUSED_BACKLOG].count++;
        reply_overloaded(task, "The queue is too long now", retry_s);
        return false;
    }
    return true;
}

static bool queue(struct task *task, struct partition *partition, const struct request *request)
{
    struct gateway *g = task->gateway;
    enum err err = enqueue_add(g->enqueue, partition, request);

    if (!err && task->tracing != NULL)
        tracing_enqueued(task);
    if (!err)
        return true;
    g->own[err == ERR_UNAVAILABLE ? G_REFUSED_REDIS : G_REFUSED_BOUND].count++;
    reply_overloaded(task, "The request could not be queued", 1);
    return false;
}

void command_queue(struct task *task, const struct request *request)
{
    struct partition *partition = partitions_note(task->gateway->partitions, task->show->partition);

    task->arrived_ms = clock_wall_ms();
    if (!may_queue(task, partition))
        return;
    task_set_id(task, request->id);
    task->partition = partition->number;
    if (!queue(task, partition, request))
        return;
    task->deadline_ms = request->deadline_ms;
    task->checks_fingerprint = true;
    memcpy(task->fingerprint, request->fingerprint, FINGERPRINT_BYTES);
    task->wait_until_us = clock_mono_us() + task->gateway->options->wait_ms * 1000;
    task->look_ms = LOOK_FIRST_MS;
    task->phase = WAIT_ACCEPTED;
    waiters_add(task->gateway->waiters, task);
}

void command_send(struct task *task, const struct command *command)
{
    struct gateway *g = task->gateway;
    struct partition *partition = partitions_note(g->partitions, task->show->partition);
    struct patience patience = patience_of(task, command->deadline_ms);
    char guest[USER_BYTES_MAX];

    task->arrived_ms = clock_wall_ms();
    if (!identity_speaks_as(task, &command->request->user) ||
        !admission_check(task, command->request, command->admission) ||
        !may_queue(task, partition) ||
        !limits_admit(task, command->request->op, command->request->user, task->show->number) ||
        !name_request(task, command, patience.deadline_ms, guest))
        return;
    task_set_id(task, command->request->id);
    task->partition = partition->number;
    /* Queued even so: what the other one waits for may be an entry that Redis has lost since. */
    task->has_joined = id_is_keyed(task->id) && waiters_await(g->waiters, task->id);
    task->deadline_ms = command->request->deadline_ms;
    if (id_is_keyed(task->id) && patience.only_accepted)
        waiters_mark_queued(g, task); /* on the same connection, before the entry */
    if (queue(task, partition, command->request))
        await(task, command, &patience);
}

void command_put_location(struct task *task, const char *path, struct id id)
{
    char text[ID_TEXT_BYTES], location[64];

    id_format(id, text);
    snprintf(location, sizeof location, "%s%s", path, text);
    reply_field(task, "Location", location);
}

void command_grant(struct task *task, const struct answer *answer)
{
    bool is_new = op_takes(answer->op) || answer->op == OP_SEVERAL;
    struct buf *body = &task->gateway->body;

    if (answer->op == OP_ADMIN && !answer->has_booking) {
        admin_grant(task, answer);
        return;
    }
    if (answer->op == OP_PAY) {
        payments_grant(task, answer);
        return;
    }
    if (answer->op == OP_JOIN) {
        waitlist_grant(task, answer);
        return;
    }
    if (answer->op == OP_LEAVE) {
        waitlist_tell_left(task, answer);
        return;
    }
    command_put_location(task, "/v1/bookings/", answer->booking.id);
    buf_putc(body, '{');
    render_booking_members(body, task->show, &answer->booking);
    several_render(task, answer, body);
    buf_putc(body, '}');
    reply_send(task, is_new ? 201 : 200, REPLY_JSON);
}

static void describe(const struct refusal *refusal, char *text, size_t size)
{
    unsigned long long detail = refusal->detail;

    text[0] = '\0';
    if (refusal->code == CODE_ILLEGAL_STATE && state_name((enum state)detail) != NULL)
        snprintf(text, size, "The booking is %s", state_name((enum state)detail));
    else if (refusal->code == CODE_LIMIT_EXCEEDED && detail > 0)
        snprintf(text, size, "At most %llu are allowed", detail);
    else if (refusal->code == CODE_INVENTORY_IN_USE)
        snprintf(text, size, "Only %llu are free to be moved", detail);
    else if (refusal->code == CODE_QUEUE_REQUIRED)
        snprintf(text, size, "%s", admission_refused(detail));
    else if (refusal->code == CODE_NOT_ENOUGH || refusal->code == CODE_STILL_AVAILABLE)
        snprintf(text, size, "%llu left", detail);
}

static void tell_refusal(struct task *task, struct span alternatives)
{
    struct refusal *refusal = &task->refusal;
    const char *words = task->words != NULL ? task->words(refusal->code) : NULL;
    char detail[96];

    describe(refusal, detail, sizeof detail);
    buf_put(&refusal->more, alternatives.bytes, alternatives.len);
    reply_problem_more(task, code_status(refusal->code), refusal->code, words,
                       detail[0] != '\0' ? detail : NULL, 0,
                       refusal->more.failed ? (struct span){"", 0} : buf_span(&refusal->more));
}

/* What this refusal says more than others: of several shows, the one for whose sake all were
 * refused; the seats that somebody else has. */
static void note_refusal(struct task *task, const struct answer *answer)
{
    struct refusal *refusal = &task->refusal;
    const struct show *show =
        answer->refused_show != 0 ? shows_given(task, answer->refused_show) : task->show;

    refusal->code = answer->code;
    refusal->detail = answer->detail;
    buf_init(&refusal->more, MORE_BYTES_MAX);
    buf_init(&refusal->conflicts, BOOKING_SEATS_MAX * SEAT_POSITION_BYTES);
    if (show == NULL)
        return;
    if (answer->refused_show != 0)
        buf_putf(&refusal->more, ",\"show\":\"%s\",\"show_id\":%u", show->slug, show->number);
    if (answer->conflicts.len > 0) {
        buf_put(&refusal->conflicts, answer->conflicts.bytes, answer->conflicts.len);
        buf_puts(&refusal->more, ",\"conflicts\":");
        render_seats(&refusal->more, show, answer->conflicts);
    }
}

static void refuse(struct task *task, const struct answer *answer)
{
    if (answer->told.len > 0) {
        admin_refuse(task, answer);
        return;
    }
    note_refusal(task, answer);
    if (alternatives_may_be(task, answer))
        alternatives_find(task, tell_refusal);
    else
        tell_refusal(task, (struct span){"", 0});
}

void command_tell(struct task *task, const struct answer *answer, bool repeated)
{
    task->is_replayed = repeated;
    if (!several_give_shows(task, answer))
        return;
    if (answer->code != CODE_GRANTED ||
        (!answer->has_booking && !answer->has_waiting && answer->op != OP_ADMIN)) {
        refuse(task, answer);
        return;
    }
    reply_open(task);
    task->grant(task, answer);
}

static void on_decided(struct task *task, const struct answer *answer, bool repeated)
{
    if (task->cached != NULL)
        counts_touch(task->cached);
    if (task->preference.respond_async && !task->preference.has_wait)
        command_tell_queued(task);
    else
        command_tell(task, answer, repeated);
}

void command_tell_queued(struct task *task)
{
    struct gateway *g = task->gateway;
    struct buf *body = reply_open(task);
    const struct partition *partition = partitions_note(g->partitions, task->partition);
    uint64_t position = 1;
    int64_t wait_ms = 0;
    char id[ID_TEXT_BYTES];

    if (partition != NULL)
        partitions_estimate(partition, &position, &wait_ms);
    g->own[G_UNDECIDED].count++;
    command_put_location(task, reply_request_path(task), task->id);
    reply_field(task, "Retry-After", "1");
    id_format(task->id, id);
    buf_putf(body,
             "{\"request_id\":\"%s\",\"status\":\"QUEUED\",\"position\":%" PRIu64
             ",\"eta_ms\":%" PRId64 "}",
             id, position, wait_ms);
    reply_send(task, 202, REPLY_JSON);
}
