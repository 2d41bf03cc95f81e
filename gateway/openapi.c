/* /openapi.json: docs/openapi.json, built in. */
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/reply.h"

static const unsigned char document[] = {
#include "docs/openapi.json.inc"
};

void get_openapi(struct task *task)
{
    reply_open(task);
    reply_field(task, "Cache-Control", "public, max-age=300");
    reply_send_body(task, 200, REPLY_JSON, (struct span){(const char *)document, sizeof document});
}
