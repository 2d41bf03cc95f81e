/*
 * usher-allocator: owns one partition at a time and decides its requests, in order.
 *
 *   options ──▶ allocator_run: stand by, take, turn … until SIGTERM or SIGINT
 */
#include "allocator/allocator.h"
#include "allocator/options.h"
#include "base/log.h"
#include "base/stop.h"
#include "trace/exporter.h"
#include "trace/tracer.h"

int main(int argc, char **argv)
{
    struct options options;

    if (exporter_is_meant(argc, argv))
        return exporter_run(argv);
    options_load(&options, argc, argv);
    allocator_run(&options, stop_on_signals());
    tracer_close();
    log_event(LOG_INFO, "stopped", NULL);
    options_free(&options);
    return 0;
}
