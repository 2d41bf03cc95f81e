/*
 * The exporter: the program once more, in a process that does nothing but read spans from a socket
 * and send them on. It holds no secret, because it was started anew with arguments and a handful of
 * variables. It ends when nobody is left who could write to its socket: its program and all of
 * the program's workers.
 *
 *            ┌──────────────── waiting, the oldest dropped at a bound ────────────────┐
 *   socket ──┴─▶ spans ──512, or half a second──▶ request ──POST──▶ 2xx: done         │
 *                                                    ▲    429, 502, 503, 504, no answer
 *                                                    └────── after a pause, six times ┘
 */
#ifndef USHER_TRACE_EXPORTER_H
#define USHER_TRACE_EXPORTER_H

#include <stdbool.h>

/* Whether this process was started to be one: the first thing that main asks. */
bool exporter_is_meant(int argc, char **argv);
/* To its end; the exit code. */
int exporter_run(char **argv);

#endif
