/* Run something in a child process and see what it printed and how it ended. */
#ifndef USHER_TESTS_UNIT_CHILD_H
#define USHER_TESTS_UNIT_CHILD_H

#include <stdio.h>

#include "tests/unit/unit.h"

struct child {
    int status; /* as waitpid gives it */
    char out[16384];
    char err[16384];
};

static inline void child_read(FILE *file, char text[16384])
{
    rewind(file);
    text[fread(text, 1, 16383, file)] = '\0';
    fclose(file);
}

static inline struct child child_run(void (*run)(void *context), void *context)
{
    struct child c = {.status = 0};
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    pid_t pid;

    assert_non_null(out);
    assert_non_null(err);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(err), STDERR_FILENO);
        run(context);
        exit(0);
    }
    assert_int_equal(waitpid(pid, &c.status, 0), pid);
    child_read(out, c.out);
    child_read(err, c.err);
    return c;
}

static inline void assert_exit(const struct child *c, int code)
{
    if (!WIFEXITED(c->status) || WEXITSTATUS(c->status) != code)
        fail_msg("status %#x, not exit %d: %s%s", (unsigned)c->status, code, c->out, c->err);
}

static inline void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static inline void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("\"%s\" is in \"%s\"", part, text);
}

#endif
