/*
 * A small application on the HTTP server, for tests of the server itself
 * (tests/system/test_http*.py). It prints "listening PORT" when it is ready, drains on SIGTERM
 * after
 * --notice-ms, and ends when drained.
 *
 *   GET  /            "ok"
 *   POST /echo        the body; at most --body-bytes-max
 *   GET  /slow?ms=n   "slow n", n ms later
 *   GET  /big?bytes=n n bytes
 *   GET  /close       "bye", and the connection ends
 *   GET  /feed?ms=n   a stream: "begin", then "n tick" every n ms, n counting; ends when draining
 *   GET  /flood?bytes=n  the same every ms, n bytes each
 *   GET  /upgrade     101; echoes what it is sent, and ends with "end"
 *   GET  /counts      the server's counts and the number of `gone` calls, of streams that are open,
 *                     gone, and of ticks that a stream could not take, one "name value" a line
 *   any  /about       method, path, query, peer and every X-Test field, one a line
 */
#include <assert.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "base/log.h"
#include "http/server.h"

#define ANSWER_BYTES_MAX 16777216

struct responder {
    struct ev_loop *loop;
    struct http_server *server;
    size_t body_bytes_max;
    long notice_ms;
    unsigned long long gone, streams, streams_gone, ticks_skipped;
    struct buf answer;
    struct feed *feeds;
};

struct feed {
    struct feed *next, **link;
    struct responder *responder;
    struct exchange *exchange;
    ev_timer timer;
    unsigned ticks;
    size_t bytes; /* of a tick, at least */
    bool is_behind;
};

struct slow {
    ev_timer timer;
    struct responder *responder;
    struct exchange *exchange;
    int ms;
};

static void answer(struct exchange *x, int status, struct span body)
{
    exchange_answer(x, &(struct response){
                           .status = status,
                           .content_type = body.len > 0 ? "text/plain" : NULL,
                           .body = body,
                       });
}

static int query_number(struct exchange *x, const char *name)
{
    char text[64] = "";
    struct span query = exchange_query(x);
    size_t name_len = strlen(name);
    if (query.len > name_len && query.len < sizeof text &&
        memcmp(query.bytes, name, name_len) == 0 && query.bytes[name_len] == '=')
        memcpy(text, query.bytes + name_len + 1, query.len - name_len - 1);
    return atoi(text);
}

static void on_slow_end(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct slow *slow = timer->data;
    char text[32];
    snprintf(text, sizeof text, "slow %d", slow->ms);
    answer(slow->exchange, 200, span_of(text));
    free(slow);
}

static void get_slow(struct responder *r, struct exchange *x)
{
    struct slow *slow = calloc(1, sizeof *slow);
    assert(slow != NULL);
    slow->responder = r;
    slow->exchange = x;
    slow->ms = query_number(x, "ms");
    exchange_set_data(x, slow);
    ev_timer_init(&slow->timer, on_slow_end, slow->ms / 1000., 0.);
    slow->timer.data = slow;
    ev_timer_start(r->loop, &slow->timer);
}

static void feed_free(struct feed *f)
{
    f->responder->streams--;
    *f->link = f->next;
    if (f->next != NULL)
        f->next->link = f->link;
    ev_timer_stop(f->responder->loop, &f->timer);
    free(f);
}

static void feed_gone(void *context)
{
    struct feed *f = context;
    f->responder->streams_gone++;
    feed_free(f);
}

static void feed_end(struct feed *f)
{
    exchange_end(f->exchange);
    feed_free(f);
}

/* The newest tick, or none if the last one is not out yet. */
static void feed_tell(struct feed *f)
{
    struct buf *text = &f->responder->answer;
    buf_reset(text);
    buf_putf(text, "%u tick", f->ticks);
    while (text->len + 1 < f->bytes)
        buf_putc(text, '.');
    buf_putc(text, '\n');
    f->is_behind = !exchange_write(f->exchange, buf_span(text));
    f->responder->ticks_skipped += f->is_behind;
}

static void on_feed_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct feed *f = timer->data;
    f->ticks++;
    if (f->is_behind)
        f->responder->ticks_skipped++;
    else
        feed_tell(f);
}

static void feed_writable(void *context)
{
    feed_tell(context);
}

static void feed_received(void *context, struct span bytes)
{
    struct feed *f = context;
    exchange_write(f->exchange, bytes);
    if (span_is(bytes, "end"))
        feed_end(f);
}

static struct feed *feed_begin(struct responder *r, struct exchange *x, int ms, size_t bytes)
{
    struct feed *f = calloc(1, sizeof *f);
    assert(f != NULL);
    *f = (struct feed){.next = r->feeds, .link = &r->feeds, .responder = r, .exchange = x};
    f->bytes = bytes;
    if (f->next != NULL)
        f->next->link = &f->next;
    r->feeds = f;
    r->streams++;
    ev_timer_init(&f->timer, on_feed_tick, ms / 1000., ms / 1000.);
    f->timer.data = f;
    if (ms > 0)
        ev_timer_start(r->loop, &f->timer);
    return f;
}

static void get_feed(struct responder *r, struct exchange *x)
{
    static const struct http_stream stream = {.gone = feed_gone, .writable = feed_writable};
    int ms = query_number(x, "ms");
    size_t bytes = (size_t)query_number(x, "bytes");
    exchange_stream(x,
                    &(struct response){.status = 200,
                                       .content_type = "text/plain",
                                       .headers = SPAN("X-Stream: yes\r\n"),
                                       .body = SPAN("begin\n")},
                    &stream, feed_begin(r, x, ms > 0 ? ms : 1, bytes));
}

static void get_upgrade(struct responder *r, struct exchange *x)
{
    static const struct http_stream stream = {
        .gone = feed_gone, .writable = feed_writable, .received = feed_received};
    exchange_stream(x,
                    &(struct response){.status = 101,
                                       .headers = SPAN("Upgrade: echo\r\nConnection: Upgrade\r\n"),
                                       .body = SPAN("hello")},
                    &stream, feed_begin(r, x, 0, 0));
}

static void get_root(struct responder *r, struct exchange *x)
{
    (void)r;
    answer(x, 200, SPAN("ok"));
}

static void post_echo(struct responder *r, struct exchange *x)
{
    (void)r;
    answer(x, 200, exchange_body(x));
}

static void get_big(struct responder *r, struct exchange *x)
{
    int bytes = query_number(x, "bytes");
    buf_reset(&r->answer);
    for (int i = 0; i < bytes; i++)
        buf_putc(&r->answer, (char)('a' + i % 26));
    answer(x, 200, buf_span(&r->answer));
}

static void get_close(struct responder *r, struct exchange *x)
{
    (void)r;
    exchange_answer(x, &(struct response){.status = 200,
                                          .content_type = "text/plain",
                                          .headers = SPAN("X-Further: field\r\n"),
                                          .body = SPAN("bye"),
                                          .close = true});
}

static void get_empty(struct responder *r, struct exchange *x)
{
    (void)r;
    answer(x, 204, (struct span){NULL, 0});
}

static void get_counts(struct responder *r, struct exchange *x)
{
    const struct http_counts *c = http_server_counts(r->server);
    const struct {
        const char *name;
        unsigned long long value;
    } rows[] = {
        {"connections", c->connections},
        {"accepted", c->accepted},
        {"refused", c->refused},
        {"requests", c->requests},
        {"timeouts", c->timeouts},
        {"malformed", c->malformed},
        {"bytes_in", c->bytes_in},
        {"bytes_out", c->bytes_out},
        {"gone", r->gone},
        {"streams", r->streams},
        {"streams_gone", r->streams_gone},
        {"ticks_skipped", r->ticks_skipped},
    };
    buf_reset(&r->answer);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        buf_putf(&r->answer, "%s %llu\n", rows[i].name, rows[i].value);
    answer(x, 200, buf_span(&r->answer));
}

static void put_line(struct buf *out, struct span text)
{
    buf_put(out, text.bytes, text.len);
    buf_putc(out, '\n');
}

static void get_about(struct responder *r, struct exchange *x)
{
    buf_reset(&r->answer);
    buf_putf(&r->answer, "%d\n", (int)exchange_method(x));
    put_line(&r->answer, exchange_path(x));
    put_line(&r->answer, exchange_query(x));
    put_line(&r->answer, span_of(exchange_peer(x)));
    size_t at = 0;
    struct span value;
    while (exchange_header_next(x, "x-test", &at, &value))
        put_line(&r->answer, value);
    assert(exchange_header(x, "x-nobody-sends-this").bytes == NULL);
    answer(x, 200, buf_span(&r->answer));
}

static const struct {
    const char *path;
    void (*handle)(struct responder *r, struct exchange *x);
} routes[] = {
    {"/", get_root},         {"/echo", post_echo},  {"/slow", get_slow},
    {"/big", get_big},       {"/close", get_close}, {"/empty", get_empty},
    {"/counts", get_counts}, {"/about", get_about}, {"*", get_about},
    {"/feed", get_feed},     {"/flood", get_feed},  {"/upgrade", get_upgrade},
};

static void handle(void *context, struct exchange *x)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (span_is(exchange_path(x), routes[i].path)) {
            routes[i].handle(context, x);
            return;
        }
    }
    answer(x, 404, SPAN("not found"));
}

static void gone(void *context, struct exchange *x)
{
    struct responder *r = context;
    struct slow *slow = exchange_data(x);
    r->gone++;
    ev_timer_stop(r->loop, &slow->timer);
    free(slow);
}

static size_t body_bytes_max(void *context, struct exchange *x)
{
    struct responder *r = context;
    return span_is(exchange_path(x), "/echo") ? r->body_bytes_max : 0;
}

static const char *render_error(void *context, int status, const char *detail, struct buf *headers,
                                struct buf *body)
{
    (void)context;
    buf_puts(headers, "X-Refusal: yes\r\n");
    buf_putf(body, "%d %s", status, detail);
    return "text/plain";
}

static void on_drained(void *context)
{
    struct responder *r = context;
    http_server_close(r->server);
    ev_break(r->loop, EVBREAK_ALL);
}

static void on_terminate(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)events;
    struct responder *r = watcher->data;
    ev_signal_stop(loop, watcher);
    http_server_drain(r->server, r->notice_ms, on_drained, r);
    while (r->feeds != NULL)
        feed_end(r->feeds);
}

static void on_interrupt(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop;
    (void)events;
    on_drained(watcher->data);
}

static long number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n <= 0) {
        fprintf(stderr, "not a positive number: %s\n", text);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    static struct option flags[] = {
        {"listen", required_argument, NULL, 'l'},
        {"connections-max", required_argument, NULL, 'c'},
        {"idle-ms", required_argument, NULL, 'i'},
        {"head-ms", required_argument, NULL, 'h'},
        {"body-ms", required_argument, NULL, 'b'},
        {"write-ms", required_argument, NULL, 'w'},
        {"output-bytes-max", required_argument, NULL, 'o'},
        {"body-bytes-max", required_argument, NULL, 'm'},
        {"notice-ms", required_argument, NULL, 'n'},
        {0},
    };
    struct responder r = {.loop = ev_default_loop(0), .body_bytes_max = 1048576};
    struct http_server_options options = {
        .listen = "127.0.0.1:0",
        .connections_max = 10000,
        .idle_ms = 60000,
        .head_ms = 10000,
        .body_ms = 10000,
        .write_ms = 10000,
        .output_bytes_max = 262144,
    };
    struct http_application application = {&r, handle, gone, body_bytes_max, render_error};
    int flag;
    while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
        switch (flag) {
        case 'l':
            options.listen = optarg;
            break;
        case 'c':
            options.connections_max = (size_t)number(optarg);
            break;
        case 'i':
            options.idle_ms = number(optarg);
            break;
        case 'h':
            options.head_ms = number(optarg);
            break;
        case 'b':
            options.body_ms = number(optarg);
            break;
        case 'w':
            options.write_ms = number(optarg);
            break;
        case 'o':
            options.output_bytes_max = (size_t)number(optarg);
            break;
        case 'm':
            r.body_bytes_max = (size_t)number(optarg);
            break;
        case 'n':
            r.notice_ms = number(optarg);
            break;
        default:
            return 2;
        }
    }
    log_open("http-responder", LOG_INFO, LOG_LOGFMT);
    buf_init(&r.answer, ANSWER_BYTES_MAX);
    if (http_server_open(r.loop, &options, &application, &r.server))
        return 2;

    ev_signal terminate;
    ev_signal_init(&terminate, on_terminate, SIGTERM);
    terminate.data = &r;
    ev_signal_start(r.loop, &terminate);
    ev_signal interrupt;
    ev_signal_init(&interrupt, on_interrupt, SIGINT);
    interrupt.data = &r;
    ev_signal_start(r.loop, &interrupt);
    printf("listening %d\n", http_server_port(r.server));
    fflush(stdout);
    ev_run(r.loop, 0);
    buf_free(&r.answer);
    ev_loop_destroy(r.loop);
    return 0;
}
