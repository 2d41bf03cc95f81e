#include "gateway/resolve.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#define LOOK_EVERY_S 0.005

struct resolve {
    struct ev_loop *loop;
    ev_timer look;
    struct gaicb request;
    struct addrinfo hints;
    char *host;                                                        /* owned */
    void (*done)(void *context, const char *address, const char *why); /* NULL: cancelled */
    void *context;
};

static void resolve_free(struct resolve *resolve)
{
    ev_timer_stop(resolve->loop, &resolve->look);
    if (resolve->request.ar_result != NULL)
        freeaddrinfo(resolve->request.ar_result);
    free(resolve->host);
    free(resolve);
}

static void resolve_finish(struct resolve *resolve, int error)
{
    char address[INET6_ADDRSTRLEN + 16];
    const struct addrinfo *first = resolve->request.ar_result;

    if (resolve->done == NULL)
        return;
    if (error == 0)
        error = getnameinfo(first->ai_addr, first->ai_addrlen, address, sizeof address, NULL, 0,
                            NI_NUMERICHOST);
    if (error == 0)
        resolve->done(resolve->context, address, NULL);
    else
        resolve->done(resolve->context, NULL, gai_strerror(error));
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct resolve *resolve = timer->data;
    int error = gai_error(&resolve->request);

    (void)loop;
    (void)events;
    if (error == EAI_INPROGRESS)
        return;
    resolve_finish(resolve, error);
    resolve_free(resolve);
}

static struct resolve *resolve_start(struct ev_loop *loop, const char *host)
{
    struct resolve *resolve = calloc(1, sizeof *resolve);
    struct gaicb *list[1];

    if (resolve == NULL || (resolve->host = strdup(host)) == NULL) {
        free(resolve);
        return NULL;
    }
    resolve->loop = loop;
    resolve->hints.ai_socktype = SOCK_STREAM;
    resolve->request.ar_name = resolve->host;
    resolve->request.ar_request = &resolve->hints;
    ev_timer_init(&resolve->look, on_look, LOOK_EVERY_S, LOOK_EVERY_S);
    resolve->look.data = resolve;
    list[0] = &resolve->request;
    if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
        free(resolve->host);
        free(resolve);
        return NULL;
    }
    ev_timer_start(loop, &resolve->look);
    return resolve;
}

struct resolve *resolve_begin(struct ev_loop *loop, const char *host,
                              void (*done)(void *context, const char *address, const char *why),
                              void *context)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    struct resolve *resolve;

    if (inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1) {
        done(context, host, NULL);
        return NULL;
    }
    resolve = resolve_start(loop, host);
    if (resolve == NULL) {
        done(context, NULL, "cannot look the name up now");
        return NULL;
    }
    resolve->done = done;
    resolve->context = context;
    return resolve;
}

/* The lookup goes on in its thread and writes into the request: it is freed when it has ended. */
void resolve_cancel(struct resolve *resolve)
{
    resolve->done = NULL;
}
