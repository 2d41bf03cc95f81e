/*
 * What the unit tests share: cmocka with its prerequisites, and memory that ends at a guard page,
 * so that a reader that looks one byte too far dies at once.
 *
 *   TEST(an_empty_span_is_no_number) { … }
 *   int main(void) { return RUN(cmocka_unit_test(an_empty_span_is_no_number)); }
 *
 * A test that is not listed does not compile: it is static and unused.
 */
#ifndef USHER_TESTS_UNIT_UNIT_H
#define USHER_TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"

#define TEST(name) static void name(__attribute__((unused)) void **state)

#define RUN(...)                                                                                   \
    cmocka_run_group_tests_name(__FILE__, ((const struct CMUnitTest[]){__VA_ARGS__}), NULL, NULL)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A span over a string literal that may hold NULs. */
#define BYTES(literal) ((struct span){(literal), sizeof(literal) - 1})

#define assert_span(got, want)                                                                     \
    do {                                                                                           \
        struct span got_ = (got);                                                                  \
        struct span want_ = (want);                                                                \
        assert_int_equal(got_.len, want_.len);                                                     \
        if (want_.len > 0)                                                                         \
            assert_memory_equal(got_.bytes, want_.bytes, want_.len);                               \
    } while (0)

struct guarded {
    char *pages; /* two or more; the last one may not be touched */
    size_t size;
    struct span span; /* the copy, right before the last page */
};

static inline struct guarded guarded_copy(struct span s)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (s.len / page + 2) * page;
    struct guarded g = {.size = size};

    g.pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.pages != MAP_FAILED);
    assert_int_equal(mprotect(g.pages + size - page, page, PROT_NONE), 0);
    g.span = (struct span){g.pages + size - page - s.len, s.len};
    if (s.len > 0)
        memcpy(g.pages + size - page - s.len, s.bytes, s.len);
    return g;
}

static inline void guarded_free(struct guarded *g)
{
    munmap(g->pages, g->size);
}

/* Calls `look` with a guarded copy of every proper prefix of s. */
static inline void each_prefix(struct span s, void (*look)(struct span prefix))
{
    for (size_t n = 0; n < s.len; n++) {
        struct guarded g = guarded_copy((struct span){s.bytes, n});

        look(g.span);
        guarded_free(&g);
    }
}

/* Whether it ends by SIGABRT, as a failed assertion does; tried in a child, whose stderr is shut.
 */
static inline bool aborts(void (*run)(int64_t argument), int64_t argument)
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        run(argument);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
