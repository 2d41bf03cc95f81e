/*
 * Operating errors are values. ERR_NONE is 0, so `if (err)` reads well; what happened was logged
 * where it happened, by the code that knew the most.
 */
#ifndef USHER_BASE_ERR_H
#define USHER_BASE_ERR_H

enum err {
    ERR_NONE = 0,
    ERR_INPUT,       /* malformed bytes from outside: refuse them */
    ERR_BOUND,       /* a bound of bounds.h or of the configuration was reached */
    ERR_MEMORY,      /* no memory: refuse the request, keep the process */
    ERR_UNAVAILABLE, /* Redis or Postgres is away or late: nothing is known to have happened */
    ERR_UNKNOWN,     /* the connection broke during a commit: it may or may not have happened */
    ERR_FENCED,      /* another owner has taken the partition */
    ERR_REBUILD,     /* Redis does not hold what Postgres says: write it anew */
    ERR_REFUSED,     /* Redis or Postgres understood and said no (a constraint, a script error) */
};

/* A static name for the log: "none", "input", … */
const char *err_name(enum err err);

/* Return from the calling function what the expression returned, unless it was ERR_NONE. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        enum err try_err_ = (expression);                                                          \
        if (try_err_)                                                                              \
            return try_err_;                                                                       \
    } while (0)

#endif
