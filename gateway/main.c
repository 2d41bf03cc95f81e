/*
 * usher-gateway: takes requests over HTTP, appends them to the streams of their partitions, awaits
 * the decisions, and answers. It decides nothing itself.
 *
 *   exchange ─▶ routes ─▶ bookings, seeds ─▶ commands ─▶ enqueue ─▶ (the stream)
 *                  │                            │
 *                  └─▶ reads, requests, …       └─▶ waiters ◀─ (the channel, answers kept)
 */
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/workers.h"
#include "trace/exporter.h"
#include "trace/tracer.h"

int main(int argc, char **argv)
{
    struct gateway_options options;
    struct gauges *gauges;
    struct board *board;
    int code;

    if (exporter_is_meant(argc, argv))
        return exporter_run(argv);
    options_load(&options, argc, argv);
    log_open("usher-gateway", options.log_level, options.log_format);
    tracer_open(&(struct tracer_settings){"usher-gateway", options.name, options.otlp_endpoint,
                                          options.log_level, options.log_format});
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* until there is somebody who reads keys again */
    gauges = gauges_map((unsigned)options.workers);
    board = board_map();
    if (gauges == NULL || board == NULL) {
        fprintf(stderr, "usher-gateway: no memory\n");
        return 1;
    }
    if (options.workers == 1)
        code = gateway_run(&options, gauges, board, 0);
    else
        code = workers_run(&options, gauges, board);
    board_unmap(board);
    tracer_close();
    gauges_unmap(gauges);
    options_free(&options);
    return code;
}
