/*
 * What stands behind a subcommand: flags from a table, then positional arguments. --help of a
 * subcommand is printed from the same table.
 */
#ifndef USHER_CTL_ARGUMENTS_H
#define USHER_CTL_ARGUMENTS_H

#include <stddef.h>
#include <stdint.h>

/* Exit codes: 1 means that it was tried and failed, 2 that it was asked wrongly. */
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_UNDECIDED 3 /* verify: it could not be found out */
#define EXIT_ADVISED 4   /* advise: something should be done */

enum flag_kind {
    FLAG_SWITCH, /* bool */
    FLAG_TEXT,   /* const char *, borrowed from argv */
    FLAG_NUMBER, /* int64_t within min..max */
    FLAG_LIST,   /* struct word_list: may be given again and again */
};

#define LIST_WORDS_MAX 64
struct word_list {
    size_t count;
    const char *word[LIST_WORDS_MAX];
};

struct flag {
    const char *name; /* "--slug" */
    enum flag_kind kind;
    size_t offset; /* in the subcommand's own struct */
    int64_t min, max;
    const char *value; /* what --help calls its value */
    const char *help;
};

struct context;

struct flag_table {
    const struct flag *rows;
    size_t count;
};
#define FLAG_TABLES 2

struct command {
    const char *name;       /* "show create" */
    const char *positional; /* "SLUG", "SHOW REPORT", or "" if there is none */
    const char *summary;
    int (*run)(struct context *context, const struct command *command, int argc, char **argv);
    struct flag_table flags[FLAG_TABLES]; /* of one struct's fields */
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* One with a table of flags. */
#define COMMAND(words, argument, text, function, rows)                                             \
    {                                                                                              \
        .name = words, .positional = argument, .summary = text, .run = function, .flags = {        \
            {rows, COUNT(rows)}                                                                    \
        }                                                                                          \
    }

/*
 * Fill `target` (already holding the defaults) from argv[0 … argc-1]; what is not a flag goes to
 * positional[0 …], of which there must be as many as the command has positional arguments (if none,
 * it may be NULL). Prints --help and exits 0; prints one line and exits 2 on anything wrong.
 */
void arguments_read(const struct command *command, int argc, char **argv, void *target,
                    const char **positional);

/* One line on standard error, "usherctl show create: …", and exit 2. */
_Noreturn void arguments_wrong(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
