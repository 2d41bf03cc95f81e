/* storm: one parent that watches, and processes that send. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/generator/drive.h"
#include "bench/generator/hold.h"
#include "bench/generator/plan.h"
#include "bench/generator/report.h"
#include "bench/generator/tally.h"

#define READY_MS_MAX 90000
#define LOOK_MS 20
#define OVERTIME_S 30.0 /* beyond the plan's time; then the processes are killed */

static struct board *board; /* global for the signal handler alone */

static void on_signal(int number)
{
    (void)number;
    atomic_store(&board->stop, 1);
}

static void start_process(const struct plan *plan, uint32_t process, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    signal(SIGPIPE, SIG_IGN);
    _exit(plan->open > 0 ? hold_run(plan, board, process) : drive_run(plan, board, process));
}

static void start_processes(const struct plan *plan, pid_t pids[])
{
    pid_t parent = getpid();

    for (uint32_t p = 0; p < plan->processes; p++) {
        pids[p] = fork();
        if (pids[p] == 0)
            start_process(plan, p, parent);
        if (pids[p] < 0) {
            perror("storm: fork");
            exit(1);
        }
    }
}

/* What the held connections ask for may depend on what happened while they were made. */
static void take_path(const struct plan *plan)
{
    if (plan->open_kind == OPEN_IDLE)
        return;
    if (strcmp(plan->path, "-") != 0)
        snprintf(board->path, sizeof(board->path), "%s", plan->path);
    else if (fgets(board->path, sizeof(board->path), stdin) == NULL)
        atomic_store(&board->stop, 1);
    board->path[strcspn(board->path, "\r\n")] = '\0';
}

/* Left for reap() to collect. */
static bool any_has_ended(void)
{
    siginfo_t ended = {0};

    return waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0;
}

/* All clients first, then one common start; without one of the processes there is none. */
static void start_together(const struct plan *plan)
{
    for (int ms = 0; ms < READY_MS_MAX && atomic_load(&board->ready) < plan->processes; ms++) {
        if (any_has_ended())
            atomic_store(&board->stop, 1);
        if (atomic_load(&board->stop) != 0)
            return;
        clock_sleep_ms(1);
    }
    if (plan->open > 0) {
        printf("storm: open\n");
        fflush(stdout);
        take_path(plan);
    }
    board->start_wall_us = clock_wall_ms() * 1000;
    atomic_store(&board->start_us, clock_mono_us());
}

static void tell_end(uint32_t process, int status)
{
    if (WIFSIGNALED(status))
        fprintf(stderr, "storm: process %u was ended by signal %d\n", process, WTERMSIG(status));
    else
        fprintf(stderr, "storm: process %u ended with status %d\n", process, WEXITSTATUS(status));
}

/* Collects those that ended; true while one still runs. */
static bool reap(const struct plan *plan, pid_t pids[], bool *failed)
{
    bool running = false;

    for (uint32_t p = 0; p < plan->processes; p++) {
        int status = 0;
        if (pids[p] == 0)
            continue;
        if (waitpid(pids[p], &status, WNOHANG) != pids[p]) {
            running = true;
            continue;
        }
        pids[p] = 0;
        if (status == 0)
            continue;
        tell_end(p, status);
        *failed = true;
    }
    return running;
}

static bool watch_processes(const struct plan *plan, pid_t pids[])
{
    int64_t began_us = clock_mono_us();
    double next = 1;
    bool failed = false;

    while (reap(plan, pids, &failed)) {
        double elapsed = (double)(clock_mono_us() - began_us) / 1e6;
        if (elapsed >= next && !plan->quiet) {
            report_progress(plan, board, elapsed);
            next += 1;
        }
        if (elapsed > plan->seconds + OVERTIME_S)
            for (uint32_t p = 0; p < plan->processes; p++)
                if (pids[p] > 0)
                    kill(pids[p], SIGKILL);
        clock_sleep_ms(LOOK_MS);
    }
    return !failed;
}

int main(int argc, char **argv)
{
    static struct plan plan;
    static struct tally sum;
    pid_t pids[PROCESSES_MAX];

    plan_read(&plan, argc, argv);
    board = shared_new(sizeof(*board));
    if (plan.open > 0 && plan.open_kind == OPEN_LISTEN)
        board->moments = shared_new(sizeof(*board->moments));
    size_t seats = (size_t)plan.world.seats.count * plan.world.shows;
    if (seats > 0)
        plan.world.mark = shared_new(seats * sizeof(struct seat_mark));
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    start_processes(&plan, pids);
    start_together(&plan);
    bool right = watch_processes(&plan, pids);
    for (uint32_t p = 0; p < plan.processes; p++)
        tally_merge(&sum, &board->tally[p]);
    sum.denied = seat_marks_denied(plan.world.mark, seats);
    bool written = report_end(&plan, board, &sum);
    return written && right && sum.wrong == 0 && sum.denied == 0 ? 0 : 1;
}
