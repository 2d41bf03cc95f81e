#include "gateway/hosts.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "gateway/resolve.h"

#define HOSTS_MAX 8
#define LIST_BYTES_MAX 2048

struct hosts {
    struct ev_loop *loop;
    char *host, *port; /* owned copies */
    const char *next_host, *next_port;
    char name[256], number[8]; /* the pair that is being looked up */
    size_t count;
    struct buf hosts, addresses, ports;
    struct resolve *resolving;
    void (*done)(void *context, const struct hosts_found *found);
    void *context;
    char why[128];
};

static void hosts_free(struct hosts *h)
{
    buf_free(&h->hosts);
    buf_free(&h->addresses);
    buf_free(&h->ports);
    free(h->host);
    free(h->port);
    free(h);
}

/* Cut the next item from a comma-separated list; false at the end or if it does not fit. */
static bool next_item(const char **list, char *item, size_t size)
{
    size_t n;

    if (*list == NULL)
        return false;
    n = strcspn(*list, ",");
    if (n >= size)
        return false;
    memcpy(item, *list, n);
    item[n] = '\0';
    *list = (*list)[n] == ',' ? *list + n + 1 : NULL;
    return true;
}

static bool is_name(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return host[0] != '\0' && host[0] != '/' && host[0] != '@' &&
           inet_pton(AF_INET, host, bytes) != 1 && inet_pton(AF_INET6, host, bytes) != 1;
}

static bool has_name(const char *host)
{
    char name[256];

    while (next_item(&host, name, sizeof name))
        if (is_name(name))
            return true;
    return false;
}

static void hosts_add(struct hosts *h, const char *address)
{
    if (h->count++ > 0) {
        buf_putc(&h->hosts, ',');
        buf_putc(&h->addresses, ',');
        buf_putc(&h->ports, ',');
    }
    buf_puts(&h->hosts, h->name);
    buf_puts(&h->addresses, address);
    buf_puts(&h->ports, h->number);
}

static void hosts_finish(struct hosts *h)
{
    struct hosts_found found = {NULL, buf_text(&h->hosts), buf_text(&h->addresses),
                                buf_text(&h->ports)};

    if (h->count == 0 || found.hosts == NULL || found.addresses == NULL || found.ports == NULL)
        found.why = h->why[0] != '\0' ? h->why : "the list of hosts is too long";
    h->done(h->context, &found);
    hosts_free(h);
}

static bool hosts_go_on(struct hosts *h);

static void on_address(void *context, const char *address, const char *why)
{
    struct hosts *h = context;
    bool later = h->resolving != NULL;

    h->resolving = NULL;
    if (address != NULL)
        hosts_add(h, address);
    else
        snprintf(h->why, sizeof h->why, "%.60s: %s", h->name, why);
    if (later)
        hosts_go_on(h);
}

/* Look one name after the other up, until one of them has to be waited for. True: finished. */
static bool hosts_go_on(struct hosts *h)
{
    while (h->count < HOSTS_MAX && next_item(&h->next_host, h->name, sizeof h->name)) {
        char number[sizeof h->number];
        /* One port serves for all hosts, else each has its own. */
        if (next_item(&h->next_port, number, sizeof number))
            memcpy(h->number, number, sizeof number);
        if (!is_name(h->name)) {
            hosts_add(h, h->name[0] == '/' || h->name[0] == '@' ? "" : h->name);
            continue;
        }
        h->resolving = resolve_begin(h->loop, h->name, on_address, h);
        if (h->resolving != NULL)
            return false;
    }
    hosts_finish(h);
    return true;
}

struct hosts *hosts_resolve(struct ev_loop *loop, const char *host, const char *port,
                            void (*done)(void *context, const struct hosts_found *found),
                            void *context)
{
    struct hosts *h;

    if (host == NULL || !has_name(host) || (h = calloc(1, sizeof *h)) == NULL) {
        done(context, &(struct hosts_found){NULL, NULL, NULL, NULL});
        return NULL;
    }
    h->loop = loop;
    h->host = strdup(host);
    h->port = port != NULL ? strdup(port) : NULL;
    h->next_host = h->host;
    h->next_port = h->port;
    h->done = done;
    h->context = context;
    buf_init(&h->hosts, LIST_BYTES_MAX);
    buf_init(&h->addresses, LIST_BYTES_MAX);
    buf_init(&h->ports, LIST_BYTES_MAX);
    return hosts_go_on(h) ? NULL : h;
}

void hosts_cancel(struct hosts *hosts)
{
    if (hosts->resolving != NULL)
        resolve_cancel(hosts->resolving);
    hosts_free(hosts);
}
