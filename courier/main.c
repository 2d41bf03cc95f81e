/*
 * usher-courier: carries payments and refunds to the provider, and its word back into the queue.
 *
 *   options ──▶ courier_run: claim, carry, tell … until SIGTERM or SIGINT
 */
#include <signal.h>
#include <stddef.h>

#include "base/log.h"
#include "courier/courier.h"
#include "courier/options.h"

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
    courier_run(&options, &stop);
    log_event(LOG_INFO, "stopped", NULL);
    options_free(&options);
    return 0;
}
