/*
 * What gateways and couriers say of themselves, so that whoever asks any gateway for /metrics, or
 * usherctl, hears of all of them. Each writes its text under key_report about once a second, where
 * it expires PROGRAM_REPORT_SECONDS after the last, and its name into the set of its kind
 * (lua/report_program.lua). Readers take the names, then the texts of those that have one.
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

/* The command that reports: its words borrow from here. */
#define PROGRAM_REPORT_WORDS 8
struct program_report {
    struct key set, own;
    size_t argc;
    struct span argv[PROGRAM_REPORT_WORDS];
};
/* `script`: the text of lua/report_program.lua. Name and text are borrowed. */
void program_report_make(struct program_report *report, const char *kind, const char *name,
                         struct span text, struct span script);

/* The command that lists those of a kind: argv borrows from *set. Returns argc. */
#define PROGRAM_LIST_WORDS 4
size_t program_report_list(const struct key *set, struct span argv[PROGRAM_LIST_WORDS]);

#endif
