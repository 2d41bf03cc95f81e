/*
 * usher-courier: carries payments and refunds to the provider, and its word back into the queue.
 *
 *   options ──▶ courier_run: claim, carry, tell … until SIGTERM or SIGINT
 */
#include "base/log.h"
#include "base/stop.h"
#include "courier/courier.h"
#include "courier/options.h"

int main(int argc, char **argv)
{
    struct options options;

    options_load(&options, argc, argv);
    courier_run(&options, stop_on_signals());
    log_event(LOG_INFO, "stopped", NULL);
    options_free(&options);
    return 0;
}
