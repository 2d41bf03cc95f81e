/*
 * usher-allocator: owns one partition at a time and decides its requests, in order.
 *
 *   options ──▶ allocator_run: stand by, take, turn … until SIGTERM or SIGINT
 */
#include "allocator/allocator.h"
#include "allocator/options.h"
#include "base/log.h"
#include "base/stop.h"

int main(int argc, char **argv)
{
    struct options options;

    options_load(&options, argc, argv);
    allocator_run(&options, stop_on_signals());
    log_event(LOG_INFO, "stopped", NULL);
    options_free(&options);
    return 0;
}
