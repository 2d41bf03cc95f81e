#include "bench/serve.h"

#include <signal.h>
#include <stdio.h>

#include <ev.h>

#include "http/server.h"

#define SERVE_BODY_BYTES_MAX 4096

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)watcher;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

int serve(struct ev_loop *loop, const char *listen, const struct http_application *application)
{
    struct http_server_options options = {.listen = listen,
                                          .connections_max = 18000,
                                          .idle_ms = 300000,
                                          .head_ms = 10000,
                                          .body_ms = 10000,
                                          .write_ms = 10000,
                                          .output_bytes_max = 1 << 20};
    struct http_server *server;
    ev_signal terminate, interrupt;

    signal(SIGPIPE, SIG_IGN);
    if (http_server_open(loop, &options, application, &server) != ERR_NONE)
        return 1;
    ev_signal_init(&terminate, on_signal, SIGTERM);
    ev_signal_init(&interrupt, on_signal, SIGINT);
    ev_signal_start(loop, &terminate);
    ev_signal_start(loop, &interrupt);
    printf("listening %d\n", http_server_port(server));
    fflush(stdout);
    ev_run(loop, 0);
    http_server_close(server);
    return 0;
}

void serve_gone(void *context, struct exchange *x)
{
    (void)context;
    (void)x;
}

size_t serve_body_bytes_max(void *context, struct exchange *x)
{
    (void)context;
    (void)x;
    return SERVE_BODY_BYTES_MAX;
}

const char *serve_render_error(void *context, int status, const char *detail, struct buf *headers,
                               struct buf *body)
{
    (void)context;
    (void)headers;
    buf_putf(body, "%d %s\n", status, detail != NULL ? detail : "");
    return "text/plain";
}
