/* usherctl advise: what is near its bound, what is more than is needed, and what to do about it. */
#ifndef USHER_CTL_ADVISE_H
#define USHER_CTL_ADVISE_H

#include "arguments.h"
#include "base/advice.h"
#include "survey.h"

#define ADVICE_COMMANDS_MAX 2
#define ADVICE_TEXT_BYTES 320
#define ADVICE_COMMAND_BYTES (DSN_BYTES_MAX * 4 + 64) /* a DSN may be all quotes */

/* A finding in words. */
struct advice {
    const char *what; /* one word for machines, like "hot_show" */
    bool is_needed;   /* else it could be done, to have less */
    char why[ADVICE_TEXT_BYTES];
    size_t commands;
    char command[ADVICE_COMMANDS_MAX][ADVICE_COMMAND_BYTES];
};

extern const struct command advise_command;

#endif
