#include "gateway/stream_ticket.h"

#include "base/clock.h"
#include "base/ticket.h"
#include "gateway/fields.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/identity.h"
#include "gateway/render.h"
#include "gateway/reply.h"

#define GOOD_FOR_MS 60000

/* POST /v1/stream-tickets */
void post_stream_tickets(struct task *task)
{
    const struct ticket_keys *keys = &task->gateway->options->keys;
    struct ticket ticket = {.kind = TICKET_STREAM, .expires_ms = clock_wall_ms() + GOOD_FOR_MS};
    char text[TICKET_TEXT_BYTES];

    if (keys->count == 0) {
        reply_overloaded(task, "ticket_keys is not set here: no ticket can be signed", 60);
        return;
    }
    ticket_set_user(&ticket, identity_user(task));
    ticket_write(keys, &ticket, text);
    struct buf *b = reply_open_private(task);
    buf_putf(b, "{\"ticket\":\"%s\",\"expires_at\":", text);
    render_time(b, ticket.expires_ms);
    buf_putc(b, '}');
    reply_send(task, 201, REPLY_JSON);
}

bool stream_ticket_is_shown(const struct task *task)
{
    char text[TICKET_TEXT_BYTES];
    struct ticket ticket;
    size_t len;

    return query_value(exchange_query(task->exchange), "ticket", text, sizeof text, &len) ==
               QUERY_FOUND &&
           !ticket_read(&task->gateway->options->keys, (struct span){text, len}, &ticket) &&
           ticket.kind == TICKET_STREAM && ticket.expires_ms > clock_wall_ms();
}
