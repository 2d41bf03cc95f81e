#include "trace/tracer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "trace/shared.h"

#define ENDPOINT_BYTES_MAX 1024
#define PAUSE_MS_MIN 1000
#define PAUSE_MS_MAX 60000
#define LIVED_LONG_MS 60000
#define DESCRIPTOR_MIN 10      /* above those that the exporter is given */
#define SOCKET_BYTES (1 << 20) /* asked of the kernel, which may have a lower bound */
#define NUMBER_BYTES 16
#define VARIABLES_MAX 8

/* What the exporter needs of the environment; the rest may hold secrets. */
static const char *const variables[] = {"SSL_CERT_FILE", "SSL_CERT_DIR", "ASAN_OPTIONS",
                                        "UBSAN_OPTIONS", "LC_ALL"};
_Static_assert(sizeof variables / sizeof *variables < VARIABLES_MAX, "one is NULL");

static struct tracer {
    bool is_on;
    bool is_keeper; /* this process starts the exporter */
    char *program, *instance, *endpoint;
    enum log_level log_level;
    enum log_format log_format;
    int writing, reading, memory_file;
    struct tracer_memory *memory; /* shared with the exporter and between workers */
    pid_t exporter;               /* 0: it is to be started at start_us */
    int64_t started_us, start_us, pause_ms;
    struct buf datagram;
} tracer;

const char *tracer_check_endpoint(const char *endpoint)
{
    const char *host = strstr(endpoint, "://");

    if (endpoint[0] == '\0')
        return NULL;
    if (strncmp(endpoint, "http://", 7) != 0 && strncmp(endpoint, "https://", 8) != 0)
        return "must begin with http:// or https://";
    if (strlen(endpoint) > ENDPOINT_BYTES_MAX)
        return "is too long";
    if (strchr(endpoint, '@') != NULL)
        return "must not name a user: an exporter has it among its arguments";
    for (const char *at = endpoint; *at != '\0'; at++)
        if (*at <= ' ' || *at == 0x7f || *at == '?' || *at == '#')
            return "must be a URL without a query, like http://127.0.0.1:4318";
    return host[3] == '\0' || host[3] == '/' || host[3] == ':' ? "names no host" : NULL;
}

/* Above the numbers that the exporter's own have, and closed when another program is run. */
static int lifted(int descriptor)
{
    int high = descriptor < 0 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, DESCRIPTOR_MIN);

    if (descriptor >= 0)
        close(descriptor);
    return high;
}

static bool open_channel(struct tracer *t)
{
    int pair[2] = {-1, -1}, bytes = SOCKET_BYTES;
    void *memory;

    t->memory_file = lifted(memfd_create("usher-trace", MFD_CLOEXEC));
    if (t->memory_file < 0 || ftruncate(t->memory_file, sizeof(struct tracer_memory)) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    t->writing = lifted(pair[0]);
    t->reading = lifted(pair[1]);
    memory = mmap(NULL, sizeof(struct tracer_memory), PROT_READ | PROT_WRITE, MAP_SHARED,
                  t->memory_file, 0);
    if (t->writing < 0 || t->reading < 0 || memory == MAP_FAILED)
        return false;
    t->memory = memory;
    setsockopt(t->writing, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    return true;
}

static void choose_environment(char *chosen[VARIABLES_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        size_t len = strlen(variables[i]);
        for (char **at = environ; *at != NULL; at++)
            if (strncmp(*at, variables[i], len) == 0 && (*at)[len] == '=')
                chosen[count++] = *at;
    }
    chosen[count] = NULL;
}

/* With its own descriptors, no signal blocked or ignored, and nothing of this process' memory. */
static int spawn(struct tracer *t, char *const argv[])
{
    char *environment[VARIABLES_MAX];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    choose_environment(environment);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, t->reading, EXPORTER_SOCKET);
    posix_spawn_file_actions_adddup2(&actions, t->memory_file, EXPORTER_MEMORY);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int why = posix_spawn(&t->exporter, "/proc/self/exe", &actions, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return why;
}

static void start(struct tracer *t)
{
    char level[NUMBER_BYTES], format[NUMBER_BYTES];
    char name[] = EXPORTER_NAME;
    char *argv[EXPORTER_ARGUMENTS + 1] = {name,  t->program, t->instance, t->endpoint,
                                          level, format,     NULL};

    snprintf(level, sizeof level, "%d", (int)t->log_level);
    snprintf(format, sizeof format, "%d", (int)t->log_format);
    t->started_us = clock_mono_us();
    int why = spawn(t, argv);
    if (why == 0)
        return;
    t->exporter = 0;
    t->start_us = t->started_us + t->pause_ms * 1000;
    log_event(LOG_WARN, "exporter_not_started", "why", strerror(why), NULL);
}

void tracer_open(const struct tracer_settings *settings)
{
    struct tracer *t = &tracer;

    if (settings->endpoint[0] == '\0')
        return;
    t->program = strdup(settings->program);
    t->instance = strdup(settings->instance);
    t->endpoint = strdup(settings->endpoint);
    t->log_level = settings->log_level;
    t->log_format = settings->log_format;
    t->pause_ms = PAUSE_MS_MIN;
    buf_init(&t->datagram, TRACE_RECORD_BYTES_MAX);
    assert(t->program != NULL && t->instance != NULL && t->endpoint != NULL);
    if (!open_channel(t)) {
        log_event(LOG_WARN, "nothing_is_traced", "why", strerror(errno), NULL);
        return;
    }
    t->is_on = t->is_keeper = true;
    start(t);
}

bool tracer_is_on(void)
{
    return tracer.is_on;
}

void tracer_keep(void)
{
    struct tracer *t = &tracer;
    int64_t now_us;
    int status = 0;

    if (!t->is_keeper)
        return;
    now_us = clock_mono_us();
    if (t->exporter == 0) {
        if (now_us >= t->start_us)
            start(t);
        return;
    }
    /* A master that waits for any child may have seen this one's end before. */
    if (waitpid(t->exporter, &status, WNOHANG) == 0)
        return;
    if (now_us - t->started_us > LIVED_LONG_MS * 1000)
        t->pause_ms = PAUSE_MS_MIN;
    log_event(LOG_WARN, "exporter_died", "again_in_ms", log_i64(t->pause_ms), NULL);
    t->exporter = 0;
    t->start_us = now_us + t->pause_ms * 1000;
    t->pause_ms = t->pause_ms * 2 < PAUSE_MS_MAX ? t->pause_ms * 2 : PAUSE_MS_MAX;
}

void tracer_inherit(void)
{
    struct tracer *t = &tracer;

    if (!t->is_on)
        return;
    t->is_keeper = false;
    close(t->reading);
    close(t->memory_file);
}

/* It has nobody to read from any more: it sends what it has, and ends. One that does not is killed:
 * it may be stopped. */
static void await_end(struct tracer *t)
{
    int64_t end_us = clock_mono_us() + TRACER_END_MS * 1000;

    while (waitpid(t->exporter, NULL, WNOHANG) == 0) {
        if (clock_mono_us() > end_us) {
            kill(t->exporter, SIGKILL);
            waitpid(t->exporter, NULL, 0);
            return;
        }
        clock_sleep_ms(5);
    }
}

void tracer_close(void)
{
    struct tracer *t = &tracer;

    if (!t->is_keeper)
        return;
    t->is_on = t->is_keeper = false;
    close(t->writing);
    close(t->reading);
    close(t->memory_file);
    if (t->exporter != 0)
        await_end(t);
    munmap(t->memory, sizeof *t->memory);
    buf_free(&t->datagram);
    free(t->program);
    free(t->instance);
    free(t->endpoint);
}

void tracer_send(const struct trace_record *record)
{
    struct tracer *t = &tracer;

    if (!t->is_on)
        return;
    buf_reset(&t->datagram);
    trace_encode(&t->datagram, record);
    if (t->datagram.failed ||
        send(t->writing, t->datagram.bytes, t->datagram.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        atomic_fetch_add_explicit(&t->memory->count[TRACER_DROPPED_FULL], 1, memory_order_relaxed);
}

int64_t tracer_wall_us(int64_t mono_us)
{
    return clock_wall_us() - (clock_mono_us() - mono_us);
}

uint64_t tracer_counted(enum tracer_count which)
{
    if (tracer.memory == NULL)
        return 0;
    return atomic_load_explicit(&tracer.memory->count[which], memory_order_relaxed);
}
