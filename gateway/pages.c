#include "gateway/pages.h"

#include <assert.h>

#include "gateway/fields.h"
#include "gateway/gateway.h"
#include "gateway/reply.h"

struct file {
    const char *path; /* "/web/style.css" */
    const char *type;
    const char *etag, *etag_gzip; /* with their quotes */
    struct span plain, gzip;
};

#include "pages.inc"
#define FILES (sizeof files / sizeof files[0])

/* Scripts, styles and answers from here alone; no other page may frame these. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

static const char fields[] = "Cache-Control: no-cache\r\n"
                             "Vary: Accept-Encoding\r\n"
                             "Content-Security-Policy: " POLICY "\r\n"
                             "X-Content-Type-Options: nosniff\r\n"
                             "Referrer-Policy: same-origin\r\n";

static const struct file *find(struct span path)
{
    for (size_t i = 0; i < FILES; i++)
        if (span_is(path, files[i].path))
            return &files[i];
    return NULL;
}

/* Small files may grow by being compressed: those go as they are. */
static bool goes_compressed(const struct task *task, const struct file *file)
{
    struct span accepted = exchange_header(task->exchange, "accept-encoding");

    return file->gzip.len < file->plain.len && encoding_is_accepted(accepted, "gzip");
}

static void answer(struct task *task, const struct file *file, int status)
{
    struct span known = exchange_header(task->exchange, "if-none-match");
    bool compressed = goes_compressed(task, file);
    const char *etag = compressed ? file->etag_gzip : file->etag;

    reply_open(task);
    buf_puts(&task->gateway->headers, fields);
    reply_field(task, "ETag", etag);
    if (status == 200 && known.len > 0 && etag_matches(known, span_of(etag))) {
        reply_send_body(task, 304, NULL, (struct span){"", 0});
        return;
    }
    if (compressed)
        reply_field(task, "Content-Encoding", "gzip");
    reply_send_body(task, status, file->type, compressed ? file->gzip : file->plain);
}

static void answer_page(struct task *task, int status)
{
    const struct file *page = find(SPAN("/web/page.html"));

    assert(page != NULL);
    answer(task, page, status);
}

void get_page(struct task *task)
{
    answer_page(task, 200);
}

void get_no_page(struct task *task)
{
    bool is_get = exchange_method(task->exchange) == METHOD_GET;

    if (is_get && media_prefers_page(exchange_header(task->exchange, "accept")))
        answer_page(task, 404);
    else
        reply_not_found(task, "There is nothing here");
}

void get_web_file(struct task *task)
{
    const struct file *file = find(exchange_path(task->exchange));

    if (file != NULL)
        answer(task, file, 200);
    else
        reply_not_found(task, "There is nothing here");
}

void get_waiting_room_script(struct task *task)
{
    const struct file *script = find(SPAN("/web/waiting-room.js"));

    assert(script != NULL);
    answer(task, script, 200);
}
