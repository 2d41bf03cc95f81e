/*
 * WebSocket frames (RFC 6455), by libwslay: the only place that includes it. No I/O.
 *
 * A connection that is between two messages, as it nearly always is, keeps nothing here; wslay's
 * state, some 9 KiB, exists only while a frame has come in part.
 */
#ifndef USHER_GATEWAY_WEBSOCKET_H
#define USHER_GATEWAY_WEBSOCKET_H

#include <stdbool.h>

#include "base/buf.h"

#define WEBSOCKET_MESSAGE_BYTES_MAX 4096 /* that a client may send; nothing in it is asked for */
#define WEBSOCKET_ACCEPT_BYTES 29

struct websocket; /* what has come of an unfinished frame or message */

/* Bytes from the client. What is to be sent back (pongs, a closing frame with its code) is put to
 * `out`. False: that was the last of it: *half is freed, and the connection ends when `out` is
 * sent. *half is NULL at first, and owned by the caller. */
bool websocket_take(struct websocket **half, struct span bytes, struct buf *out);
void websocket_free(struct websocket *half); /* NULL is fine */

/* Frames of a server. */
void websocket_put_text(struct buf *out, struct span text); /* UTF-8 */
void websocket_put_ping(struct buf *out);
#define WEBSOCKET_GOING_AWAY 1001
void websocket_put_close(struct buf *out, unsigned code, struct span why);

/* The value of Sec-WebSocket-Accept; false if that is no Sec-WebSocket-Key. */
bool websocket_accept(struct span key, char accept[WEBSOCKET_ACCEPT_BYTES]);

#endif
