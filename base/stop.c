#include "stop.h"

#include <stddef.h>

static volatile sig_atomic_t stop;

static void on_signal(int number);

const volatile sig_atomic_t *stop_on_signals(void)
{
    struct sigaction end = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    return &stop;
}

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}
