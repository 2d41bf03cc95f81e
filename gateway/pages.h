/*
 * The pages: the files of web/, built into the gateway and answered from memory. A file's path here
 * is its path there; the pages themselves are one document, page.html, whose script looks at the
 * address. Nothing in it comes from anywhere else, which its Content-Security-Policy says too.
 *
 * Every file has a strong ETag made of its bytes, another one for the compressed form. Whoever has
 * a file asks whether it is still right (no-cache) and is told 304: so files that belong together
 * never come from two versions for longer than one visit.
 */
#ifndef USHER_GATEWAY_PAGES_H
#define USHER_GATEWAY_PAGES_H

#include "gateway/task.h"

/* Any page: page.html. */
void get_page(struct task *task);
/* An address that is nobody's, 404: a page for whoever asks for one, else a problem. */
void get_no_page(struct task *task);
/* /web/…: the file of that name, or 404. */
void get_web_file(struct task *task);
/* The script that a shop puts on a page of its own. */
void get_waiting_room_script(struct task *task);

#endif
