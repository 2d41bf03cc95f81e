#include "gateway/websocket.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/digest.h"

#define KEY_BYTES 24 /* base64 of 16 bytes */

struct websocket {
    wslay_event_context_ptr context;
    struct span input; /* while websocket_take works on it */
    struct buf *out;
    uint64_t fed, framed; /* bytes that came; those of frames that have begun */
    bool is_in_frame;     /* a frame's payload is not complete */
    bool is_in_message;   /* a message's last frame has not come */
    bool has_half_a_code; /* it ends, and does not say why: a closing frame of one byte */
};

static ssize_t on_recv(wslay_event_context_ptr context, uint8_t *to, size_t size, int flags,
                       void *data)
{
    struct websocket *ws = data;
    size_t n = ws->input.len < size ? ws->input.len : size;

    (void)flags;
    if (n == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, ws->input.bytes, n);
    ws->input = (struct span){ws->input.bytes + n, ws->input.len - n};
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *bytes, size_t n, int flags,
                       void *data)
{
    struct websocket *ws = data;

    (void)flags;
    buf_put(ws->out, bytes, n);
    if (!ws->out->failed)
        return (ssize_t)n;
    wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static void on_frame(wslay_event_context_ptr context,
                     const struct wslay_event_on_frame_recv_start_arg *frame, void *data)
{
    struct websocket *ws = data;
    uint64_t length = frame->payload_length;

    (void)context;
    /* Two bytes, a longer length's, the mask's four, the payload. */
    ws->framed += 2 + (length < 126 ? 0u : length < 65536 ? 2u : 8u) + 4 + length;
    ws->is_in_frame = true;
    if (!wslay_is_ctrl_frame(frame->opcode))
        ws->is_in_message = !frame->fin;
    if (frame->opcode == WSLAY_CONNECTION_CLOSE && length == 1)
        ws->has_half_a_code = true;
}

static void on_frame_end(wslay_event_context_ptr context, void *data)
{
    struct websocket *ws = data;

    (void)context;
    ws->is_in_frame = false;
}

static struct websocket *begin(void)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .on_frame_recv_start_callback = on_frame,
        .on_frame_recv_end_callback = on_frame_end,
    };
    struct websocket *ws = calloc(1, sizeof *ws);

    if (ws == NULL)
        return NULL;
    if (wslay_event_context_server_init(&ws->context, &callbacks, ws) != 0) {
        free(ws);
        return NULL;
    }
    wslay_event_config_set_max_recv_msg_length(ws->context, WEBSOCKET_MESSAGE_BYTES_MAX);
    return ws;
}

void websocket_free(struct websocket *ws)
{
    if (ws == NULL)
        return;
    wslay_event_context_free(ws->context);
    free(ws);
}

static bool is_between_messages(const struct websocket *ws)
{
    return ws->fed == ws->framed && !ws->is_in_frame && !ws->is_in_message;
}

/* wslay says why it ends, but not where frames are none at all: that it closes without a word. */
static bool work(struct websocket *ws)
{
    bool is_read = wslay_event_recv(ws->context) == 0;
    size_t before = ws->out->len;
    bool is_sent = wslay_event_send(ws->context) == 0;

    if ((!is_read || ws->has_half_a_code) &&
        wslay_event_get_status_code_sent(ws->context) == WSLAY_CODE_NO_STATUS_RCVD) {
        ws->out->len = before;
        websocket_put_close(ws->out, WSLAY_CODE_PROTOCOL_ERROR, (struct span){NULL, 0});
    }
    return is_read && is_sent && !wslay_event_get_close_sent(ws->context);
}

bool websocket_take(struct websocket **half, struct span bytes, struct buf *out)
{
    struct websocket *ws = *half != NULL ? *half : begin();
    bool goes_on;

    *half = ws;
    if (ws == NULL)
        return false;
    ws->input = bytes;
    ws->out = out;
    ws->fed += bytes.len;
    goes_on = work(ws);
    ws->out = NULL;
    if (goes_on && !is_between_messages(ws))
        return true;
    websocket_free(ws);
    *half = NULL;
    return goes_on;
}

/* One context makes all frames but closing ones, after which a context makes no more. */
static struct websocket *maker(void)
{
    static struct websocket *ws;

    if (ws == NULL)
        ws = begin();
    assert(ws != NULL);
    return ws;
}

static void put(struct buf *out, uint8_t opcode, struct span payload)
{
    struct websocket *ws = maker();
    struct wslay_event_msg message = {opcode, (const uint8_t *)payload.bytes, payload.len};

    ws->out = out;
    if (wslay_event_queue_msg(ws->context, &message) != 0 || wslay_event_send(ws->context) != 0)
        out->failed = true;
    ws->out = NULL;
}

void websocket_put_text(struct buf *out, struct span text)
{
    put(out, WSLAY_TEXT_FRAME, text);
}

void websocket_put_ping(struct buf *out)
{
    put(out, WSLAY_PING, (struct span){NULL, 0});
}

void websocket_put_close(struct buf *out, unsigned code, struct span why)
{
    struct websocket *ws = begin();

    if (ws == NULL)
        return; /* the connection's end says as much */
    ws->out = out;
    if (wslay_event_queue_close(ws->context, (uint16_t)code, (const uint8_t *)why.bytes, why.len) !=
            0 ||
        wslay_event_send(ws->context) != 0)
        out->failed = true;
    websocket_free(ws);
}

static bool is_key(struct span key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    if (key.len != KEY_BYTES || memcmp(key.bytes + KEY_BYTES - 2, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < KEY_BYTES - 2; i++)
        if (memchr(digits, key.bytes[i], sizeof digits - 1) == NULL)
            return false;
    return true;
}

bool websocket_accept(struct span key, char accept[WEBSOCKET_ACCEPT_BYTES])
{
    struct span parts[] = {key, SPAN("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")};

    static_assert(WEBSOCKET_ACCEPT_BYTES == DIGEST_SHA1_TEXT_BYTES, "base64 of a SHA-1");
    if (!is_key(key))
        return false;
    digest_sha1_base64(parts, 2, accept);
    return true;
}
