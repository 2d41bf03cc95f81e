/* The host part of a Postgres URL, names looked up beforehand: libpq would wait for them. */
#ifndef USHER_GATEWAY_HOSTS_H
#define USHER_GATEWAY_HOSTS_H

struct ev_loop;
struct hosts;

struct hosts_found {
    const char *why; /* not NULL: none of the names could be looked up */
    /* Lists of equal length, separated by commas, for libpq's host, hostaddr and port; all NULL
     * if there is no name among the hosts. Names that could not be looked up are left out. */
    const char *hosts, *addresses, *ports;
};

/* `host` and `port` as libpq has them (comma-separated, may be NULL). `done` is called once, later
 * or before this returns. Returns what hosts_cancel takes, or NULL if `done` was called already. */
struct hosts *hosts_resolve(struct ev_loop *loop, const char *host, const char *port,
                            void (*done)(void *context, const struct hosts_found *found),
                            void *context);
void hosts_cancel(struct hosts *hosts);

#endif
