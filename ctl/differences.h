/* What verify has found: sentences, bounded in number; what is beyond the bound is only counted. */
#ifndef USHER_CTL_DIFFERENCES_H
#define USHER_CTL_DIFFERENCES_H

#include <stddef.h>

#define DIFFERENCES_KEPT_MAX 200
#define DIFFERENCE_BYTES 400

struct differences {
    size_t count; /* all of them */
    size_t kept;
    char line[DIFFERENCES_KEPT_MAX][DIFFERENCE_BYTES];
};

void differences_add(struct differences *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void differences_clear(struct differences *d);
void differences_move(struct differences *into, struct differences *from); /* clears `from` */
void differences_print(const struct differences *d); /* a line each, on standard output */

#endif
