#include "gateway/workers.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "trace/tracer.h"

#define BACKOFF_MS_MIN 50
#define BACKOFF_MS_MAX 5000
#define LIVED_LONG_MS 10000 /* who lived so long did not die of how it began */
#define BEGAN_MS 1000       /* who ends by itself before that could not begin */
#define PATIENCE_MS 2000    /* beyond their drain, before those that do not end are killed */
#define LOOK_MS 1000

struct worker {
    pid_t pid; /* 0: to be begun at begin_us */
    int64_t begun_us, begin_us;
    int64_t backoff_ms;
};

struct master {
    const struct gateway_options *options;
    struct gauges *gauges;
    struct board *board;
    size_t count, running;
    struct worker *worker;
    bool is_ending, is_failing;
    bool has_begun; /* all of them have lived for a while */
    int64_t end_us; /* when those that do not end are killed */
    sigset_t signals;
};

static void begin(struct master *m, size_t index)
{
    struct worker *w = &m->worker[index];
    pid_t master = getpid(), pid = fork();

    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        /* Nobody takes answers for a worker without its master: it ends as if it were asked to. */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != master)
            _exit(1);
        tracer_inherit();
        exit(gateway_run(m->options, m->gauges, m->board, (unsigned)index));
    }
    w->begun_us = clock_mono_us();
    if (pid < 0) {
        log_event(LOG_ERROR, "cannot_fork", "why", strerror(errno), NULL);
        w->begin_us = w->begun_us + BACKOFF_MS_MAX * 1000;
        return;
    }
    w->pid = pid;
    m->running++;
}

static bool have_lived(const struct master *m)
{
    int64_t now_us = clock_mono_us();

    for (size_t i = 0; i < m->count; i++)
        if (m->worker[i].pid == 0 || now_us - m->worker[i].begun_us < BEGAN_MS * 1000)
            return false;
    return true;
}

static void begin_due(struct master *m)
{
    int64_t now_us = clock_mono_us();

    for (size_t i = 0; i < m->count && !m->is_ending; i++)
        if (m->worker[i].pid == 0 && m->worker[i].begin_us <= now_us)
            begin(m, i);
}

static void kill_all(struct master *m, int number)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->worker[i].pid != 0)
            kill(m->worker[i].pid, number);
}

static void end_all(struct master *m, int number)
{
    kill_all(m, number);
    if (!m->is_ending)
        m->end_us = clock_mono_us() +
                    (m->options->drain_notice_ms + m->options->drain_ms + PATIENCE_MS) * 1000;
    m->is_ending = true;
}

/* A worker that is asked to end before it has made its handlers ends by the signal itself. */
static bool ended_well(const struct master *m, int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == 0;
    return m->is_ending && (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT);
}

static void note_death(struct master *m, pid_t pid, int status)
{
    int64_t now_us = clock_mono_us();
    bool is_well = ended_well(m, status);

    for (size_t i = 0; i < m->count; i++) {
        struct worker *w = &m->worker[i];
        if (w->pid != pid)
            continue;
        w->pid = 0;
        m->running--;
        if (m->is_ending) {
            m->is_failing = m->is_failing || !is_well;
            return;
        }
        if (WIFEXITED(status) && !is_well && !m->has_begun &&
            now_us - w->begun_us < BEGAN_MS * 1000) {
            end_all(m, SIGTERM); /* the address cannot be had: it said so */
            m->is_failing = true;
            return;
        }
        log_event(LOG_WARN, "worker_died", "worker", log_u64(i), "exit",
                  log_i64(WIFEXITED(status) ? WEXITSTATUS(status) : -1), "signal",
                  log_i64(WIFSIGNALED(status) ? WTERMSIG(status) : 0), NULL);
        if (now_us - w->begun_us > LIVED_LONG_MS * 1000)
            w->backoff_ms = BACKOFF_MS_MIN;
        w->begin_us = now_us + w->backoff_ms * 1000;
        if (w->backoff_ms < BACKOFF_MS_MAX)
            w->backoff_ms *= 2;
        return;
    }
}

static void reap(struct master *m)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        note_death(m, pid, status);
}

static int64_t until_next_us(const struct master *m)
{
    int64_t now_us = clock_mono_us(), wait_us = LOOK_MS * 1000;

    for (size_t i = 0; i < m->count; i++) {
        int64_t left_us = m->worker[i].begin_us - now_us;
        if (m->worker[i].pid == 0 && left_us < wait_us)
            wait_us = left_us > 0 ? left_us : 0;
    }
    return wait_us;
}

static void take_signal(struct master *m)
{
    int64_t wait_us = until_next_us(m);
    struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    int number = sigtimedwait(&m->signals, NULL, &wait);

    if (number == SIGTERM || number == SIGINT)
        end_all(m, number);
    else if (number == SIGHUP)
        kill_all(m, number);
}

static void master_open(struct master *m, const struct gateway_options *options,
                        struct gauges *gauges, struct board *board)
{
    m->options = options;
    m->gauges = gauges;
    m->board = board;
    m->count = (size_t)options->workers;
    m->worker = calloc(m->count, sizeof *m->worker);
    assert(m->worker != NULL);
    for (size_t i = 0; i < m->count; i++)
        m->worker[i].backoff_ms = BACKOFF_MS_MIN;
    sigemptyset(&m->signals);
    sigaddset(&m->signals, SIGTERM);
    sigaddset(&m->signals, SIGINT);
    sigaddset(&m->signals, SIGHUP);
    sigaddset(&m->signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &m->signals, NULL);
}

int workers_run(struct gateway_options *options, struct gauges *gauges, struct board *board)
{
    struct master m = {0};

    master_open(&m, options, gauges, board);
    while (!m.is_ending || m.running > 0) {
        begin_due(&m);
        tracer_keep();
        take_signal(&m);
        m.has_begun = m.has_begun || have_lived(&m);
        reap(&m);
        if (m.is_ending && clock_mono_us() > m.end_us)
            kill_all(&m, SIGKILL);
    }
    free(m.worker);
    return m.is_failing ? 1 : 0;
}
