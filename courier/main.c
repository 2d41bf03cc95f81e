/*
 * usher-courier: carries payments and refunds to the provider, and its word back into the queue.
 *
 *   options ──▶ courier_run: claim, carry, tell … until SIGTERM or SIGINT
 */
#include "base/log.h"
#include "base/stop.h"
#include "courier/courier.h"
#include "courier/options.h"
#include "trace/exporter.h"
#include "trace/tracer.h"

int main(int argc, char **argv)
{
    struct options options;

    if (exporter_is_meant(argc, argv))
        return exporter_run(argv);
    options_load(&options, argc, argv);
    courier_run(&options, stop_on_signals());
    tracer_close();
    log_event(LOG_INFO, "stopped", NULL);
    options_free(&options);
    return 0;
}
