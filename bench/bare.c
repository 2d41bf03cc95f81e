/*
 * The limit of everything over HTTP: usher's server with an application that does nothing. Every
 * request gets the same answer, the size of a show's availability.
 */
#include <stdio.h>

#include <ev.h>

#include "bench/serve.h"

static const char body[] =
    "{\"show\":1,\"version\":123456,\"tiers\":[{\"tier\":\"A\",\"price\":10000,"
    "\"currency\":\"USD\",\"capacity\":1000000,\"available\":876543,"
    "\"held\":12,\"booked\":123445}],\"available\":876543}";

static void answer(void *context, struct exchange *x)
{
    static const struct response response = {
        .status = 200, .content_type = "application/json", .body = {body, sizeof(body) - 1}};

    (void)context;
    exchange_answer(x, &response);
}

int main(int argc, char **argv)
{
    static const struct http_application application = {
        .handle = answer,
        .gone = serve_gone,
        .body_bytes_max = serve_body_bytes_max,
        .render_error = serve_render_error,
    };

    if (argc != 2) {
        fputs("usage: bare ADDRESS:PORT\n", stderr);
        return 2;
    }
    return serve(ev_default_loop(0), argv[1], &application);
}
