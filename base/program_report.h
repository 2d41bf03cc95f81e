/*
 * What gateways and couriers say of themselves, so that whoever asks any gateway for /metrics, or
 * usherctl, hears of all of them. Each writes its text under key_report about once a second, where
 * it expires PROGRAM_REPORT_SECONDS after the last, and its name into the set of its kind. Readers
 * take the names, then the texts; a gateway takes names out that have no text any more. One that
 * comes back just then is missing for a second, which does no harm.
 */
#ifndef USHER_BASE_PROGRAM_REPORT_H
#define USHER_BASE_PROGRAM_REPORT_H

#include "bounds.h"
#include "buf.h"
#include "keys.h"

#define PROGRAM_REPORT_SECONDS 10
#define PROGRAM_REPORT_MS 1000   /* between two of them */
#define PROGRAM_REPORTS_MAX 1024 /* of one kind that a reader takes */

#define PROGRAM_GATEWAY "gateway"
#define PROGRAM_COURIER "courier"

/* The commands that report, in order. Their words borrow from here, and name and text from the
 * caller. */
#define PROGRAM_REPORT_COMMANDS 3
#define PROGRAM_REPORT_WORDS 5
struct program_report {
    struct key set, own;
    struct program_command {
        size_t argc;
        struct span argv[PROGRAM_REPORT_WORDS];
    } command[PROGRAM_REPORT_COMMANDS];
};
void program_report_make(struct program_report *report, const char *kind, const char *name,
                         struct span text);

#endif
