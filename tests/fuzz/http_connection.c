/*
 * A client's bytes through the whole server: connections, pipelining, bodies, refusals. However the
 * bytes are cut, the same answers come back, each of them well formed, in the order of the
 * requests, though the application answers some of them later and out of order, and some by a
 * stream that it ends a turn later. The first byte is a seed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "base/log.h"
#include "http/connection.h"
#include "tests/fuzz/fuzz.h"

#define BODY_BYTES_MAX 300
#define LATER_MAX 256
#define TURNS_MAX 2000

static struct ev_loop *loop;
static struct http_server *server;
static struct exchange *later[LATER_MAX];
static size_t later_count;
static struct exchange *streams[LATER_MAX];

static void answer(struct exchange *x)
{
    struct span path = exchange_path(x), body = exchange_body(x);
    struct buf text;

    buf_init(&text, 65536);
    buf_putf(&text, "%d ", (int)exchange_method(x));
    buf_put(&text, path.bytes, path.len);
    buf_putc(&text, ' ');
    buf_put(&text, body.bytes, body.len);
    exchange_answer(x, &(struct response){.status = 200,
                                          .content_type = "text/plain",
                                          .headers = SPAN("X-Fuzz: yes\r\n"),
                                          .body = buf_span(&text)});
    buf_free(&text);
}

static void on_stream_gone(void *context)
{
    struct exchange **place = context;

    CHECK(*place != NULL);
    *place = NULL;
}

static void begin_stream(struct exchange *x)
{
    static const struct http_stream events = {.gone = on_stream_gone};
    size_t i = 0;

    while (i < LATER_MAX && streams[i] != NULL)
        i++;
    CHECK(i < LATER_MAX);
    streams[i] = x;
    exchange_stream(x, &(struct response){.status = 200, .body = SPAN("stream")}, &events,
                    &streams[i]);
}

static void end_streams(void)
{
    for (size_t i = 0; i < LATER_MAX; i++) {
        if (streams[i] == NULL)
            continue;
        exchange_write(streams[i], (struct span){"", 0});
        exchange_end(streams[i]);
        streams[i] = NULL;
    }
}

static void on_request(void *context, struct exchange *x)
{
    (void)context;
    if (exchange_path(x).len % 7 == 6) {
        begin_stream(x);
        return;
    }
    if (exchange_path(x).len % 3 != 0 || later_count == LATER_MAX)
        answer(x);
    else
        later[later_count++] = x;
}

static void on_gone(void *context, struct exchange *x)
{
    size_t i = 0;

    (void)context;
    while (i < later_count && later[i] != x)
        i++;
    CHECK(i < later_count);
    memmove(&later[i], &later[i + 1], (later_count - i - 1) * sizeof *later);
    later_count--;
}

static size_t body_bytes_max(void *context, struct exchange *x)
{
    (void)context;
    return exchange_method(x) == METHOD_GET ? 0 : BODY_BYTES_MAX;
}

static const char *render_error(void *context, int status, const char *detail, struct buf *headers,
                                struct buf *body)
{
    (void)context;
    (void)headers;
    buf_putf(body, "%d %s", status, detail);
    return "text/plain";
}

static const struct http_application application = {
    NULL, on_request, on_gone, body_bytes_max, render_error,
};

static void open_server(void)
{
    static const struct http_server_options options = {
        .listen = "127.0.0.1:0",
        .connections_max = 100,
        .idle_ms = 60000,
        .head_ms = 60000,
        .body_ms = 60000,
        .write_ms = 60000,
        .output_bytes_max = 1 << 20,
    };

    log_open("fuzz", LOG_ERROR, LOG_LOGFMT);
    loop = ev_default_loop(0);
    CHECK(loop != NULL && http_server_open(loop, &options, &application, &server) == ERR_NONE);
}

/* One turn; then what was put off is answered, the last one first. */
static void turn(void)
{
    ev_run(loop, EVRUN_NOWAIT);
    while (later_count > 0)
        answer(later[--later_count]);
    end_streams();
    ev_run(loop, EVRUN_NOWAIT);
}

/* False when there is no more to come. */
static bool receive(int fd, struct buf *out)
{
    for (;;) {
        char bytes[4096];
        ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        buf_put(out, bytes, (size_t)n);
    }
}

static void converse(struct span input, unsigned seed, bool in_pieces, struct buf *out)
{
    int fds[2];
    struct sockaddr_storage peer = {.ss_family = AF_INET};

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    CHECK(connection_open(server, fds[0], &peer) != NULL);
    for (size_t at = 0; at < input.len;) {
        size_t n = in_pieces ? fuzz_step(&seed) : input.len;
        if (n > input.len - at)
            n = input.len - at;
        ssize_t sent = send(fds[1], input.bytes + at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            break; /* the server has closed, or takes no more */
        at += (size_t)sent;
        turn();
        receive(fds[1], out);
    }
    shutdown(fds[1], SHUT_WR);
    int turns = 0;
    do {
        turn();
        CHECK(turns++ < TURNS_MAX);
    } while (receive(fds[1], out));
    close(fds[1]);
    turn();
    CHECK(server->connections == NULL && later_count == 0);
    for (size_t i = 0; i < LATER_MAX; i++)
        CHECK(streams[i] == NULL);
}

/* The end of the head that begins at `at`, or 0. */
static size_t end_of_head(struct span out, size_t at)
{
    const char *end = memmem(out.bytes + at, out.len - at, "\r\n\r\n", 4);

    return end == NULL ? 0 : (size_t)(end - out.bytes) + 4;
}

/* That of a stream is what is left: `rest`. */
static size_t content_length(struct span head, size_t rest)
{
    const char *field = memmem(head.bytes, head.len, "\r\nContent-Length: ", 18);

    if (field != NULL)
        return strtoul(field + 18, NULL, 10);
    CHECK(memmem(head.bytes, head.len, "\r\nConnection: close\r\n", 21) != NULL);
    return rest;
}

/*
 * Walk over the answers. What may differ between two conversations is left out: the Date, and 100
 * Continue, which is only said while the body has not come.
 */
static void read_answers(struct span out, struct buf *plain)
{
    for (size_t at = 0; at < out.len;) {
        size_t end = end_of_head(out, at);
        struct span head = {out.bytes + at, end - at};
        CHECK(end > 0 && head.len > 13 && memcmp(head.bytes, "HTTP/1.", 7) == 0);
        int status = atoi(head.bytes + 9);
        at = end;
        CHECK(status == 100 || status == 200 || (status >= 400 && status < 600));
        if (status == 100)
            continue;
        const char *date = memmem(head.bytes, head.len, "\r\nDate: ", 8);
        CHECK(date != NULL && memmem(date + 1, head.len - (size_t)(date + 1 - head.bytes),
                                     "\r\nDate: ", 8) == NULL);
        size_t before = (size_t)(date - head.bytes);
        buf_put(plain, head.bytes, before);
        buf_put(plain, date + RESPONSE_DATE_BYTES, head.len - before - RESPONSE_DATE_BYTES);
        /* HEAD has a length and no body: an answer begins where it would stand. */
        size_t length = content_length(head, out.len - at);
        bool is_head =
            length > 0 && (at == out.len || memcmp(out.bytes + at, "HTTP/1.",
                                                   out.len - at < 7 ? out.len - at : 7) == 0);
        if (is_head)
            continue;
        CHECK(length <= out.len - at);
        buf_put(plain, out.bytes + at, length);
        at += length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    unsigned seed = fuzz_take_byte(&input);
    struct buf out[2], plain[2];

    if (server == NULL)
        open_server();
    for (int i = 0; i < 2; i++) {
        buf_init(&out[i], 1 << 22);
        buf_init(&plain[i], 1 << 22);
        converse(input, seed, i == 1, &out[i]);
        CHECK(!out[i].failed);
        read_answers(buf_span(&out[i]), &plain[i]);
    }
    CHECK(span_equal(buf_span(&plain[0]), buf_span(&plain[1])));
    for (int i = 0; i < 2; i++) {
        buf_free(&out[i]);
        buf_free(&plain[i]);
    }
    return 0;
}
