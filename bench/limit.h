/* What the limits share: their command line. */
#ifndef USHER_BENCH_LIMIT_H
#define USHER_BENCH_LIMIT_H

#include <stdio.h>
#include <stdlib.h>

/* A whole number from 1 to max, or a line on standard error and exit 2. */
static inline long limit_number(const char *program, const char *text, long max)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (end != text && *end == '\0' && n >= 1 && n <= max)
        return n;
    fprintf(stderr, "%s: \"%s\" is not a number from 1 to %ld\n", program, text, max);
    exit(2);
}

#endif
