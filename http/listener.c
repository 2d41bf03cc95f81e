#include "http/listener.h"

#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#define ADDRESS_BYTES_MAX 256

/* The host, copied without brackets, and the port: what follows the last colon. */
static bool split_address(const char *address, char host[ADDRESS_BYTES_MAX], const char **port)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || strlen(address) >= ADDRESS_BYTES_MAX)
        return false;
    size_t len = (size_t)(colon - address);
    if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    }
    memcpy(host, address, len);
    host[len] = '\0';
    *port = colon + 1;
    size_t digits = strspn(*port, "0123456789");
    return digits > 0 && digits <= 5 && (*port)[digits] == '\0' && atoi(*port) <= 65535;
}

static bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/* Accepted sockets inherit TCP_NODELAY. An IPv6 socket for all addresses takes IPv4 too. */
static bool prepare(int fd, const struct addrinfo *info, bool shares)
{
    return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
           set_option(fd, SOL_SOCKET, SO_REUSEPORT, shares) &&
           set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
           (info->ai_family != AF_INET6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0)) &&
           bind(fd, info->ai_addr, info->ai_addrlen) == 0;
}

/* A bound descriptor, or -1 and errno. */
static int bind_to(const struct addrinfo *info, bool shares)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || prepare(fd, info, shares))
        return fd;
    int cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

/* The same by name; -1, errno and the error's text. */
static int bind_at(const char *host, const char *port, bool shares, const char **error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(host, port, &hints, &found);
    if (failure != 0) {
        *error = gai_strerror(failure);
        errno = 0;
        return -1;
    }
    int fd = bind_to(found, shares), cause = errno;
    freeaddrinfo(found);
    *error = strerror(cause);
    errno = cause;
    return fd;
}

static int bind_anywhere(const char *address, bool shares, const char **error)
{
    char host[ADDRESS_BYTES_MAX];
    const char *service;
    *error = "it is not host:port";
    errno = 0;
    if (!split_address(address, host, &service))
        return -1;
    int fd = bind_at(host[0] != '\0' ? host : "::", service, shares, error);
    if (fd < 0 && host[0] == '\0' && errno != EADDRINUSE) /* there may be no IPv6 here */
        fd = bind_at("0.0.0.0", service, shares, error);
    return fd;
}

static int bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address = {.six = {0}};
    socklen_t len = sizeof address;
    if (getsockname(fd, &address.any, &len) != 0)
        return 0;
    bool is_six = address.any.sa_family == AF_INET6;
    return ntohs(is_six ? address.six.sin6_port : address.four.sin_port);
}

enum err listener_open(const char *address, int *fd, int *port)
{
    const char *error;
    *fd = bind_anywhere(address, true, &error);
    if (*fd < 0) {
        log_event(LOG_ERROR, "listen_failed", "address", address, "error", error, NULL);
        return ERR_INPUT;
    }
    *port = bound_port(*fd);
    return ERR_NONE;
}

bool listener_begin(int fd)
{
    return listen(fd, LISTEN_BACKLOG) == 0;
}

/* Who will not share is refused an address at which somebody listens. */
bool listener_is_shared(const char *address)
{
    const char *error;
    int fd = bind_anywhere(address, false, &error);
    if (fd < 0)
        return errno == EADDRINUSE;
    close(fd);
    return false;
}

/* Run on the TCP header of each segment: those with SYN and without ACK are dropped unheard.
 * Sockets that are accepted inherit it, and never get such a segment. */
bool listener_deafen(int fd)
{
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetof(struct tcphdr, th_flags)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}
