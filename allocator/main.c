/*
 * usher-allocator: owns one partition at a time and decides its requests, in order.
 *
 *   options ──▶ allocator_run: stand by, take, turn … until SIGTERM or SIGINT
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "allocator/allocator.h"
#include "allocator/options.h"
#include "base/log.h"
#include "base/redis_url.h"

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void catch_signals(void)
{
    struct sigaction end = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

int main(int argc, char **argv)
{
    struct options options;

    options_load(&options, argc, argv);
    catch_signals();
    allocator_run(&options, &stop);
    log_event(LOG_INFO, "stopped", NULL);
    options_free(&options);
    return 0;
}
