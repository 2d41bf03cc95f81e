/*
 * Configuration: one table per program; flags, USHER_* variables, the file, --help and the man
 * pages' lists all come from it. Later wins: default, file, environment, flag.
 *
 * The file is INI: keys stand in [usher] (all programs) or in the program's own section
 * ([gateway], [allocator], [ctl]). A key that the program does not know is an error in its own
 * section; in [usher] it is ignored, for another program may know it; other sections are not looked
 * at. Space around keys and values is dropped, and so is all from a ; at a line's begin or behind
 * a space; a line has at most 4096 bytes. A flag is the key with - for _, a variable is USHER_ and
 * the key in capitals.
 */
#ifndef USHER_BASE_CONFIG_H
#define USHER_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_TEXT,   /* char * in the target: owned by the configuration */
    OPTION_NUMBER, /* int64_t, min..max */
    OPTION_FLAG,   /* bool: yes/no, true/false, on/off, 1/0; the bare flag means yes */
    OPTION_SECRET, /* as OPTION_TEXT, never printed */
};

struct option_row {
    const char *key; /* "connections_max" */
    enum option_kind kind;
    size_t offset;        /* of the field in the program's struct */
    const char *fallback; /* the default, as text; NULL: required (OPTION_TEXT: may not be empty) */
    int64_t min, max;     /* OPTION_NUMBER */
    const char *help;     /* one line, with the unit */
};

struct program {
    const char *name;    /* "usher-gateway" */
    const char *section; /* "gateway" */
    const char *summary; /* one line for --help */
    const char *usage;   /* what follows the options in the usage line, or "" */
    const struct option_row *options;
    size_t option_count;
    /*
     * What the rows cannot say; may be NULL. Returns NULL if all is right, else a sentence that
     * shows no secret, and sets *key to the option that it is about.
     */
    const char *(*check)(const void *target, const char **key);
};

/*
 * Fill `target` (a zeroed struct that the offsets point into). Handles --help, --version,
 * --config FILE and --check-config (prints "configuration is right" and exits 0). Anything wrong:
 * one clear line on standard error that names the source (file and line, variable or flag), and
 * exit 2; secrets and passwords in URLs are never shown. The process keeps its secrets from here
 * on (secrecy.h), and OPTION_SECRETs are erased from argv and the environment once they are read,
 * so that `ps` and /proc do not tell them: both must be writable. Returns the index of the first
 * argument that is not an option.
 */
int config_load(const struct program *program, int argc, char **argv, void *target);
void config_free(const struct program *program, void *target);

#define USHER_VERSION "0.1.0"

#endif
